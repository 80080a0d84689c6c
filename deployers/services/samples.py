"""Files for a repository to begin with, as docs/howto shows them too."""

from dataclasses import dataclass
from pathlib import Path

from integrations.models import Deployer, Integration
from lambdas.stage_codepipeline import buildspec

DIRECTORY = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """A file at the root of a repository. `why` says whether it is needed."""

    name: str
    text: str
    why: str


def samples(integration: Integration) -> list[Sample]:
    """What its deployers take; none where nothing is to be said."""
    if Deployer.ECS not in integration.deployers:
        return []
    return [
        Sample(
            "Dockerfile",
            (DIRECTORY / "ecs" / "Dockerfile").read_text(),
            "Enough by itself: the pipeline builds it, and pushes the image under the commit's tag.",
        ),
        Sample(
            buildspec.NAME,
            buildspec.DEFAULT,
            "Only to build in another way than this, the default one: it takes its place.",
        ),
    ]
