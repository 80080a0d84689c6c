"""The longest name that an integration may have, at which CloudFormation cuts those of what it makes."""

import secrets

import pytest

from tests.e2e.test_codedeploy import deployment, network
from tests.e2e.world import Clone, World

LONGEST = 60


def longest_name() -> str:
    return f"e2e-{secrets.token_hex(4)}-".ljust(LONGEST, "n")


@pytest.fixture(scope="module")
def certificate(world: World) -> str:
    """One for both, as the panel remembers for a minute which certificates an account has."""
    made = world.aws("acm").request_certificate(DomainName="shop.example.com")
    return str(made["CertificateArn"])


def test_all_three_stacks_are_made_on_instances_with_a_certificate(
    world: World, repository: str, certificate: str
) -> None:
    chosen = network(world)
    chosen["ACMARN"] = certificate
    ecs = {name: value for name, value in chosen.items() if name != "HealthCheckPort"}
    name = longest_name()
    integration = world.provisioned(
        repository, name=name, deployers=["codedeploy", "ecs"], parameters={"codedeploy": chosen, "ecs": ecs}
    )
    found = world.get(f"/stacks/?integration={integration['id']}")["results"]
    assert {each["kind"]: each["aws_status"] for each in found} == dict.fromkeys(
        ("git_intgrtn_aws_s3", "codedeploy", "ecs"), "CREATE_COMPLETE"
    )
    roles = [
        each["RoleName"] for page in world.aws("iam").get_paginator("list_roles").paginate() for each in page["Roles"]
    ]
    mine = [each for each in roles if name[:12] in each]
    assert mine
    # No name of a role holds that of its whole stack.
    assert not [each for each in mine if name in each]


def test_a_push_is_deployed_on_fargate_with_a_certificate(
    world: World, repository: str, clone: Clone, certificate: str
) -> None:
    chosen = {key: value for key, value in network(world).items() if key != "HealthCheckPort"}
    chosen |= {"LaunchType": "FARGATE", "ACMARN": certificate}
    integration = world.provisioned(repository, name=longest_name(), deployers=["ecs"], parameters={"ecs": chosen})
    commit = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    assert deployment(world, integration, commit)["status"] == "deployed"
