"""What runs where: of each integration its last deployment, and what each of its deployers brought last."""

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from deployers.models import Deployment
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration


@dataclass(frozen=True, slots=True)
class Row:
    """An integration, its newest deployment, and by deployer the newest that went well: what runs there now."""

    integration: Integration
    last: Deployment | None
    runs: list[Deployment]


def with_deployments(rows: QuerySet[Integration], deployments: QuerySet[Deployment]) -> list[Row]:
    """One row an integration, in the same order. Two queries, however many there are."""
    mine = deployments.filter(integration=OuterRef("pk")).order_by("-created_at", "-pk")
    good = mine.filter(status=DeploymentStatus.DEPLOYED)
    newest = {"last": Subquery(mine.values("pk")[:1])} | {
        f"runs_{each}": Subquery(good.filter(deployer=each).values("pk")[:1]) for each in Deployer.values
    }
    found = [
        (integration, {name: getattr(integration, name) for name in newest}) for integration in rows.annotate(**newest)
    ]
    wanted = {pk for _, keys in found for pk in keys.values() if pk}
    there = {row.pk: row for row in deployments.filter(pk__in=wanted)}
    return [
        Row(
            integration=integration,
            last=there.get(keys["last"]),
            runs=[there[keys[f"runs_{each}"]] for each in Deployer.values if keys[f"runs_{each}"] in there],
        )
        for integration, keys in found
    ]
