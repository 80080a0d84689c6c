"""How integrations, and what is asked of them, look in the API."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deployers.models import AwsAccount, Stack, StackKind
from integrations.models import Deployer, Integration, Method, RemoteState, Repository, SSHKey, SSHKeyState, Transport
from integrations.providers.base import Purpose
from integrations.services import obstacles
from integrations.services.settings_values import MAX_ROTATE_EVERY
from integrations.services.webhooks import ManualSteps
from panel.api.shapes import Filters, OfTeam, Strict, a_region
from panel.integration_state import IntegrationState, state_of

WEBHOOK_OUTPUTS = {Method.ZIP_DOWNLOAD: "ZipDownloadWebHookApi", Method.GIT_PULL: "GitPullWebHookApi"}


def outputs_of(integration: Integration) -> dict[str, str]:
    """What the Git to S3 stack gave out, from the stacks that came with the row: no query of its own."""
    return next((stack.outputs for stack in integration.stacks.all() if stack.kind == StackKind.GIT), {})


def webhook_urls_of(integration: Integration) -> dict[str, str]:
    outputs = outputs_of(integration)
    return {method.value: outputs[name] for method, name in WEBHOOK_OUTPUTS.items() if name in outputs}


def current_key(integration: Integration) -> SSHKey | None:
    """The deploy key in use, from the keys that came with the row."""
    return next((key for key in integration.ssh_keys.all() if key.state == SSHKeyState.CURRENT), None)


class StackOfIntegrationSerializer(serializers.ModelSerializer[Stack]):
    state = serializers.CharField(read_only=True)

    class Meta:
        model = Stack
        fields = ["id", "kind", "name", "state", "aws_status", "resources_done", "resources_total"]
        read_only_fields = fields


class ObstacleSerializer(serializers.Serializer[Any]):
    """Something that the credentials may not do at the provider, told before provisioning; it refuses nothing."""

    purpose = serializers.ChoiceField(choices=[each.value for each in Purpose])
    title = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField(help_text="What can be done about it.")
    by_hand = serializers.CharField(help_text="How it goes on if nothing is done about it.")
    page_url = serializers.CharField(help_text="The provider's page for doing it by hand; empty where there is none.")


class IntegrationSerializer(serializers.ModelSerializer[Integration]):
    """An integration; what its stacks made is empty until they are there."""

    refs = serializers.ListField(child=serializers.CharField(), read_only=True)
    paths = serializers.ListField(child=serializers.CharField(), read_only=True)
    ignored_paths = serializers.ListField(child=serializers.CharField(), read_only=True)
    applied_networks = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="The provider's networks that the stack lets in."
    )
    deployers = serializers.ListField(child=serializers.ChoiceField(choices=Deployer.choices), read_only=True)
    parameters = serializers.DictField(child=serializers.DictField(child=serializers.CharField()), read_only=True)
    status = serializers.SerializerMethodField(help_text="As a whole: the newest operation, then the stacks.")
    webhook_url = serializers.SerializerMethodField(help_text="Where the provider delivers to, for this method.")
    webhook_urls = serializers.SerializerMethodField(help_text="Method to webhook URL.")
    ssh_public_key = serializers.SerializerMethodField(help_text="The deploy key in use, for git pull.")
    ssh_key_state = serializers.SerializerMethodField(help_text="Whether the provider has the key; null without one.")
    ssh_key_problem = serializers.SerializerMethodField(help_text="Why the key has to be added by hand.")
    output_bucket = serializers.SerializerMethodField(help_text="The S3 bucket that holds the zips.")
    obstacles = serializers.SerializerMethodField(help_text="What stands in the way at the provider, as it last said.")
    stacks = StackOfIntegrationSerializer(many=True, read_only=True)

    class Meta:
        model = Integration
        fields = [
            "id",
            "name",
            "repository",
            "method",
            "transport",
            "refs",
            "paths",
            "ignored_paths",
            "skip_ci",
            "submodules",
            "lfs",
            "commit_statuses",
            "commit_status_problem",
            "restrict_source_ips",
            "applied_networks",
            "deploy_ref",
            "aws_account",
            "region",
            "application",
            "environment",
            "deployers",
            "rotate_every",
            "parameters",
            "status",
            "webhook_url",
            "webhook_urls",
            "webhook_state",
            "webhook_problem",
            "ssh_public_key",
            "ssh_key_state",
            "ssh_key_problem",
            "output_bucket",
            "obstacles",
            "obstacles_problem",
            "obstacles_checked_at",
            "heads_checked_at",
            "heads_problem",
            "stacks",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=[state.value for state in IntegrationState]))
    def get_status(self, integration: Integration) -> str:
        return state_of(integration)

    @extend_schema_field(OpenApiTypes.STR)
    def get_webhook_url(self, integration: Integration) -> str:
        return webhook_urls_of(integration).get(integration.method, "")

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_webhook_urls(self, integration: Integration) -> dict[str, str]:
        return webhook_urls_of(integration)

    @extend_schema_field(OpenApiTypes.STR)
    def get_ssh_public_key(self, integration: Integration) -> str:
        key = current_key(integration)
        return key.public_key if key else ""

    @extend_schema_field(serializers.ChoiceField(choices=RemoteState.choices, allow_null=True))
    def get_ssh_key_state(self, integration: Integration) -> str | None:
        key = current_key(integration)
        return key.remote_state if key else None

    @extend_schema_field(OpenApiTypes.STR)
    def get_ssh_key_problem(self, integration: Integration) -> str:
        key = current_key(integration)
        return key.problem if key else ""

    @extend_schema_field(ObstacleSerializer(many=True))
    def get_obstacles(self, integration: Integration) -> Any:
        return ObstacleSerializer(obstacles.standing(integration), many=True).data

    @extend_schema_field(OpenApiTypes.STR)
    def get_output_bucket(self, integration: Integration) -> str:
        return outputs_of(integration).get("OutputBucketName", "")


class IntegrationUpdateSerializer(Strict):
    """Repository, account and region stay: another one of them is another integration."""

    name = serializers.CharField(max_length=60, help_text="Lower-case letters, digits and hyphens.")
    method = serializers.ChoiceField(choices=Method.choices)
    transport = serializers.ChoiceField(
        choices=Transport.choices,
        help_text="Git pull only: over SSH with the stack's key, or over HTTPS with the provider's token.",
    )
    refs = serializers.ListField(
        child=serializers.CharField(max_length=255),
        help_text="Globs of what to mirror: `main`, `release/*`, `tags:v*`.",
    )
    paths = serializers.ListField(
        child=serializers.CharField(max_length=255),
        help_text="Globs of files: a push that changes none of them is ignored. Empty: any file counts.",
    )
    ignored_paths = serializers.ListField(
        child=serializers.CharField(max_length=255),
        help_text="Globs of files that do not count, also where they match `paths`.",
    )
    skip_ci = serializers.BooleanField(help_text="Ignore commits that say [skip ci] or [ci skip].")
    submodules = serializers.BooleanField(help_text="Git pull only: fetch submodules too.")
    lfs = serializers.BooleanField(help_text="Git pull only: fetch Git LFS files in place of their pointers.")
    commit_statuses = serializers.BooleanField(help_text="Show each delivery's state beside its commit.")
    restrict_source_ips = serializers.BooleanField(
        help_text="Take webhooks only from the networks that the provider publishes."
    )
    deploy_ref = serializers.CharField(max_length=255, allow_blank=True)
    application = serializers.CharField(max_length=60)
    environment = serializers.CharField(max_length=60)
    deployers = serializers.ListField(child=serializers.ChoiceField(choices=Deployer.choices))
    rotate_every = serializers.IntegerField(
        min_value=0,
        max_value=MAX_ROTATE_EVERY,
        allow_null=True,
        help_text="Days after which its SSH key is rotated; 0: never; null: as the panel is set.",
    )
    parameters = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(max_length=4096, allow_blank=True)),
        help_text="Stack kind to template parameters.",
    )


class IntegrationCreateSerializer(IntegrationUpdateSerializer):
    repository = OfTeam(queryset=Repository.objects.all())
    aws_account = OfTeam(queryset=AwsAccount.objects.all())
    region = serializers.CharField(max_length=32, validators=[a_region])
    method = serializers.ChoiceField(choices=Method.choices, default=Method.ZIP_DOWNLOAD)
    transport = serializers.ChoiceField(choices=Transport.choices, default=Transport.SSH)
    refs = serializers.ListField(child=serializers.CharField(max_length=255), default=lambda: ["**"])
    paths = serializers.ListField(child=serializers.CharField(max_length=255), default=list)
    ignored_paths = serializers.ListField(child=serializers.CharField(max_length=255), default=list)
    skip_ci = serializers.BooleanField(default=True)
    submodules = serializers.BooleanField(default=False)
    lfs = serializers.BooleanField(default=False)
    commit_statuses = serializers.BooleanField(default=False)
    restrict_source_ips = serializers.BooleanField(default=False)
    deploy_ref = serializers.CharField(max_length=255, allow_blank=True, default="")
    deployers = serializers.ListField(child=serializers.ChoiceField(choices=Deployer.choices), default=list)
    rotate_every = serializers.IntegerField(min_value=0, max_value=MAX_ROTATE_EVERY, allow_null=True, default=None)
    parameters = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(max_length=4096, allow_blank=True)), default=dict
    )


def manual_step(steps: ManualSteps) -> dict[str, Any]:
    return {
        "page_url": steps.page_url,
        "fill_in": [{"name": name, "value": value} for name, value in steps.fields],
    }


class ManualFieldSerializer(serializers.Serializer[Any]):
    """A field of the provider's page, by its label there."""

    name = serializers.CharField()
    value = serializers.CharField()


class ManualStepSerializer(serializers.Serializer[Any]):
    page_url = serializers.CharField(help_text="The provider's page to open.")
    fill_in = ManualFieldSerializer(many=True)


class ManualStepsSerializer(serializers.Serializer[Any]):
    """Null where there is nothing yet: provision first; only git pull has a key."""

    webhook = ManualStepSerializer(allow_null=True)
    ssh_key = ManualStepSerializer(allow_null=True)


class FoundSerializer(serializers.Serializer[Any]):
    queued = serializers.IntegerField(help_text="How many pushes were put on the queue.")


class DeadLettersSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="About how many; asked at AWS every fifteen seconds at most.")


class IntegrationFilters(Filters):
    name = serializers.CharField(max_length=60, required=False)
    repository = serializers.UUIDField(required=False)
    aws_account = serializers.UUIDField(required=False)
    method = serializers.ChoiceField(choices=Method.choices, required=False)


class ProvisionQuery(Strict):
    review = serializers.BooleanField(
        default=None,
        allow_null=True,
        help_text="Wait before each stack until its changes are approved (`/operations/{id}/approve/`). "
        "Default: only where a deployer's stack is made for the first time.",
    )


class DeletionQuery(Strict):
    bucket = serializers.ChoiceField(
        choices=["keep", "purge"],
        default="keep",
        help_text="`keep` leaves the bucket with its zips in the account, `purge` deletes both.",
    )
