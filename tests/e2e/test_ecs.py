"""From a push to a service: an integration with an ECS pipeline, on the sandbox."""

from typing import Any

import pytest

from tests.e2e.test_codedeploy import network
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox


def execution(pipelines: Any, name: str) -> dict[str, Any]:
    """The newest run of a pipeline that took an artifact, once it has ended."""

    def look() -> dict[str, Any] | None:
        for each in pipelines.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]:
            if each.get("sourceRevisions"):
                return each if each["status"] != "InProgress" else None
        return None

    found = until(look, f"a run of {name}")
    assert found is not None
    return found


@pytest.mark.parametrize("launch_type", ["EC2", "FARGATE"])
def test_a_push_becomes_the_image_that_the_service_runs(
    world: World, repository: str, clone: Clone, launch_type: str
) -> None:
    chosen = {name: value for name, value in network(world).items() if name != "HealthCheckPort"}
    integration = world.provisioned(
        repository, deployers=["ecs"], parameters={"ecs": {**chosen, "LaunchType": launch_type}}
    )
    [stack] = [
        each for each in world.get(f"/stacks/?integration={integration['id']}")["results"] if each["kind"] == "ecs"
    ]
    assert stack["aws_status"] == "CREATE_COMPLETE"
    commit = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    world.ended(integration, commit=commit)
    ran = execution(world.aws("codepipeline"), stack["outputs"]["Pipeline"])
    assert ran["status"] == "Succeeded", ran
    [service] = world.aws("cloudformation").describe_stacks(StackName=stack["outputs"]["ServiceStackName"])["Stacks"]
    assert {each["OutputKey"]: each["OutputValue"] for each in service["Outputs"]}["ImageTag"] == commit
