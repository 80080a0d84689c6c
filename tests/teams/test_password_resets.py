"""A forgotten password: the link, what it changes, and what it leaves."""

from datetime import timedelta
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail as outbox
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from teams.errors import Forbidden, Refused
from teams.models import ApiToken, AuditEntry, PasswordReset, Role, Scope, Team, User
from teams.services import accounts, password_resets, service_accounts, tokens
from tests.second_factors import make_app
from tests.teams.test_members import race

NEW = "another long password"


@pytest.fixture
def ada(admin: User, settings: Settings) -> User:
    """With a verified address, on a panel that can send e-mail."""
    settings.MAIL = True
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    EmailAddress.objects.create(user=admin, email="ada@example.com", verified=True, primary=True)
    admin.refresh_from_db()
    return admin


def token_of(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def test_a_link_is_sent_to_the_proven_address_and_works_once(ada: User, settings: Settings):
    settings.PANEL_URL = "https://sluice.example.com"
    password_resets.send(ada.pk)
    [message] = outbox.outbox
    assert message.to == ["ada@example.com"]
    url = next(word for word in message.body.split() if word.startswith("https://"))
    assert url.startswith("https://sluice.example.com/forgotten-password/")
    assert token_of(url) not in str(PasswordReset.objects.values().get())
    password_resets.use(token=token_of(url), password=NEW, revoke_tokens=False)
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    with pytest.raises(password_resets.NotValid):
        password_resets.use(token=token_of(url), password=NEW, revoke_tokens=False)


@pytest.mark.parametrize(
    ("name", "found"),
    [("ada", True), (" ada ", True), ("ADA@Example.com", True), ("eve", False), ("", False), ("\x00", False)],
)
def test_who_is_meant(ada: User, name: str, found: bool):
    assert (password_resets.whose(name.replace("\x00", "")) == ada) is found


def test_nobody_gets_a_link_by_an_address_that_is_not_proven(ada: User):
    EmailAddress.objects.update(verified=False)
    assert password_resets.whose("ada") is None
    assert password_resets.whose("ada@example.com") is None
    password_resets.send(ada.pk)
    assert outbox.outbox == []


def test_the_second_factor_stays_and_tokens_end_if_asked(ada: User, team: Team):
    make_app(ada)
    tokens.create(actor=ada, team=team, name="ci", scope=Scope.READ)
    for revoked, left in ((False, 1), (True, 0)):
        url, _ = password_resets.hand_out(user=ada, actor=None)
        password_resets.use(token=token_of(url), password=f"{NEW} {left}", revoke_tokens=revoked)
        assert ApiToken.objects.count() == left
    assert Authenticator.objects.filter(user=ada).exists()


def test_one_that_is_used_ends_the_others(ada: User):
    first, _ = password_resets.hand_out(user=ada, actor=None)
    second, _ = password_resets.hand_out(user=ada, actor=None)
    password_resets.use(token=token_of(first), password=NEW, revoke_tokens=False)
    with pytest.raises(password_resets.NotValid):
        password_resets.find(token_of(second))


def test_a_weak_password_leaves_the_link_as_it_is(ada: User):
    url, _ = password_resets.hand_out(user=ada, actor=None)
    with pytest.raises(Refused):
        password_resets.use(token=token_of(url), password="short", revoke_tokens=False)
    assert password_resets.find(token_of(url)) == ada


@pytest.mark.parametrize("why", ["over", "inactive", "no passwords"])
def test_a_link_that_works_no_more(ada: User, settings: Settings, why: str):
    url, _ = password_resets.hand_out(user=ada, actor=None)
    if why == "over":
        PasswordReset.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif why == "inactive":
        User.objects.update(is_active=False)
    else:
        settings.PASSWORDS = False
    with pytest.raises(password_resets.NotValid):
        password_resets.use(token=token_of(url), password=NEW, revoke_tokens=False)
    ada.refresh_from_db()
    assert not ada.check_password(NEW)
    if why == "over":
        assert password_resets.forget_over() == 1


def test_a_mailbox_is_not_flooded(ada: User):
    for _ in range(password_resets.MOST_OPEN + 3):
        password_resets.send(ada.pk)
    assert len(outbox.outbox) == password_resets.MOST_OPEN


def test_only_superusers_hand_links_out_and_for_people_alone(ada: User, team: Team):
    """An admin of one team would take over what its members have in others."""
    with pytest.raises(Forbidden):
        password_resets.hand_out(user=ada, actor=ada)
    root = User.objects.create_superuser("root")
    bot = service_accounts.create(team=team, actor=ada, name="bot", role=Role.ADMIN)
    with pytest.raises(Refused, match="does not sign in"):
        password_resets.hand_out(user=bot, actor=root)
    password_resets.hand_out(user=ada, actor=root)
    entry = AuditEntry.objects.get(action="user.make_password_link")
    assert (entry.actor_name, entry.object_name) == ("root", "ada")


def test_the_command_prints_one(ada: User, settings: Settings):
    settings.PANEL_URL = "https://sluice.example.com"
    out = StringIO()
    call_command("password_link", "ada", stdout=out)
    assert password_resets.find(token_of(out.getvalue().strip())) == ada
    with pytest.raises(CommandError) as refused:
        call_command("password_link", "nobody")
    assert refused.value.returncode == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_sets_the_password(ada: User):
    url, _ = password_resets.hand_out(user=ada, actor=None)

    def use() -> None:
        password_resets.use(token=token_of(url), password=NEW, revoke_tokens=False)

    assert sorted(race(use, use)) == ["NotValid", "done"]


@pytest.mark.parametrize("change", ["password", "address"])
def test_a_link_that_somebody_else_asked_for_ends_with_another_password_or_address(ada: User, change: str):
    link, _ = password_resets.hand_out(user=ada, actor=None)
    if change == "password":
        accounts.change_password(user=ada, password=NEW, revoke_tokens=False)
    else:
        accounts._set(ada, "lovelace@example.com", verified=True)
    with pytest.raises(password_resets.NotValid):
        password_resets.find(token_of(link))
