"""`/repositories/`: repositories at the providers."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from integrations.models import Provider, Repository
from integrations.services import repositories
from panel.api.base import Noun
from panel.api.shapes import Filters, OfTeam, Strict, read_body


class RepositorySerializer(serializers.ModelSerializer[Repository]):
    web_url = serializers.CharField(read_only=True, help_text="Its page at the provider; empty if that is not known.")

    class Meta:
        model = Repository
        fields = [
            "id",
            "provider",
            "full_name",
            "default_branch",
            "private",
            "web_url",
            "new_name",
            "moved_problem",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class RepositoryCreateSerializer(Strict):
    provider = OfTeam(queryset=Provider.objects.all())
    full_name = serializers.CharField(max_length=255, help_text="As the provider writes it: owner/name.")


class RepositoryFilters(Filters):
    provider = serializers.UUIDField(required=False)
    full_name = serializers.CharField(max_length=255, required=False)


@extend_schema_view(list=extend_schema(parameters=[RepositoryFilters]))
class RepositoryViewSet(Noun[Repository]):
    queryset = Repository.objects.all()
    serializer_class = RepositorySerializer
    filters = RepositoryFilters

    @extend_schema(request=RepositoryCreateSerializer, responses={201: RepositorySerializer})
    def create(self, request: Request) -> Response:
        """Add a repository; it is looked up at the provider."""
        fields = read_body(RepositoryCreateSerializer, request)
        return self.answer(repositories.add(team=self.team, actor=self.actor, **fields), status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=RepositorySerializer)
    @action(detail=True, methods=["post"])
    def follow(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Take over `new_name`, and update the stacks of its integrations."""
        repository = repositories.follow(repository=self.get_object(), actor=self.actor)
        for operation in stacks.follow_repository(repository=repository, actor=self.actor):
            on_commit_nudge(operation.pk)
        return self.answer(repository)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Remove a repository that no integration uses; nothing happens to it at the provider."""
        repositories.delete(repository=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
