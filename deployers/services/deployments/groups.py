"""What runs on a deployer's stack."""

from deployers.aws import codedeploy, codepipeline
from deployers.aws.session import Access
from deployers.models import Stack, StackKind

_RUNS = 20


def group(stack: Stack) -> codedeploy.Group | None:
    """The deployment group of a CodeDeploy stack; None before the stack is there."""
    application = stack.outputs.get("CodeDeployApplication", "")
    name = stack.outputs.get("CodeDeploymentGroup", "")
    return codedeploy.Group(application, name) if application and name else None


def active(stack: Stack, access: Access) -> list[str]:
    """Ids of the deployments that run on a stack's instances, or in its pipeline."""
    if stack.kind == StackKind.ECS:
        pipeline = str(stack.outputs.get("Pipeline", ""))
        runs = codepipeline.executions(access, pipeline, most=_RUNS) if pipeline else []
        return [each.id for each in runs if each.status in codepipeline.ACTIVE]
    found = group(stack)
    if found is None:
        return []
    return list(codedeploy.deployment_ids(access, found, statuses=codedeploy.ACTIVE))
