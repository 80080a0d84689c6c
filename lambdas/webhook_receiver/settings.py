"""The receiver's environment."""

import ipaddress
from dataclasses import dataclass

from lambdas.common.environment import boolean, integer, optional, required
from lambdas.common.paths import PathFilter
from lambdas.common.refs import RefPatterns

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """What the template says about this stack."""

    deliveries_table: str
    provider_secret_arn: str
    provider_kind: str
    repository: str
    """Full name of the only repository that is mirrored; empty: any that knows the secret."""
    refs: RefPatterns
    retention_days: int
    queue_urls: dict[str, str]
    """By the last part of the path: gitpull, zipdl."""
    allowed_ips: tuple[Network, ...]
    """Where requests may come from; empty: anywhere."""
    paths: PathFilter
    skip_ci: bool
    """Whether commits that say [skip ci] or [ci skip] are ignored."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises ValueError or RuntimeError if the template set something wrong."""
        return cls(
            deliveries_table=required("DELIVERIES_TABLE"),
            provider_secret_arn=required("PROVIDER_SECRET_ARN"),
            provider_kind=required("PROVIDER_KIND"),
            repository=optional("REPOSITORY"),
            refs=RefPatterns.parse(optional("REFS", "**")),
            retention_days=integer("DELIVERY_RETENTION_DAYS", 90),
            queue_urls={"zipdl": required("ZIP_DOWNLOAD_QUEUE_URL"), "gitpull": required("GIT_PULL_QUEUE_URL")},
            allowed_ips=tuple(
                ipaddress.ip_network(part.strip(), strict=False)
                for part in optional("ALLOWED_IPS").split(",")
                if part.strip()
            ),
            paths=PathFilter.parse(optional("PATHS"), optional("IGNORED_PATHS")),
            skip_ci=boolean("SKIP_CI", default=True),
        )
