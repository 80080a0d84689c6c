"""Rows as pages show them: with what each line needs, in a fixed number of queries."""

from django.db.models import OuterRef, QuerySet, Subquery

from deployers.models import Operation
from integrations.models import Integration


def integrations(rows: QuerySet[Integration]) -> QuerySet[Integration]:
    """Integrations with repository, account, stacks and what their newest operation is and how it stands."""
    newest = Operation.objects.filter(integration=OuterRef("pk")).order_by("-created_at")
    return (
        rows.select_related("repository__provider", "aws_account")
        .prefetch_related("stacks")
        .annotate(
            operation_kind=Subquery(newest.values("kind")[:1]),
            operation_status=Subquery(newest.values("status")[:1]),
        )
    )
