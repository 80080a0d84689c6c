"""The environment of the Manifest function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lambdas.common.environment import optional, required


@dataclass(frozen=True, slots=True)
class Settings:
    """What the template says about this pipeline."""

    source_bucket: str
    source_key: str
    """The artifact that the pipeline deploys."""
    stack_name: str
    """The stack that runs the service; the pipeline makes it with its first run."""
    artifacts_arn: str
    """ARN of the bucket of the pipeline's artifacts."""
    default_image_tag: str
    """Tag for sources that name no commit."""
    parameters: Mapping[str, str]
    """The service template's parameters, except for the image's tag."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises ValueError or RuntimeError if the template set something wrong."""
        parameters = json.loads(optional("PARAMETERS", "{}"))
        if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
            raise ValueError("The environment variable PARAMETERS is no mapping of texts")
        return cls(
            source_bucket=required("SOURCE_BUCKET"),
            source_key=required("SOURCE_KEY"),
            stack_name=required("STACK_NAME"),
            artifacts_arn=required("ARTIFACTS_ARN"),
            default_image_tag=optional("DEFAULT_IMAGE_TAG", "latest"),
            parameters=parameters,
        )
