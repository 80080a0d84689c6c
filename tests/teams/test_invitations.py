"""Invitations: made, sent, taken back, accepted once."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.utils import timezone
from pytest_django.fixtures import Settings

from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Invitation, Membership, Role, Team, User
from teams.services import invitations, mail, service_accounts
from tests.factories import make_user
from tests.teams.test_members import race

PASSWORD = "a long enough password"


@pytest.fixture
def can_mail(settings: Settings) -> None:
    settings.MAIL = "memorymail://"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def invite(team: Team, actor: User, *, role: Role = Role.OPERATOR, days: int = 7) -> str:
    _, url = invitations.create(team=team, actor=actor, role=role, days=days)
    assert url
    return url.rstrip("/").rsplit("/", 1)[-1]


def test_a_link_puts_a_person_into_the_team_once(team: Team, admin: User) -> None:
    token = invite(team, admin)
    kim = User.objects.create_user("kim")
    assert invitations.accept(token=token, user=kim).role == Role.OPERATOR
    other = User.objects.create_user("other")
    with pytest.raises(invitations.NotValid):
        invitations.accept(token=token, user=other)
    assert [(row.action, row.actor_name) for row in AuditEntry.objects.order_by("pk")] == [
        ("invitation.create", "ada"),
        ("invitation.accept", "kim"),
        ("member.add", "kim"),
    ]


def test_the_link_is_kept_as_a_hash(team: Team, admin: User) -> None:
    token = invite(team, admin)
    row = Invitation.objects.values().get()
    assert token not in str(row)
    assert token not in str(list(AuditEntry.objects.values()))


def test_a_new_person_gets_an_account_that_belongs_to_the_link(team: Team, admin: User) -> None:
    user = invitations.accept_as_new(token=invite(team, admin), username="kim", password=PASSWORD)
    assert user.check_password(PASSWORD)
    assert Membership.objects.get(user=user).team == team
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert "user.create" in AuditEntry.objects.values_list("action", flat=True)


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("ada", PASSWORD, "username"),
        ("ADA", PASSWORD, "username"),
        ("with space", PASSWORD, "username"),
        ("", PASSWORD, "username"),
        ("k" * 151, PASSWORD, "username"),
        ("kim", "short", "password"),
        ("kim", "password1234", "password"),
    ],
)
def test_what_is_wrong_with_a_new_account_is_told_at_its_field_and_keeps_the_link(
    team: Team, admin: User, username: str, password: str, field: str
) -> None:
    token = invite(team, admin)
    with pytest.raises(Refused) as refusal:
        invitations.accept_as_new(token=token, username=username, password=password)
    assert refusal.value.field == field
    assert User.objects.count() == 1
    assert invitations.find(token)


def test_no_password_is_taken_where_passwords_are_switched_off(team: Team, admin: User, settings: Settings) -> None:
    settings.PASSWORDS = False
    with pytest.raises(Refused):
        invitations.accept_as_new(token=invite(team, admin), username="kim", password=PASSWORD)


def test_a_member_keeps_the_link_for_who_it_was_meant(team: Team, admin: User) -> None:
    token = invite(team, admin, role=Role.VIEWER)
    with pytest.raises(Refused, match="in Acme already"):
        invitations.accept(token=token, user=admin)
    assert Membership.objects.get(user=admin).role == Role.ADMIN
    assert invitations.find(token)


@pytest.mark.parametrize("over", ["expired", "taken back", "made up"])
def test_what_is_over_is_not_told_apart(team: Team, admin: User, over: str) -> None:
    token = invite(team, admin)
    if over == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif over == "taken back":
        invitations.revoke(invitation=Invitation.objects.get(), actor=admin)
    else:
        token = "made-up"
    kim = User.objects.create_user("kim")
    for act in (
        lambda: invitations.find(token),
        lambda: invitations.accept(token=token, user=kim),
        lambda: invitations.accept_as_new(token=token, username="new", password=PASSWORD),
    ):
        with pytest.raises(invitations.NotValid) as refusal:
            act()
        assert refusal.value.status == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_invite_and_take_back(team: Team, admin: User, role: Role) -> None:
    other = make_user(team=team, role=role)
    with pytest.raises(Forbidden):
        invite(team, other)
    invite(team, admin)
    with pytest.raises(Forbidden):
        invitations.revoke(invitation=Invitation.objects.get(), actor=other)


def test_an_accepted_one_cannot_be_taken_back(team: Team, admin: User) -> None:
    invitations.accept(token=invite(team, admin), user=User.objects.create_user("kim"))
    with pytest.raises(Refused):
        invitations.revoke(invitation=Invitation.objects.get(), actor=admin)
    assert Invitation.objects.get().accepted_by.username == "kim"  # type: ignore[union-attr]


@pytest.mark.usefixtures("can_mail")
def test_with_an_address_the_link_goes_there_and_to_nobody_else(team: Team, admin: User) -> None:
    made, url = invitations.create(team=team, actor=admin, role=Role.ADMIN, email="kim@example.com")
    assert url is None
    [message] = outbox.outbox
    assert message.to == ["kim@example.com"]
    assert "ada invites you to the team Acme on Sluice, as admin" in message.body
    token = message.body.partition("/invitations/")[2].partition("/")[0]
    user = invitations.accept_as_new(token=token, username="kim", password=PASSWORD)
    assert user.email == "kim@example.com"
    assert EmailAddress.objects.get(user=user).verified
    made.refresh_from_db()
    assert made.accepted_by == user


def test_without_a_mail_server_an_address_is_refused(team: Team, admin: User) -> None:
    with pytest.raises(Refused, match="cannot send e-mail") as refusal:
        invitations.create(team=team, actor=admin, role=Role.VIEWER, email="kim@example.com")
    assert refusal.value.field == "email"
    assert not Invitation.objects.exists()


@pytest.mark.usefixtures("can_mail")
@pytest.mark.parametrize("email", ["kim", "kim@", "a@b\n.example", "kim@example.com\nBcc: all@example.com"])
def test_a_wrong_address_is_refused(team: Team, admin: User, email: str) -> None:
    with pytest.raises(Refused) as refusal:
        invitations.create(team=team, actor=admin, role=Role.VIEWER, email=email)
    assert refusal.value.field == "email"


def test_a_server_that_takes_no_mail_leaves_no_invitation(team: Team, admin: User, settings: Settings) -> None:
    settings.MAIL, settings.EMAIL_BACKEND = "smtp://127.0.0.1:1", "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(mail.MailFailed):
        invitations.create(team=team, actor=admin, role=Role.VIEWER, email="kim@example.com")
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("days", [0, 31, -1])
def test_how_long_a_link_may_work(team: Team, admin: User, days: int) -> None:
    with pytest.raises(Refused) as refusal:
        invite(team, admin, days=days)
    assert refusal.value.field == "days"


@pytest.mark.django_db(transaction=True)
def test_two_people_who_open_the_link_at_once_do_not_both_join(team: Team, admin: User) -> None:
    token = invite(team, admin)
    people = [User.objects.create_user(f"person{number}") for number in range(3)]
    outcomes = race(*(lambda user=user: invitations.accept(token=token, user=user) for user in people))
    assert sorted(outcomes) == ["NotValid", "NotValid", "done"]
    assert Membership.objects.filter(team=team).count() == 2


@pytest.mark.parametrize("how", ["removed", "demoted", "inactive"])
def test_a_link_lets_nobody_in_once_its_maker_is_no_admin_any_more(team: Team, admin: User, how: str) -> None:
    leaver = make_user(team=team)
    _, url = invitations.create(team=team, actor=leaver, role=Role.ADMIN)
    assert url is not None
    token = url.rstrip("/").rsplit("/", 1)[1]
    assert invitations.find(token)
    if how == "removed":
        leaver.memberships.all().delete()
    elif how == "demoted":
        leaver.memberships.update(role=Role.OPERATOR)
    else:
        User.objects.filter(pk=leaver.pk).update(is_active=False)
    with pytest.raises(invitations.NotValid):
        invitations.find(token)
    with pytest.raises(invitations.NotValid):
        invitations.accept(token=token, user=User.objects.create_user("back-again"))
    assert not invitations.open_of(team).exists()


def test_a_service_account_joins_no_team(team: Team, admin: User, stranger: User) -> None:
    bot = service_accounts.create(team=team, actor=admin, name="bot", role=Role.ADMIN)
    _, url = invitations.create(team=stranger.teams.get(), actor=stranger, role=Role.ADMIN)
    token = (url or "").rstrip("/").rpartition("/")[2]
    with pytest.raises(Refused, match="for people"):
        invitations.accept(token=token, user=bot)
    assert bot.memberships.count() == 1
