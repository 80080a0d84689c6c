"""New credentials of a provider are brought into every stack that fetches with them, by an ordinary update."""

from django.db.models import F, Q

from deployers.models import Stack, StackKind
from deployers.services import following

REASON = "The provider has other credentials."


def follow_due() -> int:
    """Update the stacks that hold credentials from before the last change. Returns how many updates were started."""
    changed = F("integration__repository__provider__credentials_changed_at")
    outdated = Stack.objects.filter(
        Q(integration__credentials_applied_at=None) | Q(integration__credentials_applied_at__lt=changed),
        kind=StackKind.GIT,
        integration__repository__provider__credentials_changed_at__isnull=False,
    ).select_related("integration__team")
    return sum(following.update(stack, reason=REASON) for stack in outdated if following.may_update(stack))
