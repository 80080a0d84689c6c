"""What the page of one integration shows beside its progress."""

import shlex
from dataclasses import dataclass
from typing import Any

from deployers.models import StackKind
from deployers.services import deliveries as delivery_services
from deployers.services import key_schedule
from integrations.models import Delivery, Integration, Method, RemoteState, SSHKey, SSHKeyState, WebhookState
from integrations.services import obstacles, ssh_keys
from integrations.services.webhooks import ManualSteps
from lambdas.common.refs import BRANCH_PREFIX, Ref, RefKind, RefPatterns
from panel.integration_state import IntegrationState, state_of
from panel.web.delivery_list import UNREAD
from panel.web.statuses import WEBHOOK


def webhook_url(integration: Integration) -> str:
    """Where the provider sends this integration's pushes; empty before it is provisioned."""
    return delivery_services.webhook_urls(integration).get(Method(integration.method), "")


def newest_delivery(integration: Integration) -> Delivery | None:
    return integration.deliveries.order_by("-received_at", "-pk").defer(*UNREAD).first()


@dataclass(frozen=True, slots=True)
class FirstPush:
    """What to type for a first push: to `branch`, one that is mirrored; empty where none is known."""

    branch: str
    commands: str


def first_push(integration: Integration, newest: Delivery | None) -> FirstPush | None:
    """How to try an integration that is ready and that no delivery has reached yet; None for any other."""
    if newest is not None or state_of(integration) is not IntegrationState.READY:
        return None
    repository = integration.repository
    patterns = RefPatterns.parse(",".join(integration.refs))
    candidates = (
        integration.deploy_ref,
        repository.default_branch,
        *(ref for ref in integration.refs if not set("*?:") & set(ref)),
    )
    branch = next((each for each in candidates if each and patterns.matches(_branch(each))), "")
    if not branch:
        return FirstPush(branch="", commands="")
    clone = [f"git clone {repository.web_url}", f"cd {shlex.quote(repository.name)}"] if repository.web_url else []
    push = [
        f"git switch {shlex.quote(branch)}",
        'git commit --allow-empty --message "Try Sluice"',
        f"git push origin {shlex.quote(branch)}",
    ]
    return FirstPush(branch=branch, commands="\n".join([*clone, *push]))


def _branch(name: str) -> Ref:
    return Ref(f"{BRANCH_PREFIX}{name}", RefKind.BRANCH, name)


def side(integration: Integration, newest: Delivery | None) -> dict[str, Any]:
    """The cards beside the progress: webhook, SSH key, missed pushes, details."""
    keys = _keys(integration) if integration.uses_ssh else {}
    key, new_key = keys.get(SSHKeyState.CURRENT), keys.get(SSHKeyState.PENDING)
    git = next((stack for stack in integration.stacks.all() if stack.kind == StackKind.GIT), None)
    by_hand = key is not None and key.remote_state in {RemoteState.MANUAL, RemoteState.MISSING}
    state = WebhookState(integration.webhook_state)
    return {
        "integration": integration,
        "webhook_url": webhook_url(integration),
        "webhook_status": WEBHOOK[state],
        "webhook_by_hand": state in {WebhookState.MANUAL, WebhookState.ABSENT},
        "key": key,
        "key_steps": ssh_keys.instructions(key=key) if key and by_hand else None,
        "new_key": new_key,
        "new_key_steps": _steps_for(new_key),
        "revoked_key": keys.get(SSHKeyState.REVOKED),
        "outputs": git.outputs if git else {},
        "git_stack": git,
        "newest_delivery": newest,
        "first_push": first_push(integration, newest),
        "obstacles": obstacles.standing(integration),
    }


def _keys(integration: Integration) -> dict[str, SSHKey]:
    """State to the newest key in it."""
    rows = key_schedule.with_next_rotation(integration.ssh_keys.exclude(state=SSHKeyState.RETIRED))
    found = {key.state: key for key in rows.order_by("created_at")}
    for key in found.values():
        key.integration = integration
    return found


def _steps_for(new_key: SSHKey | None) -> ManualSteps | None:
    """What a person does for a rotation that waits for it."""
    if new_key is None or new_key.remote_state != RemoteState.MANUAL:
        return None
    return ssh_keys.instructions(key=new_key)
