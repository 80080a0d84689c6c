"""What is given by flags and by the environment, and what of it is missing."""

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from acceptance.errors import MissingInput

PANEL_TOKEN = "SLUICE_TOKEN"  # noqa: S105  a variable's name
GIT_TOKEN = "SLUICE_ACCEPTANCE_GIT_TOKEN"  # noqa: S105  a variable's name
HOSTS = {
    "github": "https://github.com",
    "gitlab": "https://gitlab.com",
    "github_enterprise": "",
    "gitea": "",
}
"""Kinds of provider that take one token for API and git, and where the public one of each is."""
METHODS = {"zip_download": "zip", "git_pull": "pull"}
DEPLOYERS = ("codedeploy", "ecs")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Settings:
    """See `parser` for what each means. Tokens come from the environment only: arguments are seen by all processes."""

    panel: str
    panel_token: str
    git_token: str
    repository: str
    kind: str
    provider_url: str
    provider: str
    ca_file: str
    ssh_port: int
    git_user: str
    push_url: str
    account: str
    region: str
    methods: tuple[str, ...]
    deployers: tuple[str, ...]
    vpc: str
    subnets: str
    launch_type: str
    approval_email: str
    state: Path
    poll: float
    yes: bool
    clean_up: bool

    def missing(self) -> list[str]:
        """In words, what has to be given before anything can be made; empty where nothing is missing."""
        found = [*self._missing_panel()]
        if self.clean_up:
            return found
        if not re.fullmatch(r"[^/\s]+(/[^/\s]+)+", self.repository):
            found.append("A scratch repository that exists, as owner/name: --repository.")
        if not self.git_token and not self.provider:
            found.append(f"A token of the provider in {GIT_TOKEN}, or --provider with the name of one in the panel.")
        if not self.git_token and not self.push_url:
            found.append(f"A way to push: a token in {GIT_TOKEN}, or --push-url with an SSH URL that git can push to.")
        if not self.provider and not self.provider_url and not HOSTS[self.kind]:
            found.append(f"The address of the provider, as there is no public {self.kind}: --provider-url.")
        if not self.methods:
            found.append("At least one method: --method zip_download or git_pull.")
        if bool(self.vpc) != bool(self.subnets):
            found.append("--vpc and --subnets together, or none of them: the default VPC is taken then.")
        if self.approval_email and "ecs" not in self.deployers:
            found.append("--deployer ecs, which is what --approval-email is for.")
        if self.ca_file and not Path(self.ca_file).is_file():
            found.append(f"A file of PEM certificates: there is none at {self.ca_file} (--ca-file).")
        return found

    def _missing_panel(self) -> list[str]:
        found = []
        parts = urlsplit(self.panel)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            found.append("The address of a running panel's API, such as https://sluice.example.com/api/v1: --panel.")
        elif parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            found.append(f"https for {parts.hostname}: over http the token could be read on the way (--panel).")
        if not self.panel_token:
            found.append(f"An API token of the panel with the scope admin in {PANEL_TOKEN}.")
        return found

    def remote(self, host: str = "") -> str:
        """The URL that is pushed to.

        Args:
            host: the provider's address, where the panel knows it already.
        """
        return self.push_url or f"{(host or self.provider_url or HOSTS[self.kind]).rstrip('/')}/{self.repository}.git"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    found = argparse.ArgumentParser(
        prog="python -m acceptance",
        description="Walk from a push to its zip, and to a deployment where asked to, against a running panel, a real "
        "provider and real AWS, write a report, and remove everything again.",
        epilog=f"Tokens are read from the environment: {PANEL_TOKEN} and {GIT_TOKEN}. AWS: boto3's default chain.",
    )
    env = os.environ
    add = found.add_argument
    add("--panel", default=env.get("SLUICE_URL", ""), help="address of the panel's API (SLUICE_URL)")
    add("--repository", default=env.get("SLUICE_ACCEPTANCE_REPOSITORY", ""), help="scratch repository, owner/name")
    add("--kind", choices=HOSTS, default="github", help="kind of provider (default: github)")
    add("--provider-url", default="", help="address of a self-hosted provider")
    add("--provider", default="", metavar="NAME", help="a provider that is in the panel already; it stays")
    add("--ca-file", default="", help="PEM certificates of a self-hosted provider")
    add("--ssh-port", type=int, default=22, help="of a self-hosted provider (default: 22)")
    add("--git-user", default="x-access-token", help="user beside the token for git over HTTPS")
    add("--push-url", default="", help="push to this URL, by SSH as you do, in place of HTTPS with the token")
    add("--account", default="", metavar="NAME", help="an AWS account that is connected already; it stays")
    add("--region", default="", help="AWS region (default: that of boto3's default chain)")
    add("--method", choices=METHODS, action="append", help="how to fetch; may be repeated (default: both)")
    add(
        "--deployer",
        choices=DEPLOYERS,
        action="append",
        help="also deploy: make its stack, deploy, fail, roll back, redeploy; may be repeated (default: none)",
    )
    add("--vpc", default="", metavar="ID", help="VPC of the deployers' stacks (default: the region's default VPC)")
    add("--subnets", default="", metavar="IDS", help="two subnets of --vpc in two zones, with a comma between them")
    add("--launch-type", choices=("FARGATE", "EC2"), default="FARGATE", help="of --deployer ecs (default: FARGATE)")
    add(
        "--approval-email",
        default="",
        metavar="ADDRESS",
        help="with --deployer ecs: let each deployment wait for an approval, which the run gives; AWS writes to it",
    )
    add("--state", type=Path, default=Path(".acceptance"), help="directory of run files and reports")
    add("--poll", type=float, default=1.0, help="seconds between two looks at the panel (default: 1)")
    add("--yes", action="store_true", help="do not ask")
    add("--clean-up", action="store_true", help="only remove what earlier runs left")
    return found


def read(arguments: list[str], environment: Mapping[str, str]) -> Settings:
    """The settings.

    Raises:
        SystemExit: 2, a flag that does not exist or cannot have this value.
        MissingInput: something has to be given; the message names all of it.
    """
    given = vars(parser().parse_args(arguments))
    deployers = given.pop("deployer") or ()
    settings = Settings(
        panel_token=environment.get(PANEL_TOKEN, ""),
        git_token=environment.get(GIT_TOKEN, ""),
        methods=tuple(dict.fromkeys(given.pop("method") or METHODS)),
        deployers=tuple(each for each in DEPLOYERS if each in deployers),
        **given,
    )
    missing = settings.missing()
    if missing:
        raise MissingInput("This is missing, and nothing was made:\n" + "\n".join(f"  - {each}" for each in missing))
    return settings
