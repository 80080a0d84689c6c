"""The deploy function's environment."""

from dataclasses import dataclass

from lambdas.common.environment import optional, required


@dataclass(frozen=True, slots=True)
class Settings:
    """What the template says about this stack."""

    bucket: str
    key: str
    """The one object whose versions are deployed."""
    application: str
    deployment_group: str
    deployments_table: str
    deliveries_table: str
    """Empty for a stack that stands alone."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises RuntimeError if something is missing."""
        return cls(
            bucket=required("BUCKET"),
            key=required("KEY"),
            application=required("APPLICATION"),
            deployment_group=required("DEPLOYMENT_GROUP"),
            deployments_table=required("DEPLOYMENTS_TABLE"),
            deliveries_table=optional("DELIVERIES_TABLE"),
        )

    @property
    def target(self) -> str:
        """What the versions go to, as one text."""
        return f"{self.application}/{self.deployment_group}"
