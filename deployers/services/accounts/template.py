"""How the role of an account is made from the access template: by a link, by the AWS CLI, by hand."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

from deployers import access_needs, templates
from deployers.aws import regions
from deployers.catalog import CODEDEPLOY, ECS
from deployers.models import AwsAccount
from deployers.services.accounts.trust import UNKNOWN_PRINCIPAL, panel_principal
from teams import policy
from teams.models import User
from teams.policy import Act

ROLE_NAME = str(templates.load(access_needs.TEMPLATE)["Parameters"]["RoleName"]["Default"])
VERSION = str(templates.load(access_needs.TEMPLATE)["Outputs"]["TemplateVersion"]["Value"])
ACCESS_TEMPLATE_FILE = templates.published_name(access_needs.TEMPLATE)
_NAME = re.compile(str(templates.load(access_needs.TEMPLATE)["Parameters"]["RoleName"]["AllowedPattern"]))
# https://docs.aws.amazon.com/general/latest/gr/rande.html, and each partition's own console
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}


@dataclass(frozen=True, slots=True)
class Launch:
    """How to make the role.

    Attributes:
        stack_name: of the stack that holds it.
        role_arn: what the role's ARN will be; empty where the account is not known.
        parameters: of the template.
        url: CloudFormation's page with all of it filled in; empty unless the template lies at a public URL.
        command: the same with the AWS CLI and the template as a file.
    """

    stack_name: str
    role_arn: str
    parameters: Mapping[str, str]
    url: str
    command: str


def launch(*, account: AwsAccount, actor: User, codedeploy: bool = True, ecs: bool = True) -> Launch:
    """How the role of this account is made, or brought up to date, for what is chosen. Raises Forbidden.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stacks-quick-create-links.html
    """
    policy.require(Act.ADMINISTER_ACCOUNTS, user=actor, team=account.team)
    parts = account.role_arn.split(":", 5)
    partition = parts[1] if account.role_arn else regions.partition_of(account.default_region)
    entered = account.role_arn.rpartition("/")[2]
    name = entered if _NAME.fullmatch(entered) else ROLE_NAME
    account_id = parts[4] if account.role_arn else account.account_id
    parameters = {
        "PanelPrincipal": panel_principal() or UNKNOWN_PRINCIPAL,
        "ExternalId": account.external_id,
        "RoleName": name,
        _parameter(CODEDEPLOY.kind): str(codedeploy).lower(),
        _parameter(ECS.kind): str(ecs).lower(),
    }
    return Launch(
        stack_name=_stack_name(name),
        role_arn=f"arn:{partition}:iam::{account_id}:role/{name}" if account_id else "",
        parameters=parameters,
        url=_url(account.default_region, partition, name, parameters),
        command=_command(account.default_region, name, parameters),
    )


def role_arn_in(account_id: str, *, region: str) -> str:
    """The ARN that the template's role will have in an account."""
    return f"arn:{regions.partition_of(region) or 'aws'}:iam::{account_id}:role/{ROLE_NAME}"


def _parameter(kind: str) -> str:
    return {CODEDEPLOY.kind: "CodeDeploy", ECS.kind: "Ecs"}[kind]


def _stack_name(role_name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", role_name)


def _url(region: str, partition: str, name: str, parameters: Mapping[str, str]) -> str:
    if not settings.ACCESS_TEMPLATE_URL:
        return ""
    known = {key: value for key, value in parameters.items() if value != UNKNOWN_PRINCIPAL}
    query = urlencode(
        {
            "templateURL": settings.ACCESS_TEMPLATE_URL,
            "stackName": _stack_name(name),
            **{f"param_{key}": value for key, value in known.items()},
        },
        quote_via=quote,
    )
    return f"https://{_CONSOLES[partition]}/cloudformation/home?region={region}#/stacks/quickcreate?{query}"


def _command(region: str, name: str, parameters: Mapping[str, str]) -> str:
    overrides = " ".join(shlex.quote(f"{key}={value}") for key, value in parameters.items())
    return (
        f"aws cloudformation deploy --region {region} --stack-name {_stack_name(name)} "
        f"--template-file {ACCESS_TEMPLATE_FILE} --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {overrides}"
    )


def access_template() -> bytes:
    """The template as it is uploaded: JSON."""
    return templates.render(access_needs.TEMPLATE)


def permissions() -> dict[str, Any]:
    """Its policies, by name, as they stand in the template."""
    resources = templates.load(access_needs.TEMPLATE)["Resources"]
    return {
        name: each["Properties"]["PolicyDocument"]
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
    }
