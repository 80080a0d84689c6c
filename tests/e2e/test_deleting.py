"""Deleting an integration takes away what it made, in the right order, and asks about the zips first."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.world import Clone, World

pytestmark = pytest.mark.sandbox


def delete(world: World, integration: dict, bucket: str) -> dict:
    answer = world.call("DELETE", f"/integrations/{integration['id']}/?bucket={bucket}")
    assert answer.status_code == 202, answer.text
    return world.finished(answer.json())


def bucket_exists(world: World, name: str) -> bool:
    try:
        world.aws("s3").head_bucket(Bucket=name)
    except ClientError:
        return False
    return True


@pytest.mark.parametrize("choice", ["keep", "purge"])
def test_deleting_removes_webhook_key_and_stack_and_treats_the_zips_as_asked(
    world: World, repository: str, clone: Clone, choice: str
):
    integration = world.provisioned(repository, method="git_pull")
    commit = clone.commit("To be deleted", data="1")
    clone.push()
    world.ended(integration, commit=commit)
    [stack] = integration["stacks"]
    assert world.sandbox.git.hooks(repository)
    assert world.sandbox.git.deploy_keys(repository)

    operation = delete(world, integration, choice)

    assert operation["status"] == "succeeded", operation["problem"]
    assert not world.sandbox.git.hooks(repository)
    assert not world.sandbox.git.deploy_keys(repository)
    assert world.call("GET", f"/integrations/{integration['id']}/").status_code == 404
    with pytest.raises(ClientError, match="does not exist"):
        world.aws("cloudformation").describe_stacks(StackName=stack["name"])
    assert bucket_exists(world, integration["output_bucket"]) is (choice == "keep")


def test_deleting_works_when_stack_and_webhook_are_gone_already(world: World, repository: str, clone: Clone):
    integration = world.provisioned(repository)
    [stack] = integration["stacks"]
    [hook] = world.git_api("GET", f"/repos/{repository}/hooks")
    world.git_api("DELETE", f"/repos/{repository}/hooks/{hook['id']}")
    world.aws("cloudformation").delete_stack(StackName=stack["name"])

    operation = delete(world, integration, "keep")

    assert operation["status"] == "succeeded", operation["problem"]
    assert world.call("GET", f"/integrations/{integration['id']}/").status_code == 404
