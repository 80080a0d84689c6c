"""The permissions of AWS's table that a resource certainly does not need, each with its reason.

A row takes permissions away from a type, unless the resource has one of the properties that the row names.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Unneeded:
    """One row.

    Attributes:
        kind: type of the resource, `*` for any.
        permissions: `service:Action`s, or patterns of them, between spaces.
        reason: why they are not needed.
        unless: paths of properties with which they are; `Path=value` for one value of it.
        operation: create, update or delete; empty for all three.
    """

    kind: str
    permissions: str
    reason: str
    unless: tuple[str, ...] = ()
    operation: str = ""

    def takes(self, name: str) -> bool:
        """Whether this permission is of the row."""
        return any(fnmatchcase(name, pattern) for pattern in self.permissions.split())


_TAGS = ("Tags", "TagSpecifications")
_TAGGING = (
    "*:TagResource *:UntagResource *:AddTags *:RemoveTags *:TagQueue *:UntagQueue *:AddTagsToResource "
    "*:RemoveTagsFromResource *:CreateOrUpdateTags *:DeleteTags *:CreateTags acm:*TagsToCertificate "
    "acm:*TagsFromCertificate iam:TagRole iam:UntagRole s3:PutBucketTagging"
)
_API, _STACK, _GROUP = "AWS::ApiGatewayV2::Api", "AWS::CloudFormation::Stack", "AWS::AutoScaling::AutoScalingGroup"
_TABLE, _FUNCTION, _BUCKET = "AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::S3::Bucket"
_BALANCER, _TARGETS = "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancingV2::TargetGroup"
_ROLE, _POLICY, _KEY = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::KMS::Key"
_REPOSITORY, _LOGS, _SECRET = "AWS::ECR::Repository", "AWS::Logs::LogGroup", "AWS::SecretsManager::Secret"
_DEPLOYMENTS, _SECURITY = "AWS::CodeDeploy::DeploymentGroup", "AWS::EC2::SecurityGroup"
_TOPIC, _CLUSTER, _VPC = "AWS::SNS::Topic", "AWS::ECS::Cluster", "AWS::EC2::VPC"

UNNEEDED = (
    # -- of many types
    Unneeded("*", _TAGGING, "without tags nothing is tagged", _TAGS),
    Unneeded("*", "managed-fleets:*", "a service that none of the templates uses"),
    Unneeded("*", "vpc-lattice:*", "only traffic from VPC Lattice", ("TrafficSources",)),
    Unneeded("*", "acm-pca:*", "only certificates of a private authority", ("CertificateAuthorityArn",)),
    Unneeded("*", "elasticfilesystem:* s3files:*", "only functions with a file system", ("FileSystemConfigs",)),
    Unneeded("*", "cognito-idp:*", "only listeners that sign people in", ("DefaultActions.AuthenticateCognitoConfig",)),
    # -- API Gateway
    Unneeded(_API, "s3:getObject", "only a definition that lies in S3", ("BodyS3Location",)),
    Unneeded(_API, "apigateway:PUT", "only imports and tags are put", ("Body", "BodyS3Location", "Tags"), "create"),
    Unneeded("AWS::ApiGatewayV2::Integration", "iam:PassRole", "passes no role", ("CredentialsArn",)),
    Unneeded("AWS::ApiGatewayV2::Stage", "logs:*", "logs nowhere", ("AccessLogSettings",)),
    # -- scaling
    Unneeded("AWS::ApplicationAutoScaling::*", "lambda:*", "only for Lambda", ("ServiceNamespace=lambda",)),
    Unneeded("AWS::ApplicationAutoScaling::*", "ecs:*", "only for ECS", ("ServiceNamespace=ecs",)),
    Unneeded("AWS::ApplicationAutoScaling::*", "iam:PassRole", "passes no role", ("RoleARN",)),
    Unneeded(
        "AWS::ApplicationAutoScaling::*",
        "application-autoscaling:*ScheduledAction",
        "changes no scheduled action",
        ("ScheduledActions",),
    ),
    Unneeded(
        "AWS::*::ScalingPolicy",
        "cloudwatch:GetMetricData",
        "only predictive scaling reads metrics",
        ("PredictiveScalingConfiguration", "PredictiveScalingPolicyConfiguration"),
    ),
    Unneeded(_GROUP, "elasticloadbalancing:*", "stands behind none", ("TargetGroupARNs", "LoadBalancerNames")),
    Unneeded(
        _GROUP,
        "autoscaling:AttachLoadBalancers autoscaling:DetachLoadBalancers",
        "classic load balancers only",
        ("LoadBalancerNames",),
    ),
    Unneeded(
        _GROUP,
        "autoscaling:AttachLoadBalancerTargetGroups autoscaling:DetachLoadBalancerTargetGroups",
        "stands behind no target group",
        ("TargetGroupARNs",),
    ),
    Unneeded(_GROUP, "autoscaling:*TrafficSources", "has no traffic sources", ("TrafficSources",)),
    Unneeded(_GROUP, "autoscaling:*LifecycleHook", "has no hooks of its own", ("LifecycleHookSpecificationList",)),
    Unneeded(_GROUP, "autoscaling:*MetricsCollection", "collects no metrics", ("MetricsCollection",)),
    Unneeded(
        _GROUP,
        "autoscaling:*NotificationConfiguration",
        "tells nobody",
        ("NotificationConfigurations", "NotificationConfiguration"),
    ),
    Unneeded(_GROUP, "autoscaling:*InstanceRefresh", "no refresh: stacks update in rolling updates"),
    Unneeded(_GROUP, "cloudwatch:PutMetricAlarm", "alarms come with scaling policies, of another type"),
    Unneeded(_GROUP, "ssm:Get*", "only an image that a launch configuration names by parameter", ("ImageId",)),
    # -- CloudFormation: it makes nested stacks itself; these are for the type's other users
    Unneeded(_STACK, "cloudformation:SetStackPolicy cloudformation:GetStackPolicy", "none has a stack policy"),
    Unneeded(_STACK, "cloudformation:UpdateTerminationProtection", "nested stacks follow their parent"),
    Unneeded(_STACK, "cloudformation:GetTemplate", "asked for drift only"),
    Unneeded(_STACK, "iam:PassRole", "a nested stack acts as its parent, and is passed no role"),
    # -- CodeDeploy, CodePipeline
    Unneeded(
        _DEPLOYMENTS,
        "codedeploy:CreateDeployment codedeploy:StopDeployment codedeploy:GetApplicationRevision "
        "codedeploy:RegisterApplicationRevision",
        "deploys nothing by itself",
        ("Deployment",),
    ),
    Unneeded(
        _DEPLOYMENTS,
        "codedeploy:RegisterOnPremisesInstance",
        "only machines outside AWS",
        ("OnPremisesInstanceTagFilters", "OnPremisesTagSet"),
    ),
    Unneeded("AWS::CodePipeline::Pipeline", "codestar-connections:*", "its source is S3"),
    Unneeded(
        "AWS::CodePipeline::Pipeline",
        "codepipeline:*StageTransition",
        "no stage is closed",
        ("DisableInboundStageTransitions",),
    ),
    Unneeded(
        "AWS::CodePipeline::Pipeline",
        "codepipeline:StartPipelineExecution",
        "does not start at an update",
        ("RestartExecutionOnUpdate=true",),
    ),
    # -- DynamoDB
    Unneeded(_TABLE, "dynamodb:*Replica dynamodb:*Item dynamodb:Query dynamodb:Scan", "only global tables"),
    Unneeded(_TABLE, "iam:CreateServiceLinkedRole", "only global tables"),
    Unneeded(_TABLE, "dynamodb:*Import* logs:* s3:*", "imports nothing", ("ImportSourceSpecification",)),
    Unneeded(
        _TABLE,
        "kinesis:* dynamodb:EnableKinesisStreamingDestination dynamodb:DisableKinesisStreamingDestination "
        "dynamodb:UpdateKinesisStreamingDestination",
        "streams to no Kinesis",
        ("KinesisStreamSpecification",),
    ),
    Unneeded(_TABLE, "dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy", "has none", ("ResourcePolicy",)),
    Unneeded(_TABLE, "dynamodb:UpdateContributorInsights", "has none", ("ContributorInsightsSpecification",)),
    Unneeded(_TABLE, "dynamodb:UpdateContinuousBackups", "has none", ("PointInTimeRecoverySpecification",)),
    Unneeded(_TABLE, "dynamodb:UpdateTimeToLive", "keeps its items", ("TimeToLiveSpecification",)),
    Unneeded(_TABLE, "kms:*", "only a table under a key of one's own", ("SSESpecification.KMSMasterKeyId",)),
    Unneeded(_TABLE, "kms:ListAliases kms:RevokeGrant", "the key is named by its ARN, and not changed"),
    # -- Certificate Manager
    Unneeded("AWS::CertificateManager::Certificate", "route53:*", "proved elsewhere", ("DomainValidationOptions",)),
    # -- EC2
    Unneeded(_SECURITY, "ec2:*SecurityGroupEgress ec2:*DescriptionsEgress", "has AWS's", ("SecurityGroupEgress",)),
    Unneeded(_SECURITY, "ec2:*SecurityGroupIngress ec2:*DescriptionsIngress", "none", ("SecurityGroupIngress",)),
    Unneeded(_VPC, "ec2:CreateVpcEncryptionControl", "has none", ("VpcEncryptionControl",)),
    Unneeded(_VPC, "ec2:ModifyVpcTenancy", "shares hosts", ("InstanceTenancy",)),
    # -- ECR, ECS
    Unneeded(_REPOSITORY, "ecr:*LifecyclePolicy", "has none", ("LifecyclePolicy",), "create"),
    Unneeded(_REPOSITORY, "ecr:SetRepositoryPolicy ecr:DeleteRepositoryPolicy", "none", ("RepositoryPolicyText",)),
    Unneeded(_REPOSITORY, "kms:*", "under AWS's own key", ("EncryptionConfiguration.EncryptionType=KMS",)),
    Unneeded(_CLUSTER, "kms:*", "encrypts nothing of its own", ("Configuration",)),
    Unneeded(_CLUSTER, "ecs:PutAccountSetting ecs:PutAccountSettingDefault", "no property of a cluster sets one"),
    Unneeded(
        _CLUSTER,
        "ecs:PutClusterCapacityProviders",
        "names none",
        ("CapacityProviders", "DefaultCapacityProviderStrategy"),
    ),
    Unneeded("AWS::ECS::CapacityProvider", "iam:PassRole", "passes no role", ("ManagedInstancesProvider",)),
    Unneeded("AWS::ECS::CapacityProvider", "ecs:PutClusterCapacityProviders", "names no cluster", ("ClusterName",)),
    Unneeded("AWS::ECS::CapacityProvider", "autoscaling:*", "scales no group", ("AutoScalingGroupProvider",)),
    Unneeded(
        "AWS::ECS::Service",
        "iam:PassRole",
        "passes no role: the tasks' are passed with their definition",
        ("Role", "VolumeConfigurations", "ServiceConnectConfiguration.Services.Tls"),
    ),
    Unneeded(
        "AWS::ECS::TaskDefinition",
        "iam:PassRole iam:GetRole",
        "passes no role",
        ("ExecutionRoleArn", "TaskRoleArn"),
    ),
    Unneeded("AWS::ECS::TaskDefinition", "iam:*", "a revision is taken back by its ARN", (), "delete"),
    # -- Elastic Load Balancing
    Unneeded(
        _BALANCER, "ec2:DescribeIpamPools *:ModifyIpPools", "no pool of addresses", ("Ipv4IpamPoolId", "IpamPools")
    ),
    Unneeded(_BALANCER, "*:ModifyCapacityReservation", "reserves nothing", ("MinimumLoadBalancerCapacity",)),
    Unneeded(_BALANCER, "*:ModifyLoadBalancerAttributes", "has AWS's attributes", ("LoadBalancerAttributes",)),
    Unneeded(_BALANCER, "*:SetIpAddressType", "stays with IPv4", ("IpAddressType",)),
    Unneeded(
        _BALANCER,
        "elasticloadbalancing:SetSecurityGroups",
        "is made with its groups",
        ("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",),
        "create",
    ),
    Unneeded(_TARGETS, "*:RegisterTargets *:DeregisterTargets", "names no targets", ("Targets",)),
    Unneeded(_TARGETS, "*:ModifyTargetGroupAttributes", "has AWS's attributes", ("TargetGroupAttributes",)),
    Unneeded(
        "AWS::ElasticLoadBalancingV2::Listener", "*:ModifyListenerAttributes", "has AWS's", ("ListenerAttributes",)
    ),
    # -- Events
    Unneeded("AWS::Events::Rule", "iam:PassRole", "passes no role", ("RoleArn", "Targets.RoleArn")),
    # -- IAM
    Unneeded(_POLICY, "iam:*GroupPolicy", "of no group", ("Groups",)),
    Unneeded(_POLICY, "iam:*RolePolicy", "of no role", ("Roles",)),
    Unneeded(_POLICY, "iam:*UserPolicy", "of no user", ("Users",)),
    Unneeded(_POLICY, "iam:DeletePolicyVersion", "has one version, which goes with the policy", (), "delete"),
    Unneeded(_ROLE, "iam:AttachRolePolicy iam:DetachRolePolicy", "has no managed policy", ("ManagedPolicyArns",)),
    Unneeded(_ROLE, "iam:PutRolePolicy iam:DeleteRolePolicy iam:GetRolePolicy", "has none inline", ("Policies",)),
    Unneeded(_ROLE, "iam:*PermissionsBoundary", "has no boundary", ("PermissionsBoundary",)),
    Unneeded(_ROLE, "iam:DeleteRolePermissionsBoundary", "keeps its boundary", (), "update"),
    Unneeded(_ROLE, "iam:UntagRole", "a new role has no tags to lose", (), "create"),
    Unneeded(_ROLE, "iam:TagRole iam:UntagRole", "tags go with the role", (), "delete"),
    Unneeded("AWS::IAM::InstanceProfile", "iam:PassRole iam:AddRole*", "holds no role", ("Roles",)),
    # -- KMS
    Unneeded(_KEY, "kms:DisableKey kms:EnableKey", "stays enabled", ("Enabled",)),
    Unneeded(_KEY, "kms:EnableKeyRotation kms:DisableKeyRotation", "not rotated", ("EnableKeyRotation",)),
    # -- Lambda
    Unneeded("AWS::Lambda::EventSourceMapping", "kms:*", "filters under AWS's key", ("KmsKeyArn",)),
    Unneeded(_FUNCTION, "kms:*", "environment under AWS's key", ("KmsKeyArn", "Code.SourceKMSKeyArn")),
    Unneeded(_FUNCTION, "ec2:*", "in no network", ("VpcConfig",)),
    Unneeded(_FUNCTION, "lambda:GetLayerVersion", "has no layers", ("Layers",)),
    Unneeded(_FUNCTION, "lambda:PassCapacityProvider", "on Lambda's own capacity", ("CapacityProviderConfig",)),
    Unneeded(_FUNCTION, "lambda:PutFunctionScalingConfig lambda:GetFunctionScalingConfig", "the same"),
    Unneeded(_FUNCTION, "lambda:*FunctionConcurrency", "reserves none", ("ReservedConcurrentExecutions",)),
    Unneeded(_FUNCTION, "lambda:PutFunctionRecursionConfig", "as Lambda has it", ("RecursiveLoop",)),
    Unneeded(_FUNCTION, "lambda:PutRuntimeManagementConfig", "as Lambda has it", ("RuntimeManagementConfig",)),
    Unneeded(
        _FUNCTION,
        "lambda:GetCodeSigningConfig lambda:PutFunctionCodeSigningConfig lambda:DeleteFunctionCodeSigningConfig",
        "code is not signed",
        ("CodeSigningConfigArn",),
    ),
    Unneeded(_FUNCTION, "lambda:PublishVersion", "publishes no version", ("SnapStart",)),
    Unneeded(_FUNCTION, "s3:*", "code in the template", ("Code.S3Bucket",)),
    Unneeded(_FUNCTION, "s3:GetObjectVersion", "names no version of its code", ("Code.S3ObjectVersion",)),
    # -- CloudWatch Logs
    Unneeded(_LOGS, "firehose:* s3:* logs:CreateLogDelivery", "delivers to nowhere else"),
    Unneeded(_LOGS, "logs:*RetentionPolicy", "keeps for ever", ("RetentionInDays",)),
    Unneeded(_LOGS, "logs:*KmsKey", "under AWS's key", ("KmsKeyId",)),
    Unneeded(_LOGS, "logs:PutDataProtectionPolicy", "has none", ("DataProtectionPolicy",)),
    Unneeded(_LOGS, "logs:DeleteDataProtectionPolicy", "has none", ("DataProtectionPolicy",)),
    Unneeded(_LOGS, "logs:PutIndexPolicy logs:DeleteIndexPolicy", "has none", ("FieldIndexPolicies",)),
    Unneeded(_LOGS, "logs:PutResourcePolicy logs:DeleteResourcePolicy", "has none", ("ResourcePolicyDocument",)),
    Unneeded(_LOGS, "logs:PutBearerTokenAuthentication", "takes none", ("BearerTokenAuthenticationEnabled",)),
    Unneeded(_LOGS, "logs:PutLogGroupDeletionProtection", "has none", ("DeletionProtectionEnabled",)),
    # -- S3
    Unneeded(_BUCKET, "s3tables:* s3:*MetadataTable*", "no tables of metadata", ("MetadataTableConfiguration",)),
    Unneeded(_BUCKET, "s3:UpdateBucketMetadata*", "no tables of metadata", ("MetadataConfiguration",)),
    Unneeded(_BUCKET, "iam:PassRole s3:Put*Replication* s3:Delete*Replication", "none", ("ReplicationConfiguration",)),
    Unneeded(_BUCKET, "s3:PutAccelerateConfiguration", "is not accelerated", ("AccelerateConfiguration",)),
    Unneeded(_BUCKET, "s3:PutAnalyticsConfiguration s3:*BucketAnalytics*", "none", ("AnalyticsConfigurations",)),
    Unneeded(_BUCKET, "s3:PutBucketAbac", "is not asked for", ("AbacStatus",)),
    Unneeded(_BUCKET, "s3:PutBucketCORS s3:DeleteBucketCors", "none", ("CorsConfiguration",)),
    Unneeded(_BUCKET, "s3:PutBucketLogging", "is not logged", ("LoggingConfiguration",)),
    Unneeded(_BUCKET, "s3:PutBucketNotification", "tells nobody", ("NotificationConfiguration",)),
    Unneeded(_BUCKET, "s3:Put*ObjectLockConfiguration", "locks nothing", ("ObjectLockEnabled",)),
    Unneeded(_BUCKET, "s3:PutBucketOwnershipControls", "as S3 has them", ("OwnershipControls",)),
    Unneeded(_BUCKET, "s3:PutBucketPublicAccessBlock", "as S3 has it", ("PublicAccessBlockConfiguration",)),
    Unneeded(_BUCKET, "s3:PutBucketVersioning", "has no versions", ("VersioningConfiguration",)),
    Unneeded(_BUCKET, "s3:PutBucketWebsite s3:DeleteBucketWebsite", "is no website", ("WebsiteConfiguration",)),
    Unneeded(_BUCKET, "s3:PutEncryptionConfiguration s3:DeleteBucketEncryption", "S3's", ("BucketEncryption",)),
    Unneeded(_BUCKET, "s3:PutIntelligentTiering*", "none", ("IntelligentTieringConfigurations",)),
    Unneeded(_BUCKET, "s3:PutInventoryConfiguration", "none", ("InventoryConfigurations",)),
    Unneeded(_BUCKET, "s3:PutLifecycle* s3:DeleteBucketLifecycle", "none", ("LifecycleConfiguration",)),
    Unneeded(_BUCKET, "s3:PutMetrics* s3:DeleteBucketMetrics*", "none", ("MetricsConfigurations",)),
    Unneeded(_BUCKET, "s3:DeleteObject s3:PutObjectAcl", "a stack writes and deletes no object"),
    Unneeded(_BUCKET, "s3:GetBucketAcl s3:PutBucketAcl", "has no access list", ("AccessControl",)),
    # -- SNS
    Unneeded("AWS::SNS::Subscription", "iam:*", "only to Firehose", ("SubscriptionRoleArn",)),
    Unneeded(_TOPIC, "iam:*", "logs no deliveries", ("DeliveryStatusLogging",)),
    Unneeded(_TOPIC, "sns:PutDataProtectionPolicy", "has none", ("DataProtectionPolicy",)),
    Unneeded(_TOPIC, "sns:Subscribe sns:Unsubscribe", "subscribed to elsewhere", ("Subscription",)),
    # -- Secrets Manager
    Unneeded(_SECRET, "secretsmanager:GetRandomPassword", "generates nothing", ("GenerateSecretString",)),
    Unneeded(_SECRET, "secretsmanager:*Replicat*", "in one region", ("ReplicaRegions",)),
    Unneeded(_SECRET, "secretsmanager:GetSecretValue", "its value is not asked for", ("GenerateSecretString",)),
)
