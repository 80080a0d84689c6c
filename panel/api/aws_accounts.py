"""`/aws-accounts/`: AWS accounts and the ways into them."""

import json
from dataclasses import asdict, replace
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.models import AccessMethod, AwsAccount
from deployers.services import accounts, choices
from panel.api.base import Noun
from panel.api.shapes import Strict, a_region, read_body, read_query
from teams import policy
from teams.policy import Act


class AwsAccountSerializer(serializers.ModelSerializer[AwsAccount]):
    """An AWS account; the secret access key never leaves the panel."""

    findings = serializers.DictField(
        read_only=True,
        help_text="What the last check that passed found: `missing` permissions by kind of stack, `region_off`, "
        "`notes`, and `how` that is known: simulated, template or unknown. Empty before the first.",
    )
    connected = serializers.BooleanField(
        source="proven",
        read_only=True,
        help_text="Whether a check passed for exactly this way in and none was refused since: only then AWS is asked.",
    )

    class Meta:
        model = AwsAccount
        fields = [
            "id",
            "name",
            "account_id",
            "method",
            "role_arn",
            "external_id",
            "access_key_id",
            "default_region",
            "connected",
            "caller_arn",
            "checked_at",
            "check_error",
            "findings",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class AwsAccountWriteSerializer(Strict):
    """A `secret_access_key` that is blank or left out keeps its value."""

    name = serializers.CharField(max_length=80)
    method = serializers.ChoiceField(choices=AccessMethod.choices)
    account_id = serializers.RegexField(
        r"\A[0-9]{12}\Z", required=False, allow_blank=True, help_text="Twelve digits; empty: read from STS."
    )
    role_arn = serializers.CharField(max_length=2048, required=False, allow_blank=True)
    access_key_id = serializers.CharField(max_length=128, required=False, allow_blank=True)
    secret_access_key = serializers.CharField(max_length=256, required=False, allow_blank=True, write_only=True)
    default_region = serializers.CharField(max_length=32, required=False, validators=[a_region])


class ChoicesQuery(Strict):
    region = serializers.CharField(
        max_length=32, required=False, validators=[a_region], help_text="Left out: the account's default region."
    )
    vpc = serializers.CharField(max_length=64, required=False, help_text="Only the subnets of this VPC.")


class VpcSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    cidr = serializers.CharField()
    default = serializers.BooleanField()


class SubnetSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    vpc = serializers.CharField()
    zone = serializers.CharField()
    cidr = serializers.CharField()
    public = serializers.BooleanField(help_text="Whether its instances get public addresses automatically.")


class CertificateSerializer(serializers.Serializer[Any]):
    arn = serializers.CharField()
    domain = serializers.CharField()
    status = serializers.CharField()


class HostedZoneSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class ChoicesSerializer(serializers.Serializer[Any]):
    """What there is to choose from for a deployer's stack. A list is null where `problems` says why."""

    vpcs = VpcSerializer(many=True, allow_null=True)
    subnets = SubnetSerializer(many=True, allow_null=True)
    key_pairs = serializers.ListField(child=serializers.CharField(), allow_null=True)
    instance_types = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), allow_null=True, help_text="Type to its zones."
    )
    certificates = CertificateSerializer(many=True, allow_null=True)
    hosted_zones = HostedZoneSerializer(many=True, allow_null=True)
    problems = serializers.DictField(child=serializers.CharField(), help_text="List to why it cannot be read.")


class LaunchQuery(Strict):
    codedeploy = serializers.BooleanField(default=True, help_text="Whether CodeDeploy is to deploy there.")
    ecs = serializers.BooleanField(default=True, help_text="Whether ECS is to deploy there.")


class LaunchSerializer(serializers.Serializer[Any]):
    """How the role is made from the access template, or brought up to date."""

    stack_name = serializers.CharField()
    role_arn = serializers.CharField(help_text="What the role's ARN will be; empty where the account is not known.")
    parameters = serializers.DictField(
        child=serializers.CharField(),
        help_text="PanelPrincipal is a placeholder with `<` while the panel has no AWS credentials of its own: "
        "no role can trust it before it has some.",
    )
    url = serializers.CharField(
        help_text="CloudFormation's page with all filled in; empty unless the panel knows a public URL of the template."
    )
    command = serializers.CharField(help_text="The same with the AWS CLI and the template as a file.")
    template = serializers.JSONField()


class AwsAccountViewSet(Noun[AwsAccount]):
    queryset = AwsAccount.objects.all()
    serializer_class = AwsAccountSerializer

    @extend_schema(request=AwsAccountWriteSerializer, responses={201: AwsAccountSerializer})
    def create(self, request: Request) -> Response:
        """Add an account. `check/` proves that the way in works; a role needs `trust-policy/` first."""
        fields = read_body(AwsAccountWriteSerializer, request)
        return self.answer(accounts.create(team=self.team, actor=self.actor, **fields), status.HTTP_201_CREATED)

    @extend_schema(request=AwsAccountWriteSerializer)
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Change an account."""
        account = self.get_object()
        fields = read_body(AwsAccountWriteSerializer, request, partial=True)
        return self.answer(accounts.update(account=account, actor=self.actor, **fields))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Remove an account that no integration uses; nothing happens to it at AWS."""
        accounts.delete(account=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=AwsAccountSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Ask STS now who the panel is in this account."""
        account = self.get_object()
        accounts.check(account=account, actor=self.actor)
        return self.answer(account)

    @extend_schema(parameters=[ChoicesQuery], responses=ChoicesSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def choices(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Networks, key pairs, types of instances, certificates and hosted zones, as AWS told within a minute."""
        account = self.get_object()
        policy.require(Act.CHECK_ACCOUNT, user=self.actor, team=self.team)
        query = read_query(ChoicesQuery, request)
        there = choices.of(account, query.get("region") or account.default_region)
        if there.subnets is not None and "vpc" in query:
            there = replace(there, subnets=[each for each in there.subnets if each.vpc == query["vpc"]])
        return Response(ChoicesSerializer(there).data)

    @extend_schema(responses=OpenApiTypes.OBJECT, filters=False)
    @action(detail=True, methods=["get"], url_path="trust-policy", pagination_class=None)
    def trust_policy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """For admins: the role's trust policy. The panel may assume it, with this connection's external id."""
        return Response(accounts.trust_policy(account=self.get_object(), actor=self.actor))

    @extend_schema(parameters=[LaunchQuery], responses=LaunchSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="access-template", pagination_class=None)
    def access_template(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """The template of the role that the panel assumes, and how to launch it for this connection. For admins."""
        account, query = self.get_object(), read_query(LaunchQuery, request)
        shown = accounts.launch(account=account, actor=self.actor, codedeploy=query["codedeploy"], ecs=query["ecs"])
        body = LaunchSerializer({**asdict(shown), "template": json.loads(accounts.access_template())})
        return Response(body.data)
