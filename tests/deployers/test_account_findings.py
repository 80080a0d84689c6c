"""What a check finds beyond the way in, on the local AWS: roles made from the access template, and others."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployers import access_needs, templates
from deployers.errors import PermissionsMissing
from deployers.models import AwsAccount, Operation, StackKind
from deployers.services import accounts, integration_settings, stacks
from deployers.services.accounts import asking
from sandbox.aws import Aws
from teams.models import Team, User
from tests.factories import make_integration, make_repository

ACCOUNT = "111122223333"
pytestmark = pytest.mark.sandbox


@pytest.fixture
def panel(local_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel's own credentials: a user that may assume roles, and nothing else."""
    iam = local_aws.client("iam")
    if "sluice-finder" not in [user["UserName"] for user in iam.list_users()["Users"]]:
        iam.create_user(UserName="sluice-finder")
        allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="sluice-finder", PolicyName="assume", PolicyDocument=document)
    key = iam.create_access_key(UserName="sluice-finder")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


Launch = Callable[..., AwsAccount]


@pytest.fixture
def launched(local_aws: Aws, panel: None, team: Team, admin: User) -> Iterator[Launch]:
    """Makes the role as the account's page says, and checks the account."""
    cloudformation, made = local_aws.client("cloudformation"), list[str]()

    def launch(*, codedeploy: bool = True, ecs: bool = True) -> AwsAccount:
        account = accounts.create(
            team=team,
            actor=admin,
            name=f"connected {len(made)}",
            method="role",
            role_arn=f"arn:aws:iam::{ACCOUNT}:role/SluiceAccess{len(made)}",
        )
        shown = accounts.launch(account=account, actor=admin, codedeploy=codedeploy, ecs=ecs)
        assert shown.role_arn == account.role_arn
        cloudformation.create_stack(
            StackName=shown.stack_name,
            TemplateBody=templates.render(access_needs.TEMPLATE).decode(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in shown.parameters.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=shown.stack_name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        made.append(shown.stack_name)
        accounts.check(account=account, actor=admin)
        return account

    yield launch
    for name in made:
        cloudformation.delete_stack(StackName=name)


def found_of(account: AwsAccount) -> accounts.Findings:
    found = accounts.findings_of(account)
    assert found is not None
    return found


def test_a_role_of_the_template_lacks_nothing_of_what_was_chosen(launched: Launch) -> None:
    found = found_of(launched())
    assert (found.how, found.region_off) == ("simulated", False)
    assert found.missing == {"git_intgrtn_aws_s3": [], "codedeploy": [], "ecs": []}


def test_what_was_not_chosen_is_missing_by_name_and_refused_before_provisioning(
    launched: Launch, team: Team, admin: User
) -> None:
    account = launched(codedeploy=False, ecs=False)
    missing = found_of(account).missing

    assert missing["git_intgrtn_aws_s3"] == []
    assert {"ecs:CreateCluster", "codebuild:CreateProject", "ec2:RunInstances"} <= set(missing["ecs"])
    assert "codedeploy:CreateApplication" in missing["codedeploy"]
    assert "ecs:CreateCluster" not in missing["codedeploy"]
    with pytest.raises(PermissionsMissing, match=r"cannot provision ECS pipeline: it lacks .*and \d+ more"):
        stacks.provision(integration=make_integration(team=team, aws_account=account, deployers=["ecs"]), actor=admin)
    with pytest.raises(PermissionsMissing) as refused:
        integration_settings.create(
            team=team,
            actor=admin,
            repository=make_repository(team=team),
            aws_account=account,
            region="us-east-1",
            name="shop",
            application="shop",
            environment="test",
            deployers=["codedeploy"],
        )
    assert refused.value.field == "deployers"
    assert not Operation.objects.exists()
    git = stacks.provision(integration=make_integration(team=team, aws_account=account), actor=admin)
    assert git.active


def test_one_permission_that_is_taken_away_is_named(launched: Launch, local_aws: Aws, admin: User) -> None:
    account = launched()
    iam, role = local_aws.client("iam"), account.role_arn.rpartition("/")[2]
    statement = {"Effect": "Deny", "Action": "ecr:PutLifecyclePolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="less", PolicyDocument=document)

    accounts.check(account=account, actor=admin)

    assert found_of(account).missing == {"git_intgrtn_aws_s3": [], "codedeploy": [], "ecs": ["ecr:PutLifecyclePolicy"]}
    iam.delete_role_policy(RoleName=role, PolicyName="less")
    accounts.check(account=account, actor=admin)
    assert found_of(account).missing["ecs"] == []


def test_a_boundary_counts(launched: Launch, local_aws: Aws, admin: User) -> None:
    account = launched()
    iam, role = local_aws.client("iam"), account.role_arn.rpartition("/")[2]
    statement = {"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    boundary = iam.create_policy(PolicyName="Bounds", PolicyDocument=document)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)

    accounts.check(account=account, actor=admin)

    assert "sqs:CreateQueue" in found_of(account).missing["git_intgrtn_aws_s3"]
    assert accounts.lacks(account, StackKind.ECS) == accounts.lacks(account, StackKind.GIT)
    iam.delete_role_permissions_boundary(RoleName=role)


def test_without_the_right_to_ask_the_templates_version_tells(launched: Launch, local_aws: Aws, admin: User) -> None:
    account = launched(ecs=False)
    iam, role = local_aws.client("iam"), account.role_arn.rpartition("/")[2]
    statement = {"Effect": "Deny", "Action": "iam:SimulatePrincipalPolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="less", PolicyDocument=document)

    accounts.check(account=account, actor=admin)
    found = found_of(account)
    assert (found.how, found.missing["codedeploy"]) == ("template", [])
    assert "ecs:CreateCluster" in found.missing["ecs"]

    iam.tag_role(RoleName=role, Tags=[{"Key": "sluice:access-version", "Value": "0.1.0"}])
    accounts.check(account=account, actor=admin)
    found = found_of(account)
    assert (found.how, found.missing) == ("unknown", {})
    assert any("could not be told" in note for note in found.notes)


def test_every_statement_of_the_template_is_asked_about() -> None:
    """Each is a request with an ARN of its own, so that a narrow policy is not taken for a missing one."""
    resources: dict[str, Any] = templates.load(access_needs.TEMPLATE)["Resources"]
    for kind, names in access_needs.POLICIES.items():
        asked = asking.asks(kind, partition="aws", account_id=ACCOUNT, region="eu-west-1")
        assert {action for ask in asked for action in ask.actions} == access_needs.needs(kind)
        assert not [ask for ask in asked if "*" in ask.resource and ask.resource != "*"]
        assert set(names) <= set(resources)
