"""Which image the instances of a stack are made from: it changes only when a person asks.

AWS names a newer image every few weeks, and another image replaces every instance. So each stack keeps the one that
it was made with, until a person asks for the newest one (`stacks.update_image`), chooses one (`PinnedImageId`), or
chooses another kind of image (`ImageId`).
"""

import re
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from deployers import catalog, templates
from deployers.aws import images
from deployers.aws.session import Access
from deployers.errors import AccessDenied, AwsError, NotFoundAtAws
from deployers.models import Stack, StackKind
from deployers.services import accounts
from integrations.models import Integration

PINNED = "PinnedImageId"
SECONDS, FAILED_SECONDS = 3600, 60
"""How long the newest image is remembered, and how long that it could not be asked for."""
_NAMED_BY = {StackKind.CODEDEPLOY: (catalog.CODEDEPLOY.template, "ImageId")} | {
    StackKind.ECS: ("nested/ecs_cluster.yaml", "ContainerInstanceImage")
}
"""The template and its parameter that name a kind of image."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a stack is made with: id of the image (empty: CloudFormation takes the newest), and the SSM parameter."""

    id: str = ""
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of a stack's image.

    Attributes:
        id: of the image that instances are made from.
        newer: id of a newer one; empty if there is none, or AWS could not be asked.
        chosen: whether a person chose it.
    """

    id: str
    newer: str
    chosen: bool


def parameter_of(integration: Integration, kind: str) -> str:
    """Path of the SSM parameter that names the newest image of the stack's instances; empty for one without any."""
    chosen = integration.parameters.get(kind, {})
    if kind not in _NAMED_BY or chosen.get("LaunchType") == "FARGATE":
        return ""
    template, name = _NAMED_BY[StackKind(kind)]
    # In a nested template people cannot set it.
    own = str(chosen.get(name, "")) if name in catalog.KINDS[kind].settable else ""
    return own or str(templates.load(template)["Parameters"][name]["Default"])


def chosen(integration: Integration, kind: str) -> str:
    """Id of the image that a person chose to stay with; empty if none did."""
    return str(integration.parameters.get(kind, {}).get(PINNED, ""))


def to_use(*, access: Access, stack: Stack, anew: bool, ask_for_newest: bool) -> Image:
    """The image for the next change of the stack. `anew`: it is about to be made. Raises the errors of AWS.

    Empty where the newest one could not be asked for, and nothing runs that it would replace.
    """
    parameter = parameter_of(stack.integration, stack.kind)
    if not parameter:
        return Image()
    if own := chosen(stack.integration, stack.kind):
        return Image(own, parameter)
    if ask_for_newest:
        return Image(_an_image(images.newest(access, parameter)), parameter)
    if not anew and stack.image_parameter in ("", parameter):
        # Stacks of earlier versions have none noted.
        running = stack.image_id or images.running(access, stack.stack_id)
        if running:
            return Image(running, parameter)
    with suppress(AccessDenied, NotFoundAtAws):
        return Image(_an_image(images.newest(access, parameter)), parameter)
    return Image("", parameter)


def _an_image(value: str) -> str:
    """The template takes ids of images alone; CloudFormation says what is wrong with anything else."""
    return value if re.fullmatch(r"ami-[0-9a-f]{8,17}", value) else ""


def told(stack: Stack) -> Told | None:
    """What to say of the stack's image; None if nothing is known. Asks AWS about the newest one, and remembers it."""
    if not stack.image_id:
        return None
    newest = _newest(stack)
    own = chosen(stack.integration, stack.kind)
    return Told(stack.image_id, newest if newest != stack.image_id else "", bool(own))


def _newest(stack: Stack) -> str:
    """Id of the newest image; empty while AWS does not tell."""
    account, parameter = stack.integration.aws_account, parameter_of(stack.integration, stack.kind)
    if not parameter:
        return ""
    key = f"newest-image:{account.pk}:{account.updated_at.timestamp()}:{stack.region}:{parameter}"
    found = cache.get(key)
    if not isinstance(found, str):
        try:
            found = _an_image(images.newest(accounts.access(account, stack.region), parameter, quick=True))
        except AwsError:
            found = ""
        cache.set(key, found, SECONDS if found else FAILED_SECONDS)
    return found
