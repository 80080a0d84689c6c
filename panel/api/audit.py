"""`/audit-entries/`: who did what to which object, from where. For the team's admins."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from panel import audit_search
from panel.api.base import Noun
from panel.api.shapes import Filters, read_query
from teams import policy
from teams.models import AuditEntry, Source
from teams.policy import Act


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = ["id", *audit_search.COLUMNS]
        read_only_fields = fields


class AuditFilters(Filters):
    q = serializers.CharField(
        max_length=200, required=False, help_text="In an object's name or id, or in who acted from where."
    )
    actor_name = serializers.CharField(max_length=150, required=False)
    action = serializers.CharField(max_length=60, required=False, help_text="Or how it begins: `integration.`")
    object_id = serializers.CharField(max_length=64, required=False, help_text="Of an operation, what began it too.")
    source = serializers.ChoiceField(choices=Source.choices, required=False)  # type: ignore[assignment] # DRF's own `source`
    since = serializers.DateTimeField(required=False, help_text="Then or later.")
    until = serializers.DateTimeField(required=False, help_text="Before then.")


_LOOKUPS = {
    "actor_name": "actor_name",
    "action": "action__startswith",
    "source": "source",
    "since": "created_at__gte",
    "until": "created_at__lt",
}


@extend_schema_view(list=extend_schema(parameters=[AuditFilters]))
class AuditEntryViewSet(Noun[AuditEntry]):
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filters = AuditFilters
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[AuditEntry]:
        if getattr(self, "swagger_fake_view", False):
            return AuditEntry.objects.none()
        policy.require(Act.READ_AUDIT_LOG, user=self.actor, team=self.team)
        return audit_search.of_team(self.team, self.actor)

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        query = read_query(self.filters, self.request)
        if "object_id" in query:
            queryset = audit_search.about(queryset, query["object_id"])
        if "q" in query:
            queryset = audit_search.search(queryset, query["q"])
        return queryset.filter(**{_LOOKUPS[name]: value for name, value in query.items() if name in _LOOKUPS})
