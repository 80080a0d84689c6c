"""Steps with a number, a duration and a note: printed as they end, kept for a report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from acceptance.errors import AcceptanceError, StepFailed


@dataclass(frozen=True, slots=True)
class Done:
    """A step that has ended: seconds it took, what was noted, and why it failed (empty: it did not)."""

    what: str
    seconds: float
    note: str
    failure: str = ""


class Steps:
    """Numbers and prints the steps.

    Args:
        say: takes a line for the terminal.
        announce: whether a step is told when it begins, too: for those that take minutes.
    """

    def __init__(self, say: Callable[[str], None], *, announce: bool = False) -> None:
        self._say, self._announce = say, announce
        self.done: list[Done] = []

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Print the step with its duration once it is done; what is given to the note is added.

        Raises:
            StepFailed: for each AcceptanceError of what is done in it; the message begins with number and step.
        """
        number = len(self.done) + 1
        notes: list[str] = []

        def note(text: str) -> None:
            if text:
                notes.append(text)

        if self._announce:
            self._say(f"{number:>3}  {what} ...")
        began = time.monotonic()
        try:
            yield note
        except AcceptanceError as error:
            self.done.append(Done(what, time.monotonic() - began, "; ".join(notes), str(error)))
            raise StepFailed(f"step {number}, {what[0].lower()}{what[1:]}: {error}") from None
        except KeyboardInterrupt:
            self.done.append(Done(what, time.monotonic() - began, "; ".join(notes), "interrupted"))
            raise
        took = time.monotonic() - began
        self.done.append(Done(what, took, "; ".join(notes)))
        self._say(f"{number:>3}  {what:<55} {took:6.2f} s  {'; '.join(notes)}".rstrip())
