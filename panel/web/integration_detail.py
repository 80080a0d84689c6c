"""What the page of one integration shows beside its progress."""

from typing import Any

from deployers.models import StackKind
from deployers.services import deliveries as delivery_services
from integrations.models import Delivery, Integration, Method, RemoteState, SSHKey, SSHKeyState, WebhookState
from integrations.services import obstacles, ssh_keys
from panel.web.delivery_list import UNREAD
from panel.web.statuses import WEBHOOK


def webhook_url(integration: Integration) -> str:
    """Where the provider sends this integration's pushes; empty before it is provisioned."""
    return delivery_services.webhook_urls(integration).get(Method(integration.method), "")


def newest_delivery(integration: Integration) -> Delivery | None:
    return integration.deliveries.order_by("-received_at", "-pk").defer(*UNREAD).first()


def side(integration: Integration, newest: Delivery | None) -> dict[str, Any]:
    """The cards beside the progress: webhook, SSH key, missed pushes, details."""
    key: SSHKey | None = None
    if integration.method == Method.GIT_PULL:
        key = integration.ssh_keys.filter(state=SSHKeyState.CURRENT).first()
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
        "outputs": git.outputs if git else {},
        "git_stack": git,
        "newest_delivery": newest,
        "obstacles": obstacles.standing(integration),
    }
