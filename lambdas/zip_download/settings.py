"""The zip download's environment."""

from dataclasses import dataclass, field

from lambdas.common.environment import integer, optional, required
from lambdas.common.paths import PathFilter


@dataclass(frozen=True)
class Settings:
    """What the template says about this stack."""

    deliveries_table: str
    provider_secret_arn: str
    provider_kind: str
    api_url: str
    """Root of the provider's API, without a slash at its end."""
    ca_bundle: str
    """Certificates of the provider's own authority (PEM), trusted beside the public ones."""
    output_bucket: str
    queue_url: str
    max_receive_count: int
    paths: PathFilter = field(default_factory=PathFilter)
    """Asked where the webhook did not say which files the push changes."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises ValueError or RuntimeError if the template set something wrong."""
        return cls(
            deliveries_table=required("DELIVERIES_TABLE"),
            provider_secret_arn=required("PROVIDER_SECRET_ARN"),
            provider_kind=required("PROVIDER_KIND"),
            api_url=required("PROVIDER_API_URL").rstrip("/"),
            ca_bundle=optional("PROVIDER_CA_BUNDLE"),
            output_bucket=required("OUTPUT_BUCKET"),
            queue_url=required("QUEUE_URL"),
            max_receive_count=integer("MAX_RECEIVE_COUNT", 5),
            paths=PathFilter.parse(optional("PATHS"), optional("IGNORED_PATHS")),
        )
