"""A run: its names, all made of one stamp, and the file that remembers it until everything is removed."""

import json
import re
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from acceptance.errors import MissingInput

_STAMP = re.compile(r"(?:acceptance-|Acceptance |SluiceAcceptance-)([0-9a-f]{8})\b")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run goes by. Everything that it makes has the stamp in its name, and is found again by that.

    Attributes:
        stamp: eight hexadecimal digits.
        remote: URL that it pushes to; empty where that is not known.
        repository: full name at the provider; empty where that is not known.
        added_repository: whether the panel did not have the repository before, under a provider that stays.
        provider: name of the provider that stays; empty where the run makes its own.
    """

    stamp: str
    remote: str = ""
    repository: str = ""
    provider: str = ""
    added_repository: bool = False

    @property
    def branch(self) -> str:
        return f"acceptance-{self.stamp}"

    @property
    def title(self) -> str:
        """The name of the provider and of the account in the panel."""
        return f"Acceptance {self.stamp}"

    @property
    def role(self) -> str:
        """The name of the role, and of the stack that makes it."""
        return f"SluiceAcceptance-{self.stamp}"

    def integration(self, method: str) -> str:
        """The name of an integration; its stack is `sluice-<name>-git`."""
        return f"acceptance-{self.stamp}-{method}"

    def with_repository(self) -> "Run":
        """The same, once the repository is about to be added to the panel."""
        return replace(self, added_repository=True)

    def owns_stack(self, name: str) -> bool:
        """Whether a stack is this run's."""
        return name == self.role or name.startswith(f"sluice-acceptance-{self.stamp}-")


def fresh_stamp() -> str:
    return secrets.token_hex(4)


def stamps_in(names: list[str]) -> set[str]:
    """The stamps of runs among names of integrations, providers, accounts and stacks."""
    return {found[1] for name in names if (found := _STAMP.match(name.removeprefix("sluice-")))}


class Runs:
    """The directory with a file for each run that has something left to remove."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def file(self, run: Run) -> Path:
        return self._directory / f"{run.stamp}.json"

    def write(self, run: Run) -> None:
        """Remember the run; the file holds no secret."""
        self._directory.mkdir(parents=True, exist_ok=True)
        fresh = self.file(run).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(run), indent=2) + "\n")
        fresh.replace(self.file(run))

    def forget(self, run: Run) -> None:
        """Everything of the run is removed."""
        self.file(run).unlink(missing_ok=True)

    def all(self) -> list[Run]:
        """The runs that are remembered. Raises MissingInput where a file is damaged."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                found.append(Run(**json.loads(path.read_text())))
            except (ValueError, TypeError) as error:
                raise MissingInput(f"{path} is damaged ({error}): delete it; names still tell what is left.") from None
        return found
