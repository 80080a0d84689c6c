"""What codedeploy_main.yaml and the templates that it is made of promise on paper."""

import json
from typing import Any

import pytest

from deployers import catalog, templates
from lambdas.deploy.settings import Settings
from tests.cfn_templates.test_git_to_s3_template import LARGEST_TEMPLATE_BODY, as_list, resources, statements

MAIN = catalog.CODEDEPLOY.template
FLEET, CODEDEPLOY, TRIGGER = catalog.CODEDEPLOY.nested
ALL = (MAIN, *catalog.CODEDEPLOY.nested)
# What people script against: names in the reference's templates.
PARAMETERS = {
    MAIN: (
        "ACMARN Application Environment HealthCheckPort HealthCheckPath InstanceType KeyName Subnets VPC "
        "RepoBucket RepoZipPath"
    ),
    FLEET: "ACMARN Application Environment HealthCheckPort HealthCheckPath InstanceType KeyName Subnets VPC",
    CODEDEPLOY: "Application EC2CodeDeployCFNStackName Environment",
    TRIGGER: "Application Environment CodeDeployStackName RepoBucket RepoZipPath LambdaArtifactS3Bucket",
}
OUTPUTS = {
    MAIN: "StackName",
    FLEET: "AutoScalingGroup StackName URL",
    CODEDEPLOY: "CodeDeployApplication CodeDeploymentGroup StackName",
}
# Actions that take no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = ("Describe", "GetResources")


@pytest.mark.parametrize("source", ALL)
def test_names_of_the_reference_are_kept(source: str) -> None:
    template = templates.load(source)
    assert set(PARAMETERS[source].split()) <= set(template["Parameters"])
    assert set(OUTPUTS.get(source, "").split()) <= set(template["Outputs"])


@pytest.mark.parametrize("source", ALL)
def test_everything_is_described_and_fits_into_a_request(source: str) -> None:
    template = templates.load(source)
    described = [*template["Parameters"].values(), *template["Outputs"].values()]
    assert all(each["Description"] for each in described)
    assert len(templates.render(source)) < LARGEST_TEMPLATE_BODY


def test_every_nested_parameter_is_given_and_every_given_one_is_known() -> None:
    for name, properties in resources(templates.load(MAIN), "AWS::CloudFormation::Stack").items():
        source = properties["TemplateURL"]["Fn::Sub"].removeprefix("${TemplatesUrl}/").replace(".json", ".yaml")
        assert set(properties["Parameters"]) == set(templates.load(source)["Parameters"]), name


@pytest.mark.parametrize("source", ALL[1:])
def test_no_permission_is_wider_than_it_could_be(source: str) -> None:
    for statement in statements(templates.load(source)):
        if statement["Effect"] != "Allow":
            continue
        for action in as_list(statement["Action"]):
            assert "*" not in action
            if "*" in as_list(statement.get("Resource", [])):
                assert action.split(":")[1].startswith(WITHOUT_RESOURCE), action


@pytest.mark.parametrize("source", ALL[1:])
def test_nothing_has_a_fixed_name(source: str) -> None:
    fixed = {"RoleName", "FunctionName", "AlarmName", "TableName", "LogGroupName", "AutoScalingGroupName"}
    for kind in ("IAM::Role", "Lambda::Function", "CloudWatch::Alarm", "DynamoDB::Table", "Logs::LogGroup"):
        for properties in resources(templates.load(source), f"AWS::{kind}").values():
            assert not fixed & set(properties)


def test_services_invoke_only_for_this_account_and_source() -> None:
    permissions = resources(templates.load(TRIGGER), "AWS::Lambda::Permission")
    assert len(permissions) == 2
    assert all({"SourceAccount", "SourceArn"} <= set(each) for each in permissions.values())


def test_the_deploy_function_gets_the_environment_that_it_reads() -> None:
    given = resources(templates.load(TRIGGER), "AWS::Lambda::Function")["DeployFunction"]["Environment"]["Variables"]
    assert {name.lower() for name in given} == set(Settings.__dataclass_fields__)


def test_instances_are_hardened() -> None:
    data = resources(templates.load(FLEET), "AWS::EC2::LaunchTemplate")["LaunchTemplate"]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert all(device["Ebs"]["Encrypted"] for device in data["BlockDeviceMappings"])
    rules = resources(templates.load(FLEET), "AWS::EC2::SecurityGroup")["InstanceSecurityGroup"]["SecurityGroupIngress"]
    assert "0.0.0.0/0" not in json.dumps(rules)
    assert rules[1]["Fn::If"][0] == "HasSsh"


def test_a_fleet_that_never_comes_up_fails_the_stack() -> None:
    group: dict[str, Any] = templates.load(FLEET)["Resources"]["AutoScalingGroup"]
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == {"Ref": "DesiredCapacity"}
    assert group["UpdatePolicy"]["AutoScalingRollingUpdate"]["WaitOnResourceSignals"] is True


def test_a_rolling_update_keeps_as_many_instances_as_the_group_has_at_least() -> None:
    rolling = templates.load(FLEET)["Resources"]["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert rolling["MinInstancesInService"] == {"Fn::If": ["HasFixedSize", 0, {"Ref": "MinSize"}]}
    assert rolling["MaxBatchSize"] == 1


@pytest.mark.parametrize(("source", "newest"), [(FLEET, "ImageId"), (catalog.ECS.nested[1], "ContainerInstanceImage")])
def test_a_pinned_image_goes_before_the_newest_one(source: str, newest: str) -> None:
    [launch] = resources(templates.load(source), "AWS::EC2::LaunchTemplate").values()
    assert launch["LaunchTemplateData"]["ImageId"] == {
        "Fn::If": ["HasPinnedImage", {"Ref": "PinnedImageId"}, {"Ref": newest}]
    }
