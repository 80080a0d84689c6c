"""Second factors: required, reset, and moved to a new encryption key."""

import pytest
from allauth.mfa.models import Authenticator
from pytest_django.fixtures import Settings

from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Team, User
from teams.services import encryption_keys, second_factors
from tests.second_factors import code_of, make_app, recovery_codes

NEW = b"n" * 32


@pytest.mark.parametrize(
    ("setting", "team_asks", "staff", "required"),
    [
        ("optional", False, True, False),
        ("optional", True, False, True),
        ("staff", False, False, False),
        ("staff", False, True, True),
        ("everyone", False, False, True),
    ],
)
def test_who_has_to_have_one(settings: Settings, setting: str, team_asks: bool, staff: bool, required: bool) -> None:
    settings.SECOND_FACTOR = setting
    teams = [Team(requires_second_factor=False), Team(requires_second_factor=team_asks)]
    assert second_factors.is_required(User(is_staff=staff), teams=teams) is required


def test_recovery_codes_alone_are_no_second_factor(admin: User) -> None:
    make_app(admin)
    assert second_factors.has_one(admin)
    Authenticator.objects.filter(type=Authenticator.Type.TOTP).delete()
    assert not second_factors.has_one(admin)


def test_only_superusers_reset(admin: User) -> None:
    make_app(admin)
    clerk = User.objects.create_user("clerk", is_staff=True)
    with pytest.raises(Forbidden):
        second_factors.reset(user=admin, actor=clerk)
    root = User.objects.create_superuser("root")
    assert second_factors.reset(user=admin, actor=root) == 2
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name) == ("second_factor.reset", "root")
    assert entry.changes == {"factors": [["recovery_codes", "totp"], None]}
    with pytest.raises(Refused):
        second_factors.reset(user=admin, actor=root)


def test_a_new_encryption_key_takes_them_along(admin: User, settings: Settings) -> None:
    row = make_app(admin)
    codes = recovery_codes(admin)
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]
    assert encryption_keys.survey().older == 2
    assert encryption_keys.rotate(progress=lambda *_: None) == 2
    settings.ENCRYPTION_KEYS = [NEW]
    found = encryption_keys.survey()
    assert (found.unreadable, found.older, found.used.total()) == ([], 0, 2)
    row.refresh_from_db()
    assert row.wrap().validate_code(code_of())
    assert recovery_codes(admin) == codes


def test_one_whose_key_is_lost_is_told(admin: User, settings: Settings) -> None:
    make_app(admin)
    settings.ENCRYPTION_KEYS = [NEW]
    assert encryption_keys.rotate(progress=lambda *_: None) == 0
    assert {str(each).partition(":")[0].split()[0] for each in encryption_keys.survey().unreadable} == {
        "mfa.Authenticator"
    }
