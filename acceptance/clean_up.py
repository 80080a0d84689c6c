"""Removes what runs made, found by their names. Each part may be gone already, so that it can be done again."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from acceptance.aws import Account
from acceptance.client import FINISHED, Panel
from acceptance.errors import AcceptanceError, Conflict, NotFound, StepFailed
from acceptance.run import Run, stamps_in
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy

_SECONDS = 3600.0
"""With deployers a deletion waits for load balancers, instances and services, one stack after the other."""


class CleanUp:
    """Takes a run away: integrations first, as the panel needs the rest to delete them, the role last.

    Args:
        panel: where the run was.
        run: whose things.
        aws: the account of the default chain; None: AWS cannot be looked at, and stacks are left to the panel.
        git: environment of git, to delete the branch.
        steps: take what is done.
    """

    def __init__(self, panel: Panel, run: Run, *, aws: Account | None, git: dict[str, str], steps: Steps) -> None:
        self._panel, self._run, self._aws, self._git, self._steps = panel, run, aws, git, steps

    def remove(self) -> list[str]:
        """Remove everything; returns in words what could not be removed, empty where nothing is left."""
        try:
            with self._steps.step("Removed the integrations, webhooks, keys and stacks") as note:
                note(str(self._integrations()))
        except AcceptanceError as error:
            # Provider, account and role stay: the panel needs them to delete the integrations.
            return [str(error)]
        left = []
        for what, remove in self._others():
            try:
                with self._steps.step(f"Removed {what}") as note:
                    note("done" if remove() else "none")
            except AcceptanceError as error:
                left.append(str(error))
        return left

    def _others(self) -> Iterator[tuple[str, Callable[[], int]]]:
        yield "the repository from the panel", self._repositories
        yield "the provider", lambda: self._delete_named("/providers/", self._run.title)
        yield "the AWS account from the panel", lambda: self._delete_named("/aws-accounts/", self._run.title)
        yield "the branch", self._branch
        if self._aws:
            yield "stacks that the panel does not know, and the role", self._stacks

    def _integrations(self) -> int:
        prefix = self._run.integration("")
        mine = [each for each in self._panel.every("/integrations/") if each["name"].startswith(prefix)]
        started = [(each, self._start_deletion(each)) for each in mine]
        for integration, operation in started:
            self._finish_deletion(integration, operation)
        return len(mine)

    def _start_deletion(self, integration: dict[str, Any]) -> dict[str, Any] | None:
        """The operation that deletes it; None where it is gone."""
        path = f"/integrations/{integration['id']}/?bucket=purge"
        for _ in range(3):
            try:
                operation: dict[str, Any] = self._panel.delete(path)
            except NotFound:
                return None
            except Conflict:
                deleting = self._end_what_runs(integration)
                if deleting:
                    return deleting
            else:
                return operation
        raise StepFailed(f"{integration['name']} is always busy: look at its page, and clean up again.")

    def _end_what_runs(self, integration: dict[str, Any]) -> dict[str, Any] | None:
        """Cancel and wait for what goes on with it; a deletion is not cancelled, but returned."""
        for operation in self._panel.every("/operations/", integration=integration["id"]):
            if operation["status"] in FINISHED:
                continue
            if operation["kind"] == "delete":
                return operation
            with suppress(StepFailed):  # CloudFormation does not always stop half-way: then it is waited for
                self._panel.post(f"/operations/{operation['id']}/cancel/")
            self._panel.ended(operation, integration["name"], _SECONDS)
        return None

    def _finish_deletion(self, integration: dict[str, Any], operation: dict[str, Any] | None) -> None:
        for last in (False, True):
            if operation is None:
                return
            try:
                ended = self._panel.ended(operation, integration["name"], _SECONDS)
            except NotFound:
                return
            if ended["status"] == "succeeded":
                return
            if last:
                raise StepFailed(f"{integration['name']} is still there: {ended['problem']} {ended['remedy']}")
            operation = self._start_deletion(integration)

    def _repositories(self) -> int:
        provider = self._run.provider or self._run.title
        if self._run.provider and not self._run.added_repository:
            return 0
        count = 0
        for found in [each for each in self._panel.every("/providers/") if each["name"] == provider]:
            query = {"full_name": self._run.repository} if self._run.provider else {}
            for each in list(self._panel.every("/repositories/", provider=found["id"], **query)):
                count += self._delete(f"/repositories/{each['id']}/")
        return count

    def _delete_named(self, path: str, name: str) -> int:
        there = [each for each in self._panel.every(path) if each["name"] == name]
        return sum(self._delete(f"{path}{each['id']}/") for each in there)

    def _delete(self, path: str) -> int:
        try:
            self._panel.delete(path)
        except NotFound:
            return 0
        return 1

    def _branch(self) -> int:
        if not self._run.remote:
            raise StepFailed(f"It is not known where {self._run.branch} was pushed to: delete the branch by hand.")
        with tempfile.TemporaryDirectory(prefix="sluice-acceptance-") as directory:
            copy = WorkingCopy(Path(directory) / "copy", self._run.remote, self._git, branch=self._run.branch)
            if not copy.is_there():
                return 0
            copy.delete_branch()
        return 1

    def _stacks(self) -> int:
        assert self._aws  # noqa: S101  see _others
        mine = [name for name in self._aws.stacks() if self._run.owns_stack(name)]
        for name in sorted(mine, key=self._turn):
            self._aws.delete(name)
        return len(mine)

    def _turn(self, name: str) -> int:
        """A service goes before the pipeline whose role deletes it, deployers before the bucket that they watch."""
        order = ("-ecs-service", "-ecs", "-codedeploy", "-git")
        return (
            len(order)
            if name == self._run.role
            else next(i for i, end in enumerate((*order, "")) if name.endswith(end))
        )


def forgotten(panel: Panel, aws: Account | None, known: list[Run]) -> list[Run]:
    """Runs that no file remembers, by what the panel and AWS still have of them. Raises StepFailed."""
    names = [each["name"] for path in ("/integrations/", "/providers/", "/aws-accounts/") for each in panel.every(path)]
    names += aws.stacks() if aws else []
    return [Run(stamp) for stamp in sorted(stamps_in(names) - {run.stamp for run in known})]
