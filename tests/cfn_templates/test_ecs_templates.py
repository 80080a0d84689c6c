"""What ecs_main.yaml and the templates that it is made of promise on paper."""

from typing import Any

import pytest

from deployers import catalog, fargate, templates
from tests.cfn_templates.test_git_to_s3_template import LARGEST_TEMPLATE_BODY, resources

MAIN = catalog.ECS.template
REGISTRY, CLUSTER, ROLES, PIPELINE = catalog.ECS.nested
SERVICE = "nested/ecs_service.yaml"
ALL = (MAIN, *catalog.ECS.nested, SERVICE)
# What people script against: names in the reference's templates.
PARAMETERS = {
    MAIN: (
        "ACMARN Application ContainerInstanceKeyPair ContainerInstanceType ContainerPort DesiredCapacity ECRImageTag "
        "ECSTaskDesiredCount Environment MinCapacity S3Bucket S3ObjectLocation Subnets HealthCheckPath VPC "
        "LambdaArtifactS3Bucket SNSTopicEmailAddress"
    ),
    REGISTRY: "Application",
    CLUSTER: "Application Environment ContainerInstanceKeyPair ContainerInstanceType DesiredCapacity MinCapacity VPC",
    PIPELINE: (
        "ACMARN ECSAPPStackName Application ContainerPort ECRImageTag ECRStackName ECSClusterStackName "
        "ECSTaskDesiredCount Environment S3Bucket S3ObjectLocation Subnets VPC LambdaArtifactS3Bucket "
        "SNSTopicEmailAddress"
    ),
    SERVICE: (
        "ACMARN Application ContainerPort ECRImageTag ECRStackName ECSClusterStackName ECSTaskDesiredCount "
        "Environment Subnets HealthCheckPath VPC"
    ),
}
OUTPUTS = {
    MAIN: "StackName",
    REGISTRY: "ECR StackName",
    CLUSTER: "ContainerInstanceSecurityGroupsID ECSClusterApp StackName",
    PIPELINE: "ArtifactS3BucketName StackName",
    SERVICE: "StackName",
}


@pytest.mark.parametrize("source", ALL)
def test_names_of_the_reference_are_kept(source: str) -> None:
    template = templates.load(source)
    assert set(PARAMETERS.get(source, "").split()) <= set(template["Parameters"])
    assert set(OUTPUTS.get(source, "").split()) <= set(template["Outputs"])


@pytest.mark.parametrize("source", ALL)
def test_everything_is_described_and_fits_into_a_request(source: str) -> None:
    template = templates.load(source)
    assert all(each["Description"] for each in [*template["Parameters"].values(), *template["Outputs"].values()])
    assert len(templates.render(source)) < LARGEST_TEMPLATE_BODY


def test_every_nested_parameter_is_given_or_has_a_default() -> None:
    for name, properties in resources(templates.load(MAIN), "AWS::CloudFormation::Stack").items():
        source = properties["TemplateURL"]["Fn::Sub"].removeprefix("${TemplatesUrl}/").replace(".json", ".yaml")
        known = templates.load(source)["Parameters"]
        needed = {each for each, parameter in known.items() if "Default" not in parameter}
        assert needed <= set(properties["Parameters"]) <= set(known), name


def test_the_manifest_gives_the_service_every_parameter_that_it_needs() -> None:
    function: dict[str, Any] = resources(templates.load(PIPELINE), "AWS::Lambda::Function")["ManifestFunction"]
    text = function["Environment"]["Variables"]["PARAMETERS"]["Fn::Sub"][0]
    for name in templates.load(SERVICE)["Parameters"]:
        assert name == "ECRImageTag" or f'"{name}":"${{' in text, name


def test_roles_of_the_service_stay_within_the_boundary() -> None:
    for role in resources(templates.load(SERVICE), "AWS::IAM::Role").values():
        assert role["PermissionsBoundary"] == {"Ref": "PermissionsBoundary"}


def test_an_image_tag_is_what_was_built_for_good() -> None:
    [repository] = resources(templates.load(REGISTRY), "AWS::ECR::Repository").values()
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_a_failed_deployment_of_the_service_is_rolled_back() -> None:
    [service] = resources(templates.load(SERVICE), "AWS::ECS::Service").values()
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_the_service_waits_for_the_listener_that_gives_its_target_group_a_load_balancer() -> None:
    """With a certificate that is the HTTPS listener: the other one only redirects."""
    service: dict[str, Any] = templates.load(SERVICE)["Resources"]["Service"]
    assert service["DependsOn"] == ["HttpListener"]
    [condition] = [each["Fn::If"] for each in service["Properties"]["Tags"] if "Fn::If" in each]
    assert condition[0] == "HasCertificate"
    assert condition[1]["Value"] == {"Ref": "HttpsListener"}


def test_a_capacity_provider_is_never_called_after_a_stack() -> None:
    """A stack may be called ecs-shop; a capacity provider may not."""
    [provider] = resources(templates.load(CLUSTER), "AWS::ECS::CapacityProvider").values()
    assert provider["Name"]["Fn::Sub"][0].startswith("sluice-")


def test_a_build_reads_sources_and_writes_builds_only() -> None:
    [policy] = resources(templates.load(PIPELINE), "AWS::IAM::Role")["BuildRole"]["Policies"]
    found = {
        str(each["Action"]): each["Resource"]
        for each in policy["PolicyDocument"]["Statement"]
        if "s3:" in str(each["Action"])
    }
    assert found == {
        "['s3:GetObject', 's3:GetObjectVersion']": [
            {"Fn::Sub": "${ArtifactBucket.Arn}/*/Source/*"},
            {"Fn::Sub": "${ArtifactBucket.Arn}/buildspec/default.yml"},
        ],
        "s3:PutObject": {"Fn::Sub": "${ArtifactBucket.Arn}/*/Build/*"},
    }
    artifacts = [
        artifact["Name"]
        for each in resources(templates.load(PIPELINE), "AWS::CodePipeline::Pipeline")["Pipeline"]["Stages"]
        for action in each.get("Actions", [])
        for artifact in action.get("OutputArtifacts", [])
    ]
    assert {"Source", "Build"} < set(artifacts)
    assert all(len(each) <= 10 for each in artifacts), "CodePipeline cuts longer ones in its keys"


def test_the_template_takes_the_pairs_of_cpu_and_memory_that_fargate_takes() -> None:
    main = templates.load(MAIN)
    allowed = {}
    for rule in main["Rules"].values():
        [_, of_cpu] = rule["RuleCondition"]["Fn::And"]
        [assertion] = rule["Assertions"]
        allowed[int(of_cpu["Fn::Equals"][1])] = tuple(int(each) for each in assertion["Assert"]["Fn::Contains"][0])
    assert allowed == fargate.MEMORY
    assert main["Parameters"]["TaskCpu"]["AllowedValues"] == list(fargate.MEMORY)
