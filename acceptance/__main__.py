"""`python -m acceptance`, which `make acceptance` calls.

Exit status: 0, all of it worked and is removed; 1, a step failed, or something is left; 2, something is missing and
nothing was made; 130, interrupted.
"""

import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from acceptance import plan, report
from acceptance.aws import Account
from acceptance.clean_up import CleanUp, forgotten
from acceptance.client import Panel
from acceptance.errors import AcceptanceError, MissingInput, StepFailed
from acceptance.journey import Journey
from acceptance.network import Network, pick
from acceptance.run import Run, Runs, fresh_stamp
from acceptance.settings import HOSTS, Settings, read
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy, over_https

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(line, flush=True)


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        command = _Command(read(arguments, os.environ))
        return command.clean_up() if command.settings.clean_up else command.run()
    except AcceptanceError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130


class _Command:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._panel = Panel(settings.panel, settings.panel_token, poll=settings.poll)
        self._runs = Runs(settings.state)

    def run(self) -> int:
        """Walk, then remove."""
        aws = None if self.settings.account else Account(self.settings.region)
        account_id = aws.account_id() if aws else ""
        self._require("The panel does not answer as it should", lambda: self._panel.get("/me/"))
        run = Run(
            fresh_stamp(),
            remote=self._remote(),
            repository=self.settings.repository,
            provider=self.settings.provider,
        )
        with tempfile.TemporaryDirectory(prefix="sluice-acceptance-") as directory:
            copy = WorkingCopy(Path(directory) / "copy", run.remote, self._git(run), branch=run.branch)
            self._require(f"git does not get to {run.remote}", copy.is_there)
            network = self._network(aws)
            region = aws.region if aws else self.settings.region
            _say(plan.describe(self.settings, run, account_id, region, network))
            self._ask("Create all this?")
            self._runs.write(run)
            return self._walk(run, copy, aws, network)

    def _walk(self, run: Run, copy: WorkingCopy, aws: Account | None, network: Network | None) -> int:
        walked = Steps(_say, announce=True)
        journey = Journey(
            self._panel,
            self.settings,
            run,
            aws=aws,
            steps=walked,
            network=network,
            remember=self._runs.write,
        )
        title, status = "broke off", 1
        try:
            journey.walk(copy)
            title, status = "all of it worked", 0
        except AcceptanceError as error:
            title, status = "a step failed", error.exit_status
            _say(f"\nFailed: {error}")
        except KeyboardInterrupt:
            title, status = "interrupted", 130
        finally:
            # Also for an error that nobody thought of: it goes on upwards afterwards.
            removed, left = self._remove_after(run, aws)
            if left:
                title, status = f"{title}; something is left", status or 1
            self._report(run, aws, title=title, walked=walked, removed=removed, left=left)
        return status

    def _remove_after(self, run: Run, aws: Account | None) -> tuple[Steps, list[str]]:
        _say("\nRemoving everything. Ctrl-C twice leaves the rest to --clean-up.")
        steps = Steps(_say, announce=True)
        try:
            return steps, self._remove(run, aws, steps)
        except KeyboardInterrupt:
            return steps, ["The removal was interrupted: --clean-up removes the rest."]

    def clean_up(self) -> int:
        """Remove what earlier runs left."""
        self._require("The panel does not answer as it should", lambda: self._panel.get("/me/"))
        aws = self._aws_if_any()
        runs = self._runs.all()
        runs += forgotten(self._panel, aws, runs)
        if not runs:
            _say("No run left anything.")
            return 0
        for run in runs:
            _say(f"Run {run.stamp}: all in panel, provider and AWS that has this stamp in its name")
        self._ask("Remove all this?")
        left = [each for run in runs for each in self._remove(run, aws, Steps(_say, announce=True))]
        return 1 if left else 0

    def _remove(self, run: Run, aws: Account | None, steps: Steps) -> list[str]:
        """Returns what is left, and forgets the run where that is nothing."""
        presses = 0

        def pressed(number: int, frame: Any) -> None:  # noqa: ARG001  a signal handler's signature
            nonlocal presses
            presses += 1
            if presses > 1:
                raise KeyboardInterrupt
            _say("Still removing. Once more leaves the rest to --clean-up.")

        before = {number: signal.signal(number, pressed) for number in _SIGNALS}
        try:
            # With an account that stays, its stacks are the panel's to find; there may be no other way to AWS.
            looked = aws or self._aws_if_any()
            fresh = next((each for each in self._runs.all() if each.stamp == run.stamp), run)
            left = CleanUp(self._panel, fresh, aws=looked, git=self._git(fresh), steps=steps).remove()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        for each in left:
            _say(f"Left: {each}")
        if left:
            _say(f"{self._runs.file(run)} remembers the run: `--clean-up` tries again.")
        else:
            self._runs.forget(run)
        return left

    def _report(
        self, run: Run, aws: Account | None, *, title: str, walked: Steps, removed: Steps, left: list[str]
    ) -> None:
        settings = self.settings
        text = report.write(
            title=title,
            facts={
                "Provider": settings.kind if not settings.provider else "one of the panel's",
                "Region": aws.region if aws else settings.region or "the account's",
                "Methods": ", ".join(settings.methods),
                "Deployers": ", ".join(settings.deployers) or "none",
                "Stacks looked for in AWS": "yes" if aws else "by the panel only, or in the default chain's account",
            },
            walked=walked.done,
            removed=removed.done,
            left=left,
            private=[
                settings.repository,
                run.remote,
                settings.panel,
                urlsplit(settings.panel).netloc,
                settings.provider_url,
                settings.provider,
                settings.account,
                settings.vpc,
                *settings.subnets.split(","),
                settings.approval_email,
                settings.panel_token,
                settings.git_token,
            ],
        )
        path = settings.state / f"report-{run.stamp}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        _say(f"\n{title[0].upper()}{title[1:]}. Report, to paste into an issue: {path}")

    def _remote(self) -> str:
        if not self.settings.provider or self.settings.push_url:
            return self.settings.remote()
        found = [each for each in self._panel.every("/providers/") if each["name"] == self.settings.provider]
        if not found:
            raise MissingInput(f"The panel has no provider that is called {self.settings.provider}.")
        host = found[0]["base_url"] or HOSTS.get(found[0]["kind"], "")
        if not host:
            raise MissingInput(f"Where to push to: --push-url, for a provider of the kind {found[0]['kind']}.")
        return self.settings.remote(host)

    def _network(self, aws: Account | None) -> Network | None:
        """Where the deployers' stacks go; None without deployers."""
        settings = self.settings
        if not settings.deployers:
            return None
        if settings.vpc:
            return Network(settings.vpc, tuple(each.strip() for each in settings.subnets.split(",") if each.strip()))
        try:
            there = aws.networks() if aws else self._networks_of_the_panels_account()
        except StepFailed as error:
            raise MissingInput(f"Give --vpc and --subnets; nothing was made. {error}") from None
        return pick(vpcs=there["vpcs"], subnets=there["subnets"], region=aws.region if aws else settings.region)

    def _networks_of_the_panels_account(self) -> dict[str, Any]:
        found = [each for each in self._panel.every("/aws-accounts/") if each["name"] == self.settings.account]
        if not found:
            raise MissingInput(f"The panel has no AWS account that is called {self.settings.account}.")
        region = self.settings.region or found[0]["default_region"]
        there: dict[str, Any] = self._panel.get(f"/aws-accounts/{found[0]['id']}/choices/", region=region)
        if there["problems"].keys() & {"vpcs", "subnets"}:
            raise StepFailed(f"The account does not tell its networks: {there['problems']}")
        return there

    def _git(self, run: Run) -> dict[str, str]:
        if not run.remote.startswith("https://"):
            return {}
        return over_https(self.settings.git_user, self.settings.git_token, self.settings.ca_file)

    def _aws_if_any(self) -> Account | None:
        try:
            found = Account(self.settings.region)
            found.account_id()
        except MissingInput:
            _say("AWS is looked at by the panel only: there are no credentials in boto3's default chain.")
            return None
        return found

    @staticmethod
    def _require(what: str, look: Any) -> None:
        try:
            look()
        except StepFailed as error:
            raise MissingInput(f"{what}; nothing was made. {error}") from None

    def _ask(self, question: str) -> None:
        if self.settings.yes:
            return
        if not sys.stdin.isatty():
            raise MissingInput("Nobody is there to be asked: --yes goes on without; nothing was made.")
        if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
            raise MissingInput("Nothing was made.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
