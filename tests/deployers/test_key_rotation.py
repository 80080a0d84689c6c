"""What is asked of SSH keys, before any worker or AWS has a part in it. tests/e2e/test_rotation.py has the rest."""

import io
from datetime import time, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.errors import StackBusy
from deployers.models import Operation, OperationKind
from deployers.services import key_rotation, key_schedule, operations, stacks
from deployers.states import OperationStatus, Step
from integrations.models import Integration, Method, Provider, SSHKey, SSHKeyState
from teams.encryption import Ciphertext
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, User
from tests.factories import (
    make_integration,
    make_operation,
    make_repository,
    make_ssh_key,
    make_stack,
    make_team,
    make_user,
)

FUNCTIONS = {"CreateSSHKeyFunction": "create", "GitPullFunction": "pull"}


def provisioned(**fields: Any) -> Integration:
    """A git pull integration with its stack."""
    outputs = fields.pop("outputs", FUNCTIONS)
    integration = make_integration(method=Method.GIT_PULL, **fields)
    make_stack(integration=integration, outputs=outputs)
    return integration


def aged(integration: Integration, days: float, **fields: Any) -> SSHKey:
    """The integration's current key, made so many days ago."""
    key = make_ssh_key(integration=integration, **fields)
    SSHKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - timedelta(days=days))
    return key


@pytest.fixture
def integration(db: None) -> Integration:
    return provisioned(name="shop")


@pytest.fixture
def operator(integration: Integration) -> User:
    return make_user(team=integration.team, role=Role.OPERATOR)


def test_a_rotation_is_an_operation_with_an_entry_in_the_audit_log(integration: Integration, operator: User) -> None:
    operation = key_rotation.rotate(integration=integration, actor=operator)

    assert (operation.kind, operation.status, operation.target) == (OperationKind.ROTATE_KEY, "queued", "shop")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.object_id) == ("ssh_key.rotate", operator, str(integration.pk))
    with pytest.raises(StackBusy):
        key_rotation.rotate(integration=integration, actor=operator)


def test_a_viewer_may_not(integration: Integration) -> None:
    with pytest.raises(Forbidden):
        key_rotation.rotate(integration=integration, actor=make_user(team=integration.team, role=Role.VIEWER))


@pytest.mark.parametrize(
    ("outputs", "words"), [({}, "no stack yet"), ({"CreateSSHKeyFunction": "create"}, "earlier template")]
)
def test_a_stack_that_cannot_rotate_is_told_before_anything_begins(
    operator: User, outputs: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        key_rotation.rotate(integration=provisioned(outputs=outputs), actor=None)
    assert not Operation.objects.exists()


def test_many_are_paced_at_each_provider_and_one_that_cannot_holds_up_no_other(
    integration: Integration, settings: Settings
) -> None:
    settings.SSH_KEY_PACE = 10
    provider = integration.repository.provider
    same = [integration] + [provisioned(repository=make_repository(provider=provider)) for _ in range(2)]
    busy = provisioned(repository=make_repository(provider=provider))
    make_operation(stack=busy.stacks.get())
    other = provisioned(team=integration.team)

    batch = key_rotation.rotate_many(
        integrations=[same[0], busy, same[1], other, same[2]], actor=make_user(team=integration.team)
    )

    begins = {each.integration_id: each.next_at for each in Operation.objects.filter(batch=batch.id)}
    first = begins[same[0].pk]
    assert [(begins[each.pk] - first).total_seconds() for each in [*same, other]] == [0, 10, 20, 0]
    assert [(each, type(error)) for each, error in batch.refused] == [(busy, StackBusy)]


def test_a_rotation_is_cancelled_until_its_key_is_in_use(integration: Integration, operator: User) -> None:
    operation = key_rotation.rotate(integration=integration, actor=operator)
    lease = operations.claim(operation.pk)
    assert lease
    operations.release(lease, after=timedelta(0), step=Step.PASTE_KEY)

    assert stacks.cancel(operation=operation, actor=operator).cancel_requested

    Operation.objects.filter(pk=operation.pk).update(step=Step.LET_FINISH)
    with pytest.raises(Refused, match="in use already"):
        stacks.cancel(operation=operation, actor=operator)


def test_retry_of_a_rotation_is_a_rotation(integration: Integration, operator: User) -> None:
    failed = make_operation(
        stack=integration.stacks.get(), kind=OperationKind.ROTATE_KEY, status=OperationStatus.FAILED
    )

    assert stacks.retry(operation=failed, actor=operator).kind == OperationKind.ROTATE_KEY


def test_the_schedule_rotates_what_is_old_enough_and_leaves_alone_what_failed_last_night(
    integration: Integration, settings: Settings
) -> None:
    settings.SSH_KEY_ROTATE_DAYS = 90
    aged(integration, 91)
    aged(provisioned(rotate_every=0), 1000, fingerprint="SHA256:never")
    aged(provisioned(rotate_every=365), 91, fingerprint="SHA256:later")
    sooner = provisioned(rotate_every=30)
    aged(sooner, 31, fingerprint="SHA256:sooner")
    failed = provisioned()
    aged(failed, 91, fingerprint="SHA256:failed")
    make_operation(
        stack=failed.stacks.get(),
        kind=OperationKind.ROTATE_KEY,
        status=OperationStatus.FAILED,
        finished_at=timezone.now() - timedelta(hours=1),
    )

    assert key_schedule.rotate_due() == 2
    begun = Operation.objects.filter(status="queued").values_list("integration", flat=True)
    assert set(begun) == {integration.pk, sooner.pk}
    assert key_schedule.rotate_due() == 0
    assert {entry.changes["reason"] for entry in AuditEntry.objects.all()} == {"scheduled"}


def test_stacks_that_cannot_rotate_do_not_stand_before_those_that_can(
    integration: Integration, settings: Settings
) -> None:
    settings.SSH_KEY_ROTATE_DAYS = 90
    for number in range(key_schedule.MOST_AT_ONCE):
        aged(provisioned(outputs={"CreateSSHKeyFunction": "create"}), 200, fingerprint=f"SHA256:old-{number}")
        broken = provisioned()
        broken.stacks.update(aws_status="UPDATE_ROLLBACK_FAILED")
        aged(broken, 200, fingerprint=f"SHA256:broken-{number}")
    aged(integration, 91)

    assert key_schedule.rotate_due() == 1
    assert Operation.objects.get().integration == integration


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        (None, time(12), True),
        ((time(1), time(5)), time(1), True),
        ((time(1), time(5)), time(5), False),
        ((time(22), time(4)), time(23, 30), True),
        ((time(22), time(4)), time(3, 59), True),
        ((time(22), time(4)), time(12), False),
    ],
)
def test_quiet_hours_may_go_past_midnight(settings: Settings, hours: Any, at: time, quiet: bool) -> None:
    settings.QUIET_HOURS = hours
    assert key_schedule.quiet(at) is quiet


def test_nothing_begins_outside_of_the_quiet_hours(integration: Integration, settings: Settings) -> None:
    now = timezone.localtime()
    settings.SSH_KEY_ROTATE_DAYS = 90
    settings.QUIET_HOURS = ((now + timedelta(hours=2)).time(), (now + timedelta(hours=3)).time())
    aged(integration, 91)
    assert key_schedule.rotate_due() == 0


def test_revoking_needs_an_admin(integration: Integration, operator: User) -> None:
    key = make_ssh_key(integration=integration, state=SSHKeyState.PENDING)
    with pytest.raises(Forbidden):
        key_rotation.revoke(key=key, actor=operator)
    key.refresh_from_db()
    assert key.state == SSHKeyState.PENDING


def test_a_revocation_that_cannot_be_carried_out_is_noted_and_holds_up_no_other(integration: Integration) -> None:
    admin = make_user(team=integration.team)
    integration.stacks.update(outputs={})
    Provider.objects.update(credentials_json=Ciphertext("v1.gone.AAAA"))  # its encryption key is lost
    key = make_ssh_key(integration=integration)

    revoked = key_rotation.revoke(key=key, actor=admin)

    assert (revoked.state, revoked.in_stack) == (SSHKeyState.REVOKED, True)
    assert "The stack still holds it" in revoked.problem
    assert "The provider may still have it" in revoked.problem
    SSHKey.objects.update(checked_at=timezone.now() - timedelta(minutes=2))
    assert (key_rotation.finish_revocations(), key_rotation.finish_revocations()) == (1, 0)


def test_the_command_rotates_one_or_what_is_old(integration: Integration) -> None:
    aged(integration, 100)
    said = io.StringIO()

    call_command("rotate_ssh_keys", older_than=101, stdout=said)
    call_command("rotate_ssh_keys", older_than=99, team=integration.team.slug, stdout=said)

    assert said.getvalue() == "0 of 0 rotations began.\n1 of 1 rotations began.\n"
    assert Operation.objects.get().integration == integration


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ({"integration": "nobody"}, "no integration named nobody", 2),
        ({"older_than": -1}, "not negative", 2),
        ({"integration": "shop"}, "Not every SSH key", 1),
    ],
)
def test_the_command_says_what_is_wrong(
    integration: Integration, options: dict[str, Any], words: str, code: int
) -> None:
    make_operation(stack=integration.stacks.get())
    said = io.StringIO()
    with pytest.raises(CommandError, match=words) as caught:
        call_command("rotate_ssh_keys", stderr=said, stdout=said, **options)
    assert caught.value.returncode == code


def test_the_command_tells_two_integrations_of_one_name_apart(integration: Integration) -> None:
    provisioned(name="shop", team=make_team(slug="globex", name="Globex"))
    with pytest.raises(CommandError, match="add --team"):
        call_command("rotate_ssh_keys", integration="shop")
