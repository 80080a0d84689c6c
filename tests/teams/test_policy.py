"""The table of who may do what, and what holds page, API and documents to it."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from teams import policy
from teams.errors import Forbidden
from teams.models import Role, Scope, Team, User
from teams.policy import RULES, Act
from teams.services import origin
from teams.services.origin import Limits, Origin
from tests.factories import make_user

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("held", [None, *Role])
def test_an_act_needs_its_role(team: Team, act: Act, held: Role | None):
    user = make_user(team=team, role=held) if held else User.objects.create_user("nobody")
    assert policy.allows(act, user=user, team=team) == (held is not None and held.includes(RULES[act].role))


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("scope", Scope)
def test_a_token_narrows_its_owners_role(team: Team, admin: User, act: Act, scope: Scope):
    mine, other = uuid4(), uuid4()
    rule = RULES[act]
    with origin.acting(Origin("api", token="ci", limits=Limits(scope))):
        assert policy.allows(act, user=admin, team=team, integration=mine) == scope.includes(rule.scope)
    with origin.acting(Origin("api", token="ci", limits=Limits(scope, frozenset({mine})))):
        allowed = scope.includes(rule.scope) and not rule.team_wide
        assert policy.allows(act, user=admin, team=team, integration=mine) == allowed
        assert not policy.allows(act, user=admin, team=team, integration=other)
        assert not policy.allows(act, user=admin, team=team)


def test_a_refusal_says_what_is_lacking(team: Team, admin: User):
    with (
        origin.acting(Origin("api", token="ci", limits=Limits(Scope.READ))),
        pytest.raises(Forbidden, match="needs a token with the scope provision; this token has read"),
    ):
        policy.require(Act.PROVISION, user=admin, team=team)


def test_services_and_views_ask_the_policy_and_no_role_by_itself():
    asking = re.compile(r"roles\.require|require_role\(")
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("panel", "deployers", "integrations", "teams")
        for path in (ROOT / room).rglob("*.py")
        if asking.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"teams/policy.py", "teams/services/roles.py"}


def test_the_documents_table_is_the_policys():
    assert policy.table() in (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
