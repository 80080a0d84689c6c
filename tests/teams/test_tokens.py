from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from teams.errors import Forbidden, Refused
from teams.models import ApiToken, AuditEntry, Membership, Role, Scope, Team, User
from teams.services import origin, service_accounts, tokens
from teams.services.origin import Origin
from tests.factories import make_user


def make(user: User, team: Team, **given: object) -> tuple[ApiToken, str]:
    return tokens.create(actor=user, team=team, **({"name": "ci", "scope": Scope.ADMIN} | given))


def test_token_authenticates_its_user_and_team_and_is_stored_as_a_hash(team: Team, admin: User):
    token, plain = make(admin, team)
    with origin.acting(Origin("api", ip="192.0.2.7")):
        found = tokens.authenticate(plain)
    assert found == token
    assert found.last_used_at is None
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert plain not in str(row)
    assert row["last_used_at"] is not None
    assert row["last_used_ip"] == "192.0.2.7"


def test_unknown_expired_or_orphaned_token_does_not_authenticate(team: Team, admin: User):
    old, expired = make(admin, team, expires_at=timezone.now() + timedelta(days=1))
    ApiToken.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    _, orphaned = make(admin, team, name="left")
    assert tokens.authenticate("sluice_nonsense") is None
    assert tokens.authenticate(expired) is None
    assert tokens.authenticate(orphaned) is not None
    Membership.objects.filter(user=admin).delete()
    assert tokens.authenticate(orphaned) is None


def test_inactive_user_loses_the_token(team: Team, admin: User):
    _, plain = make(admin, team)
    admin.is_active = False
    admin.save()
    assert tokens.authenticate(plain) is None


def test_a_token_without_a_name_an_end_in_the_past_or_no_integration_is_refused(team: Team, admin: User):
    for given, field in (
        ({"name": "  "}, "name"),
        ({"expires_at": timezone.now()}, "expires_at"),
        ({"restricted_to": []}, "restricted_to"),
    ):
        with pytest.raises(Refused) as refused:
            make(admin, team, **given)
        assert refused.value.field == field
    assert not ApiToken.objects.exists()


def test_the_audit_log_says_what_a_token_may(team: Team, admin: User):
    only = uuid4()
    token, _ = make(admin, team, scope=Scope.DEPLOY, restricted_to=[only])
    tokens.revoke(token=token, actor=admin)
    made, revoked = AuditEntry.objects.order_by("pk")
    assert (made.action, revoked.action) == ("token.create", "token.revoke")
    assert made.changes == {"owner": "ada", "scope": "deploy", "restricted_to": [str(only)]}


def test_nobody_makes_or_revokes_a_token_of_another_person(team: Team, admin: User):
    operator = make_user(team=team, role=Role.OPERATOR)
    theirs, _ = make(admin, team)
    with pytest.raises(Refused):
        make(admin, team, owner=operator)
    with pytest.raises(Forbidden):
        make(operator, team, owner=admin)
    with pytest.raises(Forbidden):
        tokens.revoke(token=theirs, actor=operator)
    assert ApiToken.objects.get() == theirs


def test_a_service_account_belongs_to_the_team_and_outlives_who_made_it(team: Team, admin: User):
    account = service_accounts.create(team=team, actor=admin, name="deploy-bot", role=Role.OPERATOR)
    _, plain = make(admin, team, owner=account, scope=Scope.DEPLOY)
    admin.delete()
    found = tokens.authenticate(plain)
    assert found is not None
    assert (found.user, found.team) == (account, team)
    assert not account.has_usable_password()


def test_service_accounts_are_for_admins_and_have_names_of_their_own(team: Team, admin: User, stranger: User):
    service_accounts.create(team=team, actor=admin, name="bot", role=Role.VIEWER)
    for name in ("bot", "Bot", "", "b", "bot-", "x" * 41):
        with pytest.raises(Refused) as refused:
            service_accounts.create(team=team, actor=admin, name=name, role=Role.VIEWER)
        assert refused.value.field == "name"
    for actor in (stranger, make_user(team=team, role=Role.OPERATOR)):
        with pytest.raises(Forbidden):
            service_accounts.create(team=team, actor=actor, name="other", role=Role.VIEWER)
    assert service_accounts.create(team=stranger.teams.get(), actor=stranger, name="bot", role=Role.VIEWER)


def test_a_deleted_service_account_takes_its_tokens_with_it(team: Team, admin: User, stranger: User):
    account = service_accounts.create(team=team, actor=admin, name="bot", role=Role.VIEWER)
    _, plain = make(admin, team, owner=account)
    with pytest.raises(Forbidden):
        service_accounts.delete(account=account, team=team, actor=stranger)
    with pytest.raises(Refused):
        service_accounts.delete(account=stranger, team=team, actor=admin)
    service_accounts.delete(account=account, team=team, actor=admin)
    assert tokens.authenticate(plain) is None
    assert not User.objects.filter(username__startswith="bot.").exists()
    assert service_accounts.create(team=team, actor=admin, name="bot", role=Role.VIEWER)


@pytest.mark.parametrize("scope", [each for each in Scope if each != Scope.ADMIN])
def test_a_token_makes_no_wider_one(team: Team, admin: User, scope: Scope):
    acting = Origin("api", token="narrow", limits=origin.Limits(scope, None))
    with origin.acting(acting), pytest.raises(Forbidden, match="scope admin"):
        make(admin, team)
    restricted = Origin("api", token="narrow", limits=origin.Limits(Scope.ADMIN, frozenset({uuid4()})))
    with origin.acting(restricted), pytest.raises(Forbidden, match="restricted"):
        make(admin, team)
    assert not ApiToken.objects.exists()
