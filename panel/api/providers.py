"""`/providers/`: git providers and the credentials to call their APIs with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from integrations.models import Provider
from integrations.providers.registry import KINDS
from integrations.services import host_keys, providers
from panel.api.base import Noun
from panel.api.shapes import Filters, Strict, read_body, read_query
from teams import policy
from teams.errors import SluiceError
from teams.policy import Act


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    """A provider; its credentials never leave the panel."""

    webhook_networks = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="CIDRs that it publishes its webhooks to come from; empty if it publishes none.",
    )

    base_url = serializers.CharField(
        read_only=True, help_text="Where a self-hosted provider lives; empty for the public one of its kind."
    )

    class Meta:
        model = Provider
        fields = [
            "id",
            "kind",
            "name",
            "base_url",
            "ca_bundle",
            "ssh_host",
            "ssh_user",
            "ssh_port",
            "ssh_known_hosts",
            "ssh_scanned_at",
            "ssh_problem",
            "webhook_networks",
            "webhook_networks_at",
            "login",
            "missing_scopes",
            "checked_at",
            "check_error",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ProviderUpdateSerializer(Strict):
    """`credentials` that are blank or left out keep their value."""

    name = serializers.CharField(max_length=80)
    base_url = serializers.CharField(max_length=200, required=False, allow_blank=True)
    credentials = serializers.DictField(
        child=serializers.CharField(max_length=10_000, allow_blank=True),
        write_only=True,
        help_text='The secrets of this kind of provider, such as {"token": "ghp_..."}.',
    )
    ca_bundle = serializers.CharField(
        required=False, allow_blank=True, help_text="PEM certificates to trust besides the public ones."
    )
    ssh_host = serializers.CharField(
        max_length=253,
        required=False,
        allow_blank=True,
        help_text="Where it serves SSH; empty: the host in the clone addresses that its API tells.",
    )
    ssh_user = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="The user of its SSH addresses; empty: the one in the clone addresses that its API tells.",
    )
    ssh_port = serializers.IntegerField(
        min_value=1,
        max_value=65535,
        required=False,
        help_text="Its SSH port; 22, without an `ssh_host`: the one in the clone addresses that its API tells.",
    )
    ssh_known_hosts = serializers.CharField(
        required=False, allow_blank=True, help_text="Host keys to pin; empty: those that the provider publishes."
    )


class ProviderCreateSerializer(ProviderUpdateSerializer):
    kind = serializers.ChoiceField(choices=KINDS)


class RemoteRepositorySerializer(serializers.Serializer[Any]):
    """A repository as the provider lists it."""

    full_name = serializers.CharField()
    default_branch = serializers.CharField()
    private = serializers.BooleanField()
    web_url = serializers.CharField()


class RemoteRepositoriesSerializer(serializers.Serializer[Any]):
    """One page of the provider's list."""

    results = RemoteRepositorySerializer(many=True)
    next_page = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")


class HostKeySerializer(serializers.Serializer[Any]):
    type = serializers.CharField(help_text="Such as ssh-ed25519.")
    fingerprint = serializers.CharField(help_text="SHA256:..., as OpenSSH shows it.")
    public_key = serializers.CharField(source="text", help_text="`<type> <base64>`.")


class HostKeysSerializer(serializers.Serializer[Any]):
    """The SSH host keys that git pull trusts, and those that it will once an admin confirms them."""

    pinned = HostKeySerializer(many=True)
    scanned = HostKeySerializer(many=True, help_text="These wait to be confirmed.")
    scanned_at = serializers.DateTimeField(allow_null=True, help_text="When the server was last asked.")
    problem = serializers.CharField(allow_blank=True, help_text="Such as that the keys changed.")


class ConfirmationSerializer(Strict):
    fingerprints = serializers.ListField(
        child=serializers.CharField(max_length=100),
        min_length=1,
        max_length=20,
        help_text="Of `scanned`: exactly these keys are pinned.",
    )


def host_keys_of(provider: Provider) -> Response:
    shape = {
        "pinned": host_keys.pinned(provider),
        "scanned": host_keys.scanned(provider),
        "scanned_at": provider.ssh_scanned_at,
        "problem": provider.ssh_problem,
    }
    return Response(HostKeysSerializer(shape).data)


@contextmanager
def credentials_pointed_at() -> Iterator[None]:
    """Services name a credential's own field; in the body it lies in `credentials`."""
    try:
        yield
    except SluiceError as error:
        if error.field and error.field not in ProviderCreateSerializer().fields:
            error.field = f"credentials.{error.field}"
        raise


class SearchQuery(Strict):
    q = serializers.CharField(max_length=255, default="", allow_blank=True)
    page = serializers.IntegerField(min_value=1, max_value=10_000, default=1)


class ProviderFilters(Filters):
    kind = serializers.ChoiceField(choices=KINDS, required=False)


@extend_schema_view(list=extend_schema(parameters=[ProviderFilters]))
class ProviderViewSet(Noun[Provider]):
    queryset = Provider.objects.all()
    serializer_class = ProviderSerializer
    filters = ProviderFilters

    @extend_schema(request=ProviderCreateSerializer, responses={201: ProviderSerializer})
    def create(self, request: Request) -> Response:
        """Add a provider; its credentials are checked first."""
        fields = read_body(ProviderCreateSerializer, request)
        with credentials_pointed_at():
            provider = providers.create(team=self.team, actor=self.actor, **fields)
        return self.answer(provider, status.HTTP_201_CREATED)

    @extend_schema(request=ProviderUpdateSerializer)
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Change a provider; the new credentials are checked first."""
        provider = self.get_object()
        fields = read_body(ProviderUpdateSerializer, request, partial=True)
        with credentials_pointed_at():
            return self.answer(providers.update(provider=provider, actor=self.actor, **fields))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Remove a provider that no repository uses."""
        providers.delete(provider=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ProviderSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Ask the provider now whose the credentials are and what they lack."""
        provider = self.get_object()
        providers.check(provider=provider, actor=self.actor)
        provider.refresh_from_db()
        return self.answer(provider)

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="Part of the name."),
            OpenApiParameter("page", int, description="As `next_page` of the page before."),
        ],
        responses=RemoteRepositoriesSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def repositories(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Repositories that the provider lets these credentials read."""
        policy.require(Act.ADD_REPOSITORY, user=self.actor, team=self.team)
        query = read_query(SearchQuery, request)
        found = providers.search_repositories(provider=self.get_object(), query=query["q"], page=query["page"])
        return Response(
            {"results": RemoteRepositorySerializer(found.items, many=True).data, "next_page": found.next_page}
        )

    @extend_schema(responses=HostKeysSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="host-keys", pagination_class=None)
    def host_keys(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """The SSH host keys that are pinned, and those that wait to be confirmed."""
        return host_keys_of(self.get_object())

    @extend_schema(request=None, responses=HostKeysSerializer)
    @action(detail=True, methods=["post"], url_path="host-keys/scan")
    def scan_host_keys(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Ask the server for its SSH host keys now."""
        provider = self.get_object()
        host_keys.scan(provider=provider, actor=self.actor)
        return host_keys_of(provider)

    @extend_schema(request=ConfirmationSerializer, responses=HostKeysSerializer)
    @action(detail=True, methods=["post"], url_path="host-keys/confirm")
    def confirm_host_keys(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Pin scanned host keys, in place of what was pinned, and update the stacks that pull with git."""
        provider = self.get_object()
        fields = read_body(ConfirmationSerializer, request)
        provider = host_keys.confirm(provider=provider, actor=self.actor, **fields)
        for operation in stacks.follow_provider(provider=provider, actor=self.actor):
            on_commit_nudge(operation.pk)
        return host_keys_of(provider)
