"""Rows as pages show them: with what each line needs, in a fixed number of queries."""

from django.db.models import QuerySet

from integrations.models import Integration
from panel.integration_state import with_newest_operation


def integrations(rows: QuerySet[Integration]) -> QuerySet[Integration]:
    """Integrations with repository, account, stacks and what their newest operation is and how it stands."""
    return with_newest_operation(rows.select_related("repository__provider", "aws_account").prefetch_related("stacks"))
