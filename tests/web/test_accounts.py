"""The pages of AWS accounts: how one is connected, and what its check found."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from moto import mock_aws
from pytest_django.fixtures import Settings

from deployers.models import AccessMethod, AwsAccount
from deployers.services import accounts
from deployers.services.accounts import trust
from teams.models import Team, User
from tests import factories

ROLE_ARN = "arn:aws:iam::123456789012:role/SluiceAccess"
NOTHING = {"git_intgrtn_aws_s3": [], "codedeploy": [], "ecs": []}


@pytest.fixture(autouse=True)
def _fresh_principal() -> None:
    trust.forget_principal()


def connected(team: Team, **findings: object) -> AwsAccount:
    account = factories.make_account(
        team=team, name="production", method=AccessMethod.ROLE, role_arn=ROLE_ARN, checked_at=timezone.now()
    )
    found = {"how": "simulated", "missing": NOTHING, "region_off": False, "notes": []} | findings
    AwsAccount.objects.filter(pk=account.pk).update(proven_way=account.way, findings=found)
    account.refresh_from_db()
    return account


def page_of(client: Client, account: AwsAccount, query: str = "") -> str:
    return client.get(reverse("account-detail", args=[account.pk]) + query).content.decode()


def test_an_account_id_is_enough_for_a_role_of_the_template(signed_in: Client, team: Team) -> None:
    fields = {"name": "prod", "role_arn": "123456789012", "default_region": "us-gov-west-1"}
    signed_in.post(f"{reverse('account-add')}?method=role", fields)
    assert AwsAccount.objects.get(team=team).role_arn == "arn:aws-us-gov:iam::123456789012:role/SluiceAccess"


@mock_aws
def test_the_role_is_one_command_away_and_names_panel_and_external_id(
    signed_in: Client, team: Team, admin: User
) -> None:
    account = connected(team)
    page = page_of(signed_in, account, "?chosen=1&for=ecs")
    command = accounts.launch(account=account, actor=admin, codedeploy=False).command
    assert escape(command) in page
    for part in (
        "--stack-name SluiceAccess",
        "--template-file sluice_access.json",
        "--capabilities CAPABILITY_NAMED_IAM",
        "PanelPrincipal=arn:aws:iam::123456789012:root",
        f"ExternalId={account.external_id}",
        "CodeDeploy=false",
        "Ecs=true",
    ):
        assert part in command
    assert "quickcreate" not in page
    template = signed_in.get(reverse("account-access-template", args=[account.pk]))
    assert template["Content-Disposition"] == 'attachment; filename="sluice_access.json"'
    assert set(json.loads(template.content)["Parameters"]) >= {"PanelPrincipal", "ExternalId", "RoleName"}
    assert "iam:PassedToService" in page


@pytest.mark.parametrize(
    ("role_arn", "region", "console"),
    [
        (ROLE_ARN, "eu-west-1", "console.aws.amazon.com"),
        ("arn:aws-cn:iam::123456789012:role/SluiceAccess", "cn-north-1", "console.amazonaws.cn"),
        ("arn:aws-us-gov:iam::123456789012:role/SluiceAccess", "us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
@mock_aws
def test_a_public_template_makes_it_one_click(
    signed_in: Client, team: Team, admin: User, settings: Settings, role_arn: str, region: str, console: str
) -> None:
    settings.ACCESS_TEMPLATE_URL = "https://acme-public.s3.eu-west-1.amazonaws.com/sluice access.json"
    account = connected(team)
    AwsAccount.objects.update(role_arn=role_arn, default_region=region)
    account.refresh_from_db()
    url = accounts.launch(account=account, actor=admin).url
    assert escape(url) in page_of(signed_in, account)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", console, f"region={region}")
    path, _, query = parts.fragment.partition("?")
    assert path == "/stacks/quickcreate"
    assert parse_qs(query) == {
        "templateURL": [settings.ACCESS_TEMPLATE_URL],
        "stackName": ["SluiceAccess"],
        "param_PanelPrincipal": ["arn:aws:iam::123456789012:root"],
        "param_ExternalId": [account.external_id],
        "param_RoleName": ["SluiceAccess"],
        "param_CodeDeploy": ["true"],
        "param_Ecs": ["true"],
    }


def test_a_role_that_the_template_cannot_make_is_told(signed_in: Client, team: Team) -> None:
    account = connected(team)
    AwsAccount.objects.update(role_arn="arn:aws:iam::123456789012:role/sluice-of-ours")
    assert f"<code>{ROLE_ARN}</code>: enter it with Edit" in page_of(signed_in, account)


def test_what_an_account_lacks_is_told_by_name_and_is_not_green(signed_in: Client, team: Team) -> None:
    account = connected(
        team,
        missing=NOTHING | {"ecs": ["ecr:CreateRepository", "ecs:CreateCluster"]},
        notes=["Only 10 functions may run at once in us-east-1."],
    )
    page = page_of(signed_in, account)
    assert "Connected, cannot provision ECS pipeline:" in page
    assert '<code class="d-block">ecs:CreateCluster</code>' in page
    assert "Only 10 functions may run at once" in page
    assert "Limited access" in page
    assert "Limited access" in signed_in.get(reverse("account-list")).content.decode()


def test_an_account_with_all_that_it_needs_is_green(signed_in: Client, team: Team) -> None:
    page = page_of(signed_in, connected(team))
    assert "Limited access" not in page
    assert page.count("all that it needs") == 3


def test_a_viewer_sees_what_it_may_do_and_not_how_to_connect(team: Team, viewer: Client) -> None:
    account = connected(team)
    page = page_of(viewer, account)
    assert "What it may do" in page
    assert "ExternalId=" not in page


def test_a_panel_without_credentials_says_what_to_do_before_a_role_can_trust_it(
    signed_in: Client, team: Team, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.ACCESS_TEMPLATE_URL = "https://templates.example.com/sluice_access.json"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/no/such/file")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    page = page_of(signed_in, connected(team))
    assert "Sluice has no AWS credentials of its own" in page
    assert "aws cloudformation deploy" not in page
    assert "quickcreate" not in page
    assert "Make the role below" not in page
