"""What became of deliveries: the newer push that overtook one, or the deployment of its artifact."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from deployers.models import Deployment
from integrations.models import Delivery, DeliveryStatus, DeployStatus

# What never took anybody's place.
_NO_SUCCESSOR = [DeliveryStatus.REJECTED, DeliveryStatus.IGNORED, DeliveryStatus.SUPERSEDED]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`successor` is the push that overtook it; `deployment` the newest one of its artifact, as far as it has come."""

    successor: Delivery | None = None
    deployment: Deployment | None = None

    @property
    def state(self) -> tuple[object, ...]:
        """Changes with whatever of it a page shows."""
        found = self.deployment
        return (self.successor and self.successor.pk, found and (found.pk, found.status))


NOTHING = Outcome()


def add(rows: Iterable[Delivery]) -> list[Delivery]:
    """Set `outcome` on each row. A fixed number of queries, none where nothing can have become of any."""
    rows = list(rows)
    successors = _successors([row for row in rows if _overtaken(row)])
    deployments = _deployments(rows)
    for row in rows:
        found = deployments.get((row.integration_id, row.deployment_external_id)) or deployments.get(
            (row.integration_id, row.artifact_version_id)
        )
        row.outcome = Outcome(successors.get(row.pk), found)  # type: ignore[attr-defined]
    return rows


def _overtaken(row: Delivery) -> bool:
    return bool(row.ref) and (row.status == DeliveryStatus.SUPERSEDED or row.deploy_status == DeployStatus.SKIPPED)


def _successors(rows: Sequence[Delivery]) -> dict[object, Delivery]:
    """The next push of the same ref that counted. One that came late was overtaken by the one before it."""
    if not rows:
        return {}
    same = Delivery.objects.filter(integration=OuterRef("integration"), ref=OuterRef("ref")).exclude(
        Q(pk=OuterRef("pk")) | Q(status__in=_NO_SUCCESSOR)
    )
    after = same.filter(received_at__gte=OuterRef("received_at")).order_by("received_at", "pk")
    before = same.filter(received_at__lt=OuterRef("received_at")).order_by("-received_at", "-pk")
    keys = {
        pk: later or earlier
        for pk, later, earlier in Delivery.objects.filter(pk__in=[row.pk for row in rows])
        .annotate(later=Subquery(after.values("pk")[:1]), earlier=Subquery(before.values("pk")[:1]))
        .values_list("pk", "later", "earlier")
    }
    there = Delivery.objects.only("commit", "message", "delivery_id").in_bulk([key for key in keys.values() if key])
    return {pk: there[key] for pk, key in keys.items() if key in there}


def _deployments(rows: Sequence[Delivery]) -> dict[tuple[object, str], Deployment]:
    """By integration and, each for itself, the deployer's id or the version of the artifact; the newest of several."""
    versions = {row.artifact_version_id for row in rows if row.artifact_version_id}
    names = {row.deployment_external_id for row in rows if row.deployment_external_id}
    if not versions and not names:
        return {}
    found = (
        Deployment.objects.filter(integration__in={row.integration_id for row in rows})
        .filter(Q(version_id__in=versions) | Q(external_id__in=names))
        .only("integration", "status", "external_id", "version_id", "problem", "created_at", "finished_at")
        .order_by("created_at", "pk")
    )
    by: dict[tuple[object, str], Deployment] = {}
    for each in found:
        by[each.integration_id, each.external_id] = each
        if each.version_id:
            by[each.integration_id, each.version_id] = each
    return by
