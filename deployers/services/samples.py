"""Files for a repository to begin with, as docs/howto shows them too."""

from dataclasses import dataclass
from pathlib import Path

from integrations.models import Deployer, Integration

DIRECTORY = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """A file at the root of a repository. `why` says whether it is needed."""

    name: str
    text: str
    why: str

    @property
    def element_id(self) -> str:
        """For the page that shows it."""
        return f"sample-{self.name.lower().replace('.', '-')}"


_WHY = {
    "Dockerfile": "Enough by itself: the pipeline builds it, and pushes the image under the commit's tag.",
    "buildspec.yml": "Only to build in another way than the default one: it takes its place.",
}


def samples(integration: Integration) -> list[Sample]:
    """What its deployers take; none where nothing is to be said."""
    if Deployer.ECS not in integration.deployers:
        return []
    return [Sample(name, (DIRECTORY / Deployer.ECS / name).read_text(), why) for name, why in _WHY.items()]
