import base64
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from integrations.errors import InvalidValue, PermissionMissing, ProviderRateLimited
from integrations.models import Integration, Method, RemoteState, SSHKeyState
from integrations.providers.public_keys import fingerprint
from integrations.services import ssh_keys
from tests.factories import FINGERPRINT, PUBLIC_KEY, make_ssh_key
from tests.integrations.providers.fake_github import FakeGitHub

_BLOB = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32)
ANOTHER_KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()} sluice"


def test_the_stacks_key_is_recorded_once(integration: Integration):
    first = ssh_keys.record_current(integration=integration, public_key=PUBLIC_KEY, fingerprint=FINGERPRINT)
    second = ssh_keys.record_current(integration=integration, public_key=f"{PUBLIC_KEY}\n", fingerprint=FINGERPRINT)
    assert first == second == integration.ssh_keys.get()


def test_another_key_retires_the_one_before(integration: Integration):
    ssh_keys.record_current(integration=integration, public_key=PUBLIC_KEY, fingerprint=FINGERPRINT)
    new = ssh_keys.record_current(integration=integration, public_key=ANOTHER_KEY, fingerprint=fingerprint(ANOTHER_KEY))
    states = dict(integration.ssh_keys.values_list("fingerprint", "state"))
    assert states == {FINGERPRINT: SSHKeyState.RETIRED, new.fingerprint: SSHKeyState.CURRENT}


@pytest.mark.parametrize(
    ("public_key", "field"),
    [
        (ANOTHER_KEY, "fingerprint"),
        ("nonsense", "public_key"),
        ("ssh-ed25519 !!!", "public_key"),
        ("ssh-rsa " + PUBLIC_KEY.split()[1], "public_key"),
    ],
)
def test_a_key_that_does_not_match_its_fingerprint_is_refused(integration: Integration, public_key: str, field: str):
    with pytest.raises(InvalidValue) as caught:
        ssh_keys.record_current(integration=integration, public_key=public_key, fingerprint=FINGERPRINT)
    assert caught.value.field == field


def test_it_is_installed_once(integration: Integration, github: FakeGitHub):
    key = make_ssh_key(integration=integration)
    assert ssh_keys.install(key=key) == ssh_keys.install(key=key) == RemoteState.PRESENT
    key.refresh_from_db()
    assert github.keys == {key.remote_id: PUBLIC_KEY}


def test_where_deploy_keys_are_forbidden_a_person_has_to(integration: Integration, github: FakeGitHub):
    github.deploy_keys_allowed = False
    key = make_ssh_key(integration=integration)
    assert ssh_keys.install(key=key) == RemoteState.MANUAL
    key.refresh_from_db()
    assert "does not allow deploy keys" in key.problem
    steps = ssh_keys.instructions(key=key)
    assert steps.page_url == "https://github.com/acme/shop/settings/keys/new"
    assert ("Key", PUBLIC_KEY) in steps.fields
    assert ("Title", "Sluice: shop") in steps.fields


def test_what_passes_by_itself_is_raised_for_the_next_tick(integration: Integration, github: FakeGitHub):
    github._always((429, {"Retry-After": "5"}, "{}"))
    github.mock.add("POST", "https://api.github.com/repos/acme/shop/keys", status=429)
    with pytest.raises(ProviderRateLimited):
        ssh_keys.install(key=make_ssh_key(integration=integration))


def test_it_is_removed_also_when_it_is_gone_already(integration: Integration, github: FakeGitHub):
    key = make_ssh_key(integration=integration)
    ssh_keys.install(key=key)
    ssh_keys.remove(key=key)
    ssh_keys.remove(key=key)
    key.refresh_from_db()
    assert github.keys == {}
    assert (key.remote_state, key.remote_id) == (RemoteState.MISSING, "")


def test_one_that_a_person_added_is_found_and_removed(integration: Integration, github: FakeGitHub):
    github.keys = {"900": ANOTHER_KEY, "901": PUBLIC_KEY}
    ssh_keys.remove(key=make_ssh_key(integration=integration, remote_state=RemoteState.MANUAL))
    assert list(github.keys) == ["900"]


def test_one_that_may_still_be_there_is_not_forgotten(integration: Integration, github: FakeGitHub):
    key = make_ssh_key(integration=integration)
    ssh_keys.install(key=key)
    github.forbid_administration()
    with pytest.raises(PermissionMissing):
        ssh_keys.remove(key=key)
    key.refresh_from_db()
    assert key.remote_state == RemoteState.PRESENT


def test_a_key_that_a_rotation_replaced_is_not_brought_back_by_old_outputs(integration: Integration):
    old = make_ssh_key(integration=integration)
    new = ssh_keys.record_pending(
        integration=integration, public_key=ANOTHER_KEY, fingerprint=fingerprint(ANOTHER_KEY), rotation=uuid4()
    )
    ssh_keys.promote(key=new)
    ssh_keys.promote(key=new)

    ssh_keys.record_current(integration=integration, public_key=PUBLIC_KEY, fingerprint=FINGERPRINT)

    old.refresh_from_db()
    assert (old.state, old.in_stack) == (SSHKeyState.RETIRED, False)
    assert integration.ssh_keys.get(state=SSHKeyState.CURRENT) == new
    assert ssh_keys.rotation_of(integration=integration) == str(new.rotation)


def test_a_key_that_the_provider_lost_is_told(integration: Integration, github: FakeGitHub):
    key = make_ssh_key(integration=integration)
    ssh_keys.install(key=key)
    github.keys.clear()

    assert ssh_keys.check(key=key) == RemoteState.MISSING
    assert "does not have this key" in key.problem
    assert ssh_keys.install(key=key) == ssh_keys.check(key=key) == RemoteState.PRESENT
    assert key.problem == ""


def test_one_that_a_person_has_to_add_is_found_once_it_is_there(integration: Integration, github: FakeGitHub):
    key = make_ssh_key(integration=integration, remote_state=RemoteState.MANUAL, problem="Add it by hand")

    assert ssh_keys.check(key=key) == RemoteState.MANUAL
    assert key.problem == "Add it by hand"
    github.keys["7"] = PUBLIC_KEY
    assert ssh_keys.check(key=key) == RemoteState.PRESENT


def test_the_daily_check_asks_once_and_removes_what_could_not_be_removed(integration: Integration, github: FakeGitHub):
    integration.method = Method.GIT_PULL
    integration.save()
    old = make_ssh_key(
        integration=integration, state=SSHKeyState.RETIRED, retired_at=timezone.now() - timedelta(hours=2)
    )
    github.keys["7"] = PUBLIC_KEY
    fresh = make_ssh_key(integration=integration, public_key=ANOTHER_KEY, fingerprint=fingerprint(ANOTHER_KEY))

    assert (ssh_keys.check_due(), ssh_keys.check_due()) == (1, 0)

    old.refresh_from_db()
    fresh.refresh_from_db()
    assert old.remote_state == RemoteState.MISSING
    assert github.keys == {}
    assert fresh.checked_at is None  # made just now: it may be on its way


def test_a_push_counts_for_the_key_that_was_current_then(integration: Integration):
    now = timezone.now()
    key = make_ssh_key(integration=integration, current_since=now)

    ssh_keys.used(integration=integration, at=now - timedelta(seconds=1))
    key.refresh_from_db()
    assert key.last_used_at is None

    ssh_keys.used(integration=integration, at=now + timedelta(seconds=1))
    ssh_keys.used(integration=integration, at=now)
    key.refresh_from_db()
    assert key.last_used_at == now + timedelta(seconds=1)


def test_a_key_that_was_never_added_anywhere_is_gone_once_it_is_replaced(integration: Integration, github: FakeGitHub):
    never = make_ssh_key(integration=integration)
    new = ssh_keys.record_pending(
        integration=integration, public_key=ANOTHER_KEY, fingerprint=fingerprint(ANOTHER_KEY), rotation=uuid4()
    )
    ssh_keys.promote(key=new)
    never.refresh_from_db()
    assert never.gone
    github.keys["7"] = ANOTHER_KEY
    ssh_keys.check(key=new)
    third = make_ssh_key(integration=integration, state=SSHKeyState.PENDING, fingerprint="SHA256:third")
    ssh_keys.promote(key=third)
    new.refresh_from_db()
    assert (new.remote_state, new.gone) == (RemoteState.PRESENT, False)
