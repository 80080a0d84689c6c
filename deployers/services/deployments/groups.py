"""The deployment group of a stack."""

from deployers.aws import codedeploy
from deployers.aws.session import Access
from deployers.models import Stack


def group(stack: Stack) -> codedeploy.Group | None:
    """The deployment group of a CodeDeploy stack; None before the stack is there."""
    application = stack.outputs.get("CodeDeployApplication", "")
    name = stack.outputs.get("CodeDeploymentGroup", "")
    return codedeploy.Group(application, name) if application and name else None


def active(stack: Stack, access: Access) -> list[str]:
    """Ids of the deployments that run on a stack's instances."""
    found = group(stack)
    if found is None:
        return []
    return list(codedeploy.deployment_ids(access, found, statuses=codedeploy.ACTIVE))
