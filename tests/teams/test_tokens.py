from datetime import timedelta

from django.utils import timezone

from teams.models import ApiToken, Membership, Team, User
from teams.services import tokens


def test_token_authenticates_its_user_and_team_and_is_stored_as_a_hash(team: Team, admin: User):
    token, plain = tokens.create(user=admin, team=team, name="ci")
    found = tokens.authenticate(plain)
    assert found == token
    assert found.last_used_at is None
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert plain not in str(row)
    assert row["last_used_at"] is not None


def test_unknown_expired_or_orphaned_token_does_not_authenticate(team: Team, admin: User):
    _, expired = tokens.create(user=admin, team=team, name="old", expires_at=timezone.now() - timedelta(seconds=1))
    _, orphaned = tokens.create(user=admin, team=team, name="left")
    assert tokens.authenticate("sluice_nonsense") is None
    assert tokens.authenticate(expired) is None
    assert tokens.authenticate(orphaned) is not None
    Membership.objects.filter(user=admin).delete()
    assert tokens.authenticate(orphaned) is None


def test_inactive_user_loses_the_token(team: Team, admin: User):
    _, plain = tokens.create(user=admin, team=team, name="ci")
    admin.is_active = False
    admin.save()
    assert tokens.authenticate(plain) is None
