"""The git pull's environment."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lambdas.common.environment import boolean, integer, optional, required
from lambdas.common.paths import PathFilter

SSH, HTTPS = "ssh", "https"
"""What GIT_TRANSPORT may be."""


@dataclass(frozen=True)
class Settings:
    """What the template says about this stack."""

    deliveries_table: str
    output_bucket: str
    cache_bucket: str
    """Keeps the fetched history of a repository for the next cold start; empty: nothing is kept."""
    ssh_key_secret_arn: str
    ssh_host: str
    ssh_port: int
    ssh_user: str
    ssh_known_hosts: str
    """Lines of a known_hosts file: the only host keys that are accepted."""
    queue_url: str
    max_receive_count: int
    paths: PathFilter = field(default_factory=PathFilter)
    """Asked where the webhook did not say which files the push changes."""
    submodules: bool = False
    """Whether submodules on the same host are part of the artifact."""
    lfs: bool = False
    """Whether the artifact holds Git LFS files themselves in place of their pointers."""
    ca_bundle: str = ""
    """Certificates of the provider's own authority (PEM), trusted beside the public ones over HTTPS."""
    transport: str = SSH
    git_url: str = ""
    """Under which repositories are fetched over HTTPS, and their Git LFS files: `https://github.com`. No slash last."""
    provider_kind: str = ""
    api_url: str = ""
    """Root of the provider's API, without a slash at its end: an app gets its tokens there."""
    provider_secret_arn: str = ""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises ValueError or RuntimeError if the template set something wrong."""
        return cls(
            deliveries_table=required("DELIVERIES_TABLE"),
            output_bucket=required("OUTPUT_BUCKET"),
            cache_bucket=optional("CACHE_BUCKET"),
            ssh_key_secret_arn=required("SSH_KEY_SECRET_ARN"),
            ssh_host=required("SSH_HOST"),
            ssh_port=integer("SSH_PORT", 22),
            ssh_user=optional("SSH_USER", "git"),
            ssh_known_hosts=optional("SSH_KNOWN_HOSTS"),
            queue_url=required("QUEUE_URL"),
            max_receive_count=integer("MAX_RECEIVE_COUNT", 5),
            submodules=boolean("SUBMODULES", default=False),
            lfs=boolean("LFS", default=False),
            ca_bundle=optional("PROVIDER_CA_BUNDLE"),
            transport=optional("GIT_TRANSPORT", SSH),
            git_url=optional("GIT_URL").rstrip("/"),
            provider_kind=optional("PROVIDER_KIND"),
            api_url=optional("PROVIDER_API_URL").rstrip("/"),
            provider_secret_arn=optional("PROVIDER_SECRET_ARN"),
            paths=PathFilter.parse(optional("PATHS"), optional("IGNORED_PATHS")),
        )

    @property
    def git_host(self) -> str:
        """The host of `git_url`, or the SSH host where there is none."""
        return urlsplit(self.git_url).hostname or self.ssh_host

    def url(self, repository: str) -> str:
        """Where to fetch a repository from."""
        return f"ssh://{self.ssh_user}@{self.ssh_host}:{self.ssh_port}/{repository}.git"
