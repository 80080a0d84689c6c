"""Images of instances: the newest one that AWS names, and the one that a stack's instances are made from. Only read.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html
"""

from deployers.aws import cloudformation
from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import NotFoundAtAws

_GROUP, _NESTED = "AWS::AutoScaling::AutoScalingGroup", "AWS::CloudFormation::Stack"
_DEPTH = 3


def newest(access: Access, parameter: str, *, quick: bool = False) -> str:
    """Id of the image that an SSM parameter names now. Raises NotFoundAtAws, AccessDenied and the other AWS errors.

    Asked by the action that CloudFormation resolves such parameters with, so that one permission serves both.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
    """
    with aws_faults():
        found = client(access, "ssm", quick=quick).get_parameters(Names=[parameter])["Parameters"]
    if not found:
        raise NotFoundAtAws(f"There is no parameter {parameter} in {access.region}.")
    return str(found[0]["Value"])


def running(access: Access, stack_id: str, *, depth: int = 0) -> str:
    """Id of the image in the launch template of the stack's Auto Scaling group; empty where there is no group.

    The group says which version of its launch template it uses, whatever became of an update.
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html
    """
    for each in cloudformation.resources(access, stack_id):
        if not each.physical_id or each.status.startswith("DELETE_"):
            continue
        found = ""
        if each.resource_type == _GROUP:
            found = _image_of_group(access, each.physical_id)
        elif each.resource_type == _NESTED and depth < _DEPTH:
            found = running(access, each.physical_id, depth=depth + 1)
        if found:
            return found
    return ""


def _image_of_group(access: Access, name: str) -> str:
    with aws_faults():
        groups = client(access, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        used = next((each.get("LaunchTemplate") for each in groups["AutoScalingGroups"]), None)
        if not used:
            return ""
        versions = client(access, "ec2").describe_launch_template_versions(
            LaunchTemplateId=used["LaunchTemplateId"], Versions=[used["Version"]]
        )["LaunchTemplateVersions"]
    return next((str(each["LaunchTemplateData"].get("ImageId", "")) for each in versions), "")
