"""`/artifacts/`: the versions of zips that integrations' buckets hold."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.models import Artifact
from deployers.services import artifacts, deployments
from panel.api.base import Noun
from panel.api.deployments import DeploymentSerializer
from panel.api.shapes import Filters


class ArtifactSerializer(serializers.ModelSerializer[Artifact]):
    class Meta:
        model = Artifact
        fields = [
            "id",
            "integration",
            "delivery",
            "bucket",
            "key",
            "version_id",
            "ref",
            "commit",
            "author",
            "message",
            "size",
            "content_digest",
            "created_at",
        ]
        read_only_fields = fields


class DownloadSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="A presigned URL: works for a few minutes, for anyone who has it.")


class ArtifactFilters(Filters):
    integration = serializers.UUIDField(required=False)
    delivery = serializers.UUIDField(required=False)
    ref = serializers.CharField(max_length=1024, required=False)
    commit = serializers.CharField(max_length=64, required=False)


@extend_schema_view(list=extend_schema(parameters=[ArtifactFilters]))
class ArtifactViewSet(Noun[Artifact]):
    queryset = Artifact.objects.all()
    serializer_class = ArtifactSerializer
    filters = ArtifactFilters

    @extend_schema(request=None, responses={201: DeploymentSerializer})
    @action(detail=True, methods=["post"])
    def redeploy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Deploy this version once more."""
        deployment = deployments.redeploy(artifact=self.get_object(), actor=self.actor)
        return Response(DeploymentSerializer(deployment).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=DownloadSerializer)
    @action(detail=True, methods=["get"])
    def download(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Where to download exactly this version of the zip."""
        response = Response({"url": artifacts.download_url(artifact=self.get_object(), actor=self.actor)})
        response["Cache-Control"] = "no-store"
        return response
