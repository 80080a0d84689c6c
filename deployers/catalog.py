"""The kinds of stacks: the template of each, what it needs, and its parameters from plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from deployers.errors import ParameterRefused

# Characters. A function's environment holds 4 KB in all:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_ALLOWED_IPS = 2000
MAX_TRUST = 3000
"""Of git pull's host keys, CA certificates and path filters together, where it needs both: with Git LFS, or HTTPS."""


@dataclass(frozen=True, slots=True)
class StackType:
    """A kind of stack. `packages` are the Lambda zips that its template names, `suffix` ends its stacks' names.

    `nested` are the templates that its own is made of. `settable` are the parameters that people may set; the panel
    knows all others itself. `linked_roles` are the services that need their own role before the stack is made: they
    make it at their first use, and then cannot take it yet.
    """

    kind: str
    suffix: str
    template: str
    capabilities: tuple[str, ...]
    packages: tuple[str, ...]
    settable: frozenset[str]
    nested: tuple[str, ...] = ()
    linked_roles: tuple[str, ...] = ()


GIT = StackType(
    kind="git_intgrtn_aws_s3",
    suffix="git",
    template="git_intgrtn_aws_s3_main.yaml",
    capabilities=("CAPABILITY_IAM",),
    packages=(
        "webhook_receiver",
        "zip_download",
        "git_pull",
        "create_ssh_key",
        "delete_bucket_contents",
        "add_s3_notification",
    ),
    settable=frozenset(
        {
            "AlarmTopicArn",
            "AllowedIps",
            "DeliveryRetentionDays",
            "KmsKeyArn",
            "LogRetentionDays",
            "MaximumConcurrency",
            "NoncurrentVersionDays",
            "OutputBucketName",
            "ThrottleBurst",
            "ThrottleRate",
        }
    ),
)
CODEDEPLOY = StackType(
    kind="codedeploy",
    suffix="codedeploy",
    template="codedeploy_main.yaml",
    capabilities=("CAPABILITY_IAM",),
    packages=("add_s3_notification", "deploy"),
    settable=frozenset(
        {
            "ACMARN",
            "ComposeVersion",
            "CpuTarget",
            "DeploymentConfig",
            "DesiredCapacity",
            "DomainName",
            "HealthCheckPath",
            "HealthCheckPort",
            "HostedZoneId",
            "ImageId",
            "InstanceType",
            "KeyName",
            "LogRetentionDays",
            "MaxSize",
            "MinSize",
            "PinnedImageId",
            "SshCidr",
            "Subnets",
            "VPC",
        }
    ),
    nested=("nested/ec2_fleet.yaml", "nested/codedeploy.yaml", "nested/add_codedeploy_s3_trigger.yaml"),
)
ECS = StackType(
    kind="ecs",
    suffix="ecs",
    template="ecs_main.yaml",
    capabilities=("CAPABILITY_IAM",),
    packages=("delete_bucket_contents", "stage_codepipeline"),
    settable=frozenset(
        {
            "ACMARN",
            "ContainerInstanceKeyPair",
            "ContainerInstanceType",
            "ContainerPort",
            "DesiredCapacity",
            "ECRImageTag",
            "ECSTaskDesiredCount",
            "ECSTaskMaxCount",
            "HealthCheckPath",
            "ImagesOnDelete",
            "LaunchType",
            "LogRetentionDays",
            "MaxCapacity",
            "MinCapacity",
            "PinnedImageId",
            "SNSTopicEmailAddress",
            "Subnets",
            "TaskCpu",
            "TaskMemory",
            "TaskPermissionsBoundary",
            "VPC",
        }
    ),
    nested=(
        "nested/ecs_registry.yaml",
        "nested/ecs_cluster.yaml",
        "nested/ecs_roles.yaml",
        "nested/codepipeline.yaml",
    ),
    linked_roles=("ecs.amazonaws.com",),
)
KINDS: dict[str, StackType] = {each.kind: each for each in (GIT, CODEDEPLOY, ECS)}


@dataclass(frozen=True, slots=True)
class GitSource:
    """What a git stack has to know of the repository and of its provider."""

    provider_kind: str
    api_url: str
    ca_bundle: str
    repository: str
    refs: tuple[str, ...]
    ssh_host: str
    ssh_port: int
    ssh_user: str
    ssh_known_hosts: str
    webhook_secret: str = field(repr=False)
    webhook_secret_previous: str = field(repr=False)
    git_token: str = field(repr=False)
    oauth_key: str = field(repr=False)
    oauth_secret: str = field(repr=False)
    app_id: str = ""
    """Of a GitHub App that signs in; empty where none does."""
    app_installation_id: str = ""
    app_private_key: str = field(default="", repr=False)
    """In PEM format."""
    paths: tuple[str, ...] = ()
    ignored_paths: tuple[str, ...] = ()
    skip_ci: bool = True
    submodules: bool = False
    lfs: bool = False
    transport: str = "ssh"
    """How git pull fetches: ssh or https."""
    git_url: str = ""
    """Below which repositories are fetched over HTTPS."""
    networks: tuple[str, ...] = ()
    """CIDRs that webhooks come from; with none, those that people set as AllowedIps, or any."""
    ssh_key_rotation: str = ""
    """Which rotation the present SSH key is from; empty before the first."""


@dataclass(frozen=True, slots=True)
class Packages:
    """Where the Lambda zips of a stack lie, and what they were built for."""

    bucket: str
    prefix: str
    runtime: str
    architecture: str


def git_parameters(*, source: GitSource, packages: Packages, chosen: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a git stack; `chosen` are the ones that people set.

    Raises ParameterRefused for a chosen parameter that the panel sets itself, or that does not exist, and for what a
    function's environment does not hold.
    """
    _refuse_others(chosen, GIT)
    own = {name: str(value) for name, value in chosen.items()}
    _require_room(source)
    if source.networks:
        # What people allow besides, such as a relay of their own, stays.
        own["AllowedIps"] = _allowed_ips(source.networks, own.get("AllowedIps", ""))
    return {
        "ProviderKind": source.provider_kind,
        "ProviderApiUrl": source.api_url,
        "ProviderCaBundle": source.ca_bundle,
        "Repository": source.repository,
        "Refs": ",".join(source.refs),
        **_filters(source),
        "ApiSecret": source.webhook_secret,
        "ApiSecretPrevious": source.webhook_secret_previous,
        "GitToken": source.git_token,
        "OauthKey": source.oauth_key,
        "OauthSecret": source.oauth_secret,
        "AppId": source.app_id,
        "AppInstallationId": source.app_installation_id,
        # It becomes a part of a JSON string, and a parameter has one line.
        "AppPrivateKey": source.app_private_key.replace("\n", "\\n"),
        "GitTransport": source.transport,
        "GitUrl": source.git_url,
        "SshHost": source.ssh_host,
        "SshPort": str(source.ssh_port),
        "SshUser": source.ssh_user,
        "SshKnownHosts": source.ssh_known_hosts,
        "SSHKeyRotation": source.ssh_key_rotation,
        **_package_parameters(packages),
    } | own


@dataclass(frozen=True, slots=True)
class CodeDeploySource:
    """What a CodeDeploy stack has to know of the integration and of its git stack."""

    application: str
    environment: str
    bucket: str
    key: str
    """Of the artifact of the one branch that deploys."""
    deliveries_table: str
    deliveries_key_arn: str


def codedeploy_parameters(
    *, source: CodeDeploySource, packages: Packages, templates_url: str, chosen: Mapping[str, str]
) -> dict[str, str]:
    """The parameters of a CodeDeploy stack; `chosen` are the ones that people set.

    Raises ParameterRefused for a chosen parameter that the panel sets itself, or that does not exist.
    """
    _refuse_others(chosen, CODEDEPLOY)
    return {
        "Application": source.application,
        "Environment": source.environment,
        "RepoBucket": source.bucket,
        "RepoZipPath": source.key,
        "DeliveriesTableName": source.deliveries_table,
        "DeliveriesKeyArn": source.deliveries_key_arn,
        "TemplatesUrl": templates_url,
        **_package_parameters(packages),
    } | {name: str(value) for name, value in chosen.items()}


@dataclass(frozen=True, slots=True)
class EcsSource:
    """What an ECS stack has to know of the integration and of its git stack."""

    application: str
    environment: str
    bucket: str
    key: str
    """Of the artifact of the one branch that deploys."""


def ecs_parameters(
    *, source: EcsSource, packages: Packages, templates_url: str, chosen: Mapping[str, str]
) -> dict[str, str]:
    """The parameters of an ECS stack; `chosen` are the ones that people set.

    Raises ParameterRefused for a chosen parameter that the panel sets itself, or that does not exist.
    """
    _refuse_others(chosen, ECS)
    return {
        "Application": source.application,
        "Environment": source.environment,
        "S3Bucket": source.bucket,
        "S3ObjectLocation": source.key,
        # The template's own default, as the reference has it, runs nothing.
        "ECSTaskDesiredCount": "1",
        "TemplatesUrl": templates_url,
        **_package_parameters(packages),
    } | {name: str(value) for name, value in chosen.items()}


def _refuse_others(chosen: Mapping[str, str], kind: StackType) -> None:
    refused = sorted(set(chosen) - kind.settable)
    if refused:
        raise ParameterRefused(
            f"{', '.join(refused)} cannot be set here.",
            remedy=f"Possible are {', '.join(sorted(kind.settable))}.",
            field="parameters",
        )


def _package_parameters(packages: Packages) -> dict[str, str]:
    return {
        "LambdaArtifactS3Bucket": packages.bucket,
        "LambdaArtifactPrefix": packages.prefix,
        "LambdaRuntime": packages.runtime,
        "LambdaArchitecture": packages.architecture,
    }


def _require_room(source: GitSource) -> None:
    held = (source.ssh_known_hosts, source.ca_bundle, *source.paths, *source.ignored_paths)
    if (source.lfs or source.transport == "https") and sum(len(each) + 1 for each in held) > MAX_TRUST:
        raise ParameterRefused(
            "The provider's host keys and CA certificates, with the path filters, are more than git pull can hold "
            "when it fetches Git LFS files or over HTTPS.",
            remedy="Leave one SSH host key and the one CA certificate that is needed, or turn Git LFS off.",
            field="lfs" if source.lfs else "transport",
        )


def _filters(source: GitSource) -> dict[str, str]:
    return {
        "Paths": ",".join(source.paths),
        "IgnoredPaths": ",".join(source.ignored_paths),
        "SkipCi": str(source.skip_ci).lower(),
        "Submodules": str(source.submodules).lower(),
        "Lfs": str(source.lfs).lower(),
    }


def _allowed_ips(networks: Sequence[str], own: str) -> str:
    """Both, with neighbours joined. Raises ParameterRefused if that is more than the receiver's environment holds."""
    try:
        wanted = [ip_network(each, strict=False) for each in (*networks, *filter(None, own.split(",")))]
    except ValueError as error:
        raise ParameterRefused(f"AllowedIps contains an invalid CIDR: {error}.", field="parameters") from None
    found: list[IPv4Network | IPv6Network] = [
        *collapse_addresses(each for each in wanted if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in wanted if isinstance(each, IPv6Network)),
    ]
    text = ",".join(map(str, found))
    if len(text) > MAX_ALLOWED_IPS:
        raise ParameterRefused(
            f"The provider's webhooks come from {len(found)} networks, which is more than a stack can hold.",
            remedy="Take webhooks from any network: their signatures are verified all the same.",
            field="restrict_source_ips",
        )
    return text
