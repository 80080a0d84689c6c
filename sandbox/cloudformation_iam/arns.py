"""Which resources a permission is checked on, by the Service Authorization Reference.

The name of a resource that is not there yet is the one that it will get; ids that AWS draws are made up.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

import re
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import quote, urlparse

from ministack.services import ec2, iam
from ministack.services.cloudformation import provisioners

from sandbox.cloudformation_iam.subjects import Subject

# They take no resource: a statement that names one allows them nowhere.
WITHOUT_RESOURCE = frozenset(
    {
        "acm:RequestCertificate",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScheduledActions",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribePolicies",
        "autoscaling:DescribeScalingActivities",
        "cloudwatch:GetMetricData",
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInstances",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcEncryptionControls",
        "ec2:DescribeVpcs",
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "kms:CreateKey",
        "lambda:CreateEventSourceMapping",
        "logs:DescribeIndexPolicies",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "secretsmanager:GetRandomPassword",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }
)

_ID = "0123456789abcdef"
"""For what AWS draws at random."""

# By type: the resource's own ARN, the property of its name, and the characters that the name takes.
_OWN: dict[str, tuple[str, str, int]] = {
    "AWS::ApiGatewayV2::Api": ("apigateway:{region}::/apis/{name}", "", 0),
    "AWS::ApiGatewayV2::Integration": ("apigateway:{region}::/apis/{ApiId}/integrations/{name}", "", 0),
    "AWS::ApiGatewayV2::Route": ("apigateway:{region}::/apis/{ApiId}/routes/{name}", "", 0),
    "AWS::ApiGatewayV2::Stage": ("apigateway:{region}::/apis/{ApiId}/stages/{name}", "", 0),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("application-autoscaling:{here}:scalable-target/" + _ID, "", 0),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("application-autoscaling:{here}:scalable-target/" + _ID, "", 0),
    "AWS::AutoScaling::AutoScalingGroup": (
        "autoscaling:{here}:autoScalingGroup:" + _ID + ":autoScalingGroupName/{name}",
        "AutoScalingGroupName",
        255,
    ),
    "AWS::AutoScaling::ScalingPolicy": (
        "autoscaling:{here}:autoScalingGroup:" + _ID + ":autoScalingGroupName/{AutoScalingGroupName}",
        "",
        0,
    ),
    "AWS::CertificateManager::Certificate": ("acm:{here}:certificate/{name}", "", 0),
    "AWS::CloudFormation::Stack": ("cloudformation:{here}:stack/{name}/" + _ID, "", 128),
    "AWS::CloudWatch::Alarm": ("cloudwatch:{here}:alarm:{name}", "AlarmName", 255),
    "AWS::CodeBuild::Project": ("codebuild:{here}:project/{name}", "Name", 150),
    "AWS::CodeDeploy::Application": ("codedeploy:{here}:application:{name}", "ApplicationName", 100),
    "AWS::CodeDeploy::DeploymentGroup": (
        "codedeploy:{here}:deploymentgroup:{ApplicationName}/{name}",
        "DeploymentGroupName",
        100,
    ),
    "AWS::CodePipeline::Pipeline": ("codepipeline:{here}:{name}", "Name", 100),
    "AWS::DynamoDB::Table": ("dynamodb:{here}:table/{name}", "TableName", 255),
    "AWS::EC2::LaunchTemplate": ("ec2:{here}:launch-template/{name}", "", 0),
    "AWS::EC2::SecurityGroup": ("ec2:{here}:security-group/{name}", "", 0),
    "AWS::EC2::SecurityGroupIngress": ("ec2:{here}:security-group/{GroupId}", "", 0),
    "AWS::EC2::VPC": ("ec2:{here}:vpc/{name}", "", 0),
    "AWS::ECR::Repository": ("ecr:{here}:repository/{name}", "RepositoryName", 256),
    "AWS::ECS::CapacityProvider": ("ecs:{here}:capacity-provider/{name}", "Name", 255),
    "AWS::ECS::Cluster": ("ecs:{here}:cluster/{name}", "ClusterName", 255),
    "AWS::ECS::ClusterCapacityProviderAssociations": ("ecs:{here}:cluster/{Cluster}", "", 0),
    "AWS::ECS::Service": ("ecs:{here}:service/{Cluster}/{name}", "ServiceName", 255),
    "AWS::ECS::TaskDefinition": ("ecs:{here}:task-definition/{name}:1", "Family", 255),
    "AWS::ElasticLoadBalancingV2::Listener": ("elasticloadbalancing:{here}:listener/app/balancer/" + _ID, "", 0),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "elasticloadbalancing:{here}:loadbalancer/app/{name}/" + _ID,
        "Name",
        32,
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elasticloadbalancing:{here}:targetgroup/{name}/" + _ID, "Name", 32),
    "AWS::Events::Rule": ("events:{here}:rule/{name}", "Name", 64),
    "AWS::IAM::InstanceProfile": ("iam::{account}:instance-profile{path}{name}", "InstanceProfileName", 128),
    "AWS::IAM::ManagedPolicy": ("iam::{account}:policy{path}{name}", "ManagedPolicyName", 128),
    "AWS::IAM::Role": ("iam::{account}:role{path}{name}", "RoleName", 64),
    "AWS::KMS::Key": ("kms:{here}:key/{name}", "", 0),
    "AWS::Lambda::EventSourceMapping": ("lambda:{here}:event-source-mapping:{name}", "", 0),
    "AWS::Lambda::Function": ("lambda:{here}:function:{name}", "FunctionName", 64),
    "AWS::Lambda::Permission": ("lambda:{here}:function:{FunctionName}", "", 0),
    "AWS::Logs::LogGroup": ("logs:{here}:log-group:{name}", "LogGroupName", 512),
    "AWS::Route53::RecordSet": ("route53:::hostedzone/{HostedZoneId}", "", 0),
    "AWS::S3::Bucket": ("s3:::{name}", "BucketName", 63),
    "AWS::S3::BucketPolicy": ("s3:::{Bucket}", "", 0),
    "AWS::SNS::Subscription": ("{TopicArn}", "", 0),
    "AWS::SNS::Topic": ("sns:{here}:{name}", "TopicName", 256),
    "AWS::SNS::TopicPolicy": ("sns:{here}:{name}", "", 0),
    "AWS::SQS::Queue": ("sqs:{here}:{name}", "QueueName", 80),
    "AWS::SSM::Parameter": ("ssm:{here}:parameter/{name}", "Name", 255),
    "AWS::SecretsManager::Secret": ("secretsmanager:{here}:secret:{name}", "Name", 255),
}

_ROLES = {
    "AWS::ApiGatewayV2::Integration": ("CredentialsArn",),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("RoleARN",),
    "AWS::CodeBuild::Project": ("ServiceRole",),
    "AWS::CodeDeploy::DeploymentGroup": ("ServiceRoleArn",),
    "AWS::CodePipeline::Pipeline": ("RoleArn", "Stages.Actions.RoleArn"),
    "AWS::ECS::TaskDefinition": ("ExecutionRoleArn", "TaskRoleArn"),
    "AWS::Events::Rule": ("RoleArn", "Targets.RoleArn"),
    "AWS::IAM::InstanceProfile": ("Roles",),
    "AWS::Lambda::Function": ("Role",),
}
"""Where types name the roles that they pass."""


# Neither service has a resource type for its policies: permissions on them are about the group or the target.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html
_ABOUT_WHAT_THEY_SCALE = ("AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::AutoScaling::ScalingPolicy")


def resources(permission: str, subject: Subject) -> list[str]:
    """The ARNs on which the permission is needed, all of them; `*` for an action that takes no resource."""
    if permission in WITHOUT_RESOURCE:
        return ["*"]
    service = permission.partition(":")[0]
    rule = _RULES.get(permission) or _RULES.get(service)
    return rule(subject, permission) if rule else [own(subject)]


def own(subject: Subject) -> str:
    """The resource's own ARN."""
    pattern, name_property, most = _OWN[subject.kind]
    if subject.physical_id.startswith("arn:") and subject.kind not in _ABOUT_WHAT_THEY_SCALE:
        return subject.physical_id
    if subject.kind == "AWS::ElasticLoadBalancingV2::Listener" and (of := subject.properties.get("LoadBalancerArn")):
        return f"{str(of).replace(':loadbalancer/', ':listener/', 1)}/{_ID}"
    known = iam._roles.get(subject.physical_id) if subject.kind == "AWS::IAM::Role" else None
    if known:
        return str(known["Arn"])
    name = subject.physical_id.rsplit("/", 1)[-1] if subject.kind == "AWS::SQS::Queue" else subject.physical_id
    values = defaultdict(lambda: _ID, {key: str(value) for key, value in subject.properties.items()})
    values |= {
        "here": f"{subject.region}:{subject.account}",
        "region": subject.region,
        "account": subject.account,
        "path": str(subject.properties.get("Path", "/")),
        "name": name or _name_to_be(subject, name_property, most),
    }
    found = pattern.format_map(values)
    return found if found.startswith("arn:") else f"arn:aws:{found}"


def _name_to_be(subject: Subject, name_property: str, most: int) -> str:
    if given := subject.properties.get(name_property):
        return str(given).lstrip("/") if subject.kind == "AWS::SSM::Parameter" else str(given)
    if not most:
        return _ID
    lowercase = subject.kind in ("AWS::S3::Bucket", "AWS::ECR::Repository")
    name: str = provisioners._physical_name(
        subject.stack_name, subject.logical_id, max_len=most, **({"lowercase": True} if lowercase else {})
    )
    return name


def passed_roles(subject: Subject) -> list[str]:
    """ARNs of the roles that the resource is given."""
    if subject.kind == "AWS::AutoScaling::AutoScalingGroup":
        return _roles_of_launch_template(subject)
    named = [str(each) for path in _ROLES.get(subject.kind, ()) for each in subject.at(path)]
    return [each if each.startswith("arn:") else _role_arn(each, subject) for each in named]


def _role_arn(name: str, subject: Subject) -> str:
    return str((iam._roles.get(name) or {}).get("Arn") or f"arn:aws:iam::{subject.account}:role/{name}")


def _roles_of_launch_template(subject: Subject) -> list[str]:
    """Whoever makes a group with a launch template passes the role of its instances.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
    """
    (template, *_) = [*subject.at("LaunchTemplate.LaunchTemplateId"), ""]
    versions = (ec2._launch_templates.get(template) or {}).get("Versions") or [{}]
    profile = (versions[-1].get("LaunchTemplateData") or {}).get("IamInstanceProfile") or {}
    name = str(profile.get("Name") or profile.get("Arn") or "").rsplit("/", 1)[-1]
    known = iam._instance_profiles.get(name) or {}
    return [_role_arn(each, subject) for each in known.get("Roles", [])]


def _api(subject: Subject, permission: str) -> list[str]:
    """Things are posted to their collection, and tags put to the tags of an ARN."""
    arn = own(subject)
    if permission == "apigateway:PUT":
        return [f"arn:aws:apigateway:{subject.region}::/tags/{quote(arn, safe='')}"]
    return [arn.rpartition("/")[0]] if permission == "apigateway:POST" else [arn]


def _alarms(subject: Subject, permission: str) -> list[str]:
    here = f"arn:aws:cloudwatch:{subject.region}:{subject.account}:alarm:"
    if permission == "cloudwatch:DescribeAlarms":
        return [f"{here}*"]
    if subject.kind == "AWS::CloudWatch::Alarm":
        return [own(subject)]
    # https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    target = str(subject.properties.get("ResourceId") or subject.properties.get("ScalingTargetId") or "")
    return [f"{here}TargetTracking-{target.partition('|')[0]}-AlarmHigh-{_ID}"]


def _log_group(subject: Subject, permission: str) -> list[str]:
    """Calls about a group name its streams too, but for those about tags.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    group = own(subject).removesuffix(":*")
    return [group] if permission.endswith(("agResource", "TagsForResource")) else [f"{group}:log-stream:"]


def _objects(subject: Subject, _permission: str) -> list[str]:
    """The code of a function, or the template of a nested stack."""
    if url := subject.properties.get("TemplateURL"):
        return [arn_of_object(str(url))]
    code = subject.properties.get("Code") or {}
    return [f"arn:aws:s3:::{code.get('S3Bucket')}/{code.get('S3Key')}"]


def arn_of_object(url: str) -> str:
    """Of the object at an S3 URL, in the path's style or the host's."""
    parsed = urlparse(url)
    path = parsed.path.lstrip("/")
    host = re.match(r"(.+)\.s3[.-]", parsed.hostname or "")
    return f"arn:aws:s3:::{host[1]}/{path}" if host else f"arn:aws:s3:::{path}"


def _instances(subject: Subject, _permission: str) -> list[str]:
    """What an instance consists of, each of which RunInstances is checked on."""
    here = f"arn:aws:ec2:{subject.region}:{subject.account}"
    template = [*subject.at("LaunchTemplate.LaunchTemplateId"), _ID][0]
    made = [f"{here}:{each}/{_ID}" for each in ("instance", "network-interface", "security-group", "subnet", "volume")]
    return [*made, f"arn:aws:ec2:{subject.region}::image/ami-{_ID}", f"{here}:launch-template/{template}"]


def _new_security_group(subject: Subject, _permission: str) -> list[str]:
    vpc = subject.properties.get("VpcId", _ID)
    return [own(subject), f"arn:aws:ec2:{subject.region}:{subject.account}:vpc/{vpc}"]


def _service_deployments(subject: Subject, _permission: str) -> list[str]:
    return [own(subject).replace(":service/", ":service-deployment/") + f"/{_ID}"]


def _listener(subject: Subject, _permission: str) -> list[str]:
    """A listener is made on its load balancer."""
    return [str(subject.properties.get("LoadBalancerArn") or own(subject))]


def _key(subject: Subject, _permission: str) -> list[str]:
    """A key that the resource uses, or is."""
    named = [*subject.at("SSESpecification.KMSMasterKeyId"), *subject.at("KmsKeyArn"), *subject.at("KmsKeyId")]
    named += subject.at("EncryptionConfiguration.KmsKey")
    if subject.kind == "AWS::KMS::Key" or not named:
        return [own(subject) if subject.kind == "AWS::KMS::Key" else "*"]
    key = str(named[0])
    return [key if key.startswith("arn:") else f"arn:aws:kms:{subject.region}:{subject.account}:key/{key}"]


def _application(subject: Subject, _permission: str) -> list[str]:
    name = subject.properties.get("ApplicationName", _ID)
    return [f"arn:aws:codedeploy:{subject.region}:{subject.account}:application:{name}"]


def _deployment_config(subject: Subject, _permission: str) -> list[str]:
    name = subject.properties.get("DeploymentConfigName", "CodeDeployDefault.OneAtATime")
    return [f"arn:aws:codedeploy:{subject.region}:{subject.account}:deploymentconfig:{name}"]


def _group_of_capacity(subject: Subject, _permission: str) -> list[str]:
    """The group of a capacity provider, which its properties name by ARN or by name."""
    named = [str(each) for each in subject.at("AutoScalingGroupProvider.AutoScalingGroupArn")]
    prefix = f"arn:aws:autoscaling:{subject.region}:{subject.account}:autoScalingGroup:{_ID}:autoScalingGroupName/"
    return [each if each.startswith("arn:") else prefix + each for each in named] or [own(subject)]


def _service_that_scales(subject: Subject, _permission: str) -> list[str]:
    if subject.kind != "AWS::ApplicationAutoScaling::ScalableTarget":
        return [own(subject)]
    return [f"arn:aws:ecs:{subject.region}:{subject.account}:{subject.properties.get('ResourceId')}"]


def _topics(subject: Subject, _permission: str) -> list[str]:
    return [str(each) for each in subject.at("Topics")] if subject.kind == "AWS::SNS::TopicPolicy" else [own(subject)]


def _hosted_zones(subject: Subject, _permission: str) -> list[str]:
    if subject.kind == "AWS::Route53::RecordSet":
        return [own(subject)]
    return [f"arn:aws:route53:::hostedzone/{each}" for each in subject.at("DomainValidationOptions.HostedZoneId")]


def _cluster(subject: Subject, _permission: str) -> list[str]:
    """A cluster, where another resource asks about it."""
    name = str(subject.properties.get("Cluster", ""))
    if subject.kind == "AWS::ECS::Cluster" or not name:
        return [own(subject)]
    return [name if name.startswith("arn:") else f"arn:aws:ecs:{subject.region}:{subject.account}:cluster/{name}"]


_Rule = Callable[[Subject, str], list[str]]
_RULES: dict[str, _Rule] = {
    "apigateway": _api,
    "autoscaling:CreateOrUpdateTags": _group_of_capacity,
    "cloudwatch": _alarms,
    "codedeploy:GetApplicationRevision": _application,
    "codedeploy:GetDeploymentConfig": _deployment_config,
    "codedeploy:RegisterApplicationRevision": _application,
    "ec2:CreateSecurityGroup": _new_security_group,
    "ec2:RunInstances": _instances,
    "ecs:DescribeClusters": _cluster,
    "ecs:DescribeCapacityProviders": lambda subject, _permission: (
        [own(subject)]
        if subject.kind == "AWS::ECS::CapacityProvider"
        else [f"arn:aws:ecs:{subject.region}:{subject.account}:capacity-provider/{_ID}"]
    ),
    "ecs:DescribeServiceDeployments": _service_deployments,
    "ecs:StopServiceDeployment": _service_deployments,
    "ecs:DescribeServices": _service_that_scales,
    "ecs:PutClusterCapacityProviders": _cluster,
    "ecs:UpdateService": _service_that_scales,
    "elasticloadbalancing:CreateListener": _listener,
    "iam:GetRole": lambda subject, _permission: (
        [own(subject)] if subject.kind == "AWS::IAM::Role" else passed_roles(subject)
    ),
    "iam:PassRole": lambda subject, _permission: passed_roles(subject),
    "kms": _key,
    "lambda:InvokeFunction": lambda subject, _permission: [str(each) for each in subject.at("ServiceToken")],
    "logs": _log_group,
    "route53:ChangeResourceRecordSets": _hosted_zones,
    "route53:GetChange": lambda _subject, _permission: [f"arn:aws:route53:::change/{_ID}"],
    "s3:GetObject": _objects,
    "s3:GetObjectVersion": _objects,
    "sns:SetTopicAttributes": _topics,
}
