"""What the panel needs in an account for each kind of stack: the role of `sluice_access.yaml` allows it, *Check* asks.

Two things make up a list: what CloudFormation's handlers need for the resources of the kind's templates
(`needed_permissions`), and what the panel calls itself (DIRECT).
"""

from collections.abc import Mapping
from functools import cache

from deployers import templates
from deployers.catalog import CODEDEPLOY, ECS, GIT, KINDS, StackType
from deployers.needed_permissions import both_branches, needed

_LISTS = (
    "acm:ListCertificates ec2:DescribeInstanceTypeOfferings ec2:DescribeKeyPairs ec2:DescribeRouteTables "
    "ec2:DescribeSubnets ec2:DescribeVpcs "
    "route53:ListHostedZones "
    # Which image runs, and which one is the newest: CloudFormation asks for that one too, in the caller's name.
    "autoscaling:DescribeAutoScalingGroups ec2:DescribeLaunchTemplateVersions ssm:GetParameters"
)
# The calls of `deployers.aws` as IAM names them, and what a service asks for in the caller's name besides:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
# https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html
# https://docs.aws.amazon.com/codedeploy/latest/userguide/auth-and-access-control-permissions-reference.html
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
DIRECT: Mapping[str, str] = {
    GIT.kind: "cloudformation:CancelUpdateStack cloudformation:ContinueUpdateRollback cloudformation:CreateChangeSet "
    "cloudformation:DeleteChangeSet cloudformation:DeleteStack cloudformation:DescribeChangeSet "
    "cloudformation:DescribeEvents cloudformation:DescribeStackEvents cloudformation:DescribeStacks "
    "cloudformation:ExecuteChangeSet cloudformation:ListChangeSets cloudformation:ListStackResources "
    "cloudformation:TagResource cloudformation:UntagResource "
    "dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem "
    "kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:ReEncryptFrom kms:ReEncryptTo "
    "lambda:InvokeFunction "
    "s3:AbortMultipartUpload s3:CreateBucket s3:DeleteObject s3:DeleteObjectVersion s3:GetObject s3:GetObjectVersion "
    "s3:ListBucket s3:ListBucketMultipartUploads s3:ListBucketVersions s3:PutBucketPolicy "
    "s3:PutBucketPublicAccessBlock s3:PutObject "
    "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage sqs:SendMessage",
    CODEDEPLOY.kind: f"{_LISTS} codedeploy:BatchGetDeploymentTargets codedeploy:BatchGetDeployments "
    "codedeploy:CreateDeployment codedeploy:GetApplicationRevision codedeploy:GetDeploymentConfig "
    "codedeploy:ListDeploymentTargets codedeploy:ListDeployments codedeploy:RegisterApplicationRevision "
    "codedeploy:StopDeployment",
    ECS.kind: f"{_LISTS} codebuild:BatchGetBuilds codepipeline:GetPipelineState codepipeline:ListActionExecutions "
    "codepipeline:ListPipelineExecutions codepipeline:PutApprovalResult codepipeline:RetryStageExecution "
    "codepipeline:StartPipelineExecution codepipeline:StopPipelineExecution "
    "ecr:BatchDeleteImage ecr:ListImages ecs:DescribeServices ecs:DescribeTasks ecs:ListServices ecs:ListTasks "
    "logs:GetLogEvents",
}
CHECK = (
    "ec2:DescribeAddresses ec2:DescribeRegions ec2:DescribeVpcs iam:GetRole iam:SimulatePrincipalPolicy "
    "lambda:GetAccountSettings servicequotas:GetServiceQuota"
)
"""What *Check* itself asks; without them it says less, and nothing else lacks anything."""


TEMPLATE = "sluice_access.yaml"
_ALWAYS = ("StacksPolicy", "FunctionsPolicy", "GitPolicy")
POLICIES: Mapping[str, tuple[str, ...]] = {
    GIT.kind: _ALWAYS,
    CODEDEPLOY.kind: (*_ALWAYS, "InstancesPolicy", "CodeDeployPolicy"),
    ECS.kind: (*_ALWAYS, "InstancesPolicy", "EcsPolicy"),
}
"""Which policies of the template hold what a kind of stack needs."""


@cache
def needs(kind: str) -> frozenset[str]:
    """`service:Action` of all that a kind of stack needs from its creation to its end, its git stack's not included."""
    found = set(DIRECT[kind].split())
    for source in _sources(KINDS[kind]):
        for resource in templates.load(source)["Resources"].values():
            properties = both_branches(resource.get("Properties", {}))
            for operation in ("create", "update", "delete"):
                found |= needed(resource["Type"], operation, properties, tagged=True)
    return frozenset(found)


def _sources(kind: StackType) -> tuple[str, ...]:
    return (kind.template, *kind.nested)
