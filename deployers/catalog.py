"""The kinds of stacks: the template of each, what it needs, and its parameters from plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployers.errors import ParameterRefused


@dataclass(frozen=True, slots=True)
class StackType:
    """A kind of stack. `packages` are the Lambda zips that its template names, `suffix` ends its stacks' names.

    `settable` are the parameters that people may set; the panel knows all others itself.
    """

    kind: str
    suffix: str
    template: str
    capabilities: tuple[str, ...]
    packages: tuple[str, ...]
    settable: frozenset[str]


GIT = StackType(
    kind="git_intgrtn_aws_s3",
    suffix="git",
    template="git_intgrtn_aws_s3_main.yaml",
    capabilities=("CAPABILITY_IAM",),
    packages=("webhook_receiver", "zip_download", "git_pull", "create_ssh_key", "delete_bucket_contents"),
    settable=frozenset(
        {
            "AlarmTopicArn",
            "AllowedIps",
            "DeliveryRetentionDays",
            "LogRetentionDays",
            "NoncurrentVersionDays",
            "OutputBucketName",
        }
    ),
)
KINDS: dict[str, StackType] = {GIT.kind: GIT}


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


@dataclass(frozen=True, slots=True)
class Packages:
    """Where the Lambda zips of a stack lie, and what they were built for."""

    bucket: str
    prefix: str
    runtime: str
    architecture: str


def git_parameters(*, source: GitSource, packages: Packages, chosen: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a git stack; `chosen` are the ones that people set.

    Raises ParameterRefused for a chosen parameter that the panel sets itself, or that does not exist.
    """
    refused = sorted(set(chosen) - GIT.settable)
    if refused:
        raise ParameterRefused(
            f"{', '.join(refused)} cannot be set here.",
            remedy=f"Possible are {', '.join(sorted(GIT.settable))}.",
            field="parameters",
        )
    return {
        "ProviderKind": source.provider_kind,
        "ProviderApiUrl": source.api_url,
        "ProviderCaBundle": source.ca_bundle,
        "Repository": source.repository,
        "Refs": ",".join(source.refs),
        "ApiSecret": source.webhook_secret,
        "ApiSecretPrevious": source.webhook_secret_previous,
        "GitToken": source.git_token,
        "OauthKey": source.oauth_key,
        "OauthSecret": source.oauth_secret,
        "SshHost": source.ssh_host,
        "SshPort": str(source.ssh_port),
        "SshUser": source.ssh_user,
        "SshKnownHosts": source.ssh_known_hosts,
        "LambdaArtifactS3Bucket": packages.bucket,
        "LambdaArtifactPrefix": packages.prefix,
        "LambdaRuntime": packages.runtime,
        "LambdaArchitecture": packages.architecture,
    } | {name: str(value) for name, value in chosen.items()}
