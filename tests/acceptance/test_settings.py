"""What is missing is said in words, all at once, before anything is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.errors import MissingInput
from acceptance.settings import GIT_TOKEN, PANEL_TOKEN, read

ROOT = Path(__file__).parents[2]
TOKENS = {PANEL_TOKEN: "slu_1", GIT_TOKEN: "ghp_1"}
PANEL = ["--panel", "https://sluice.example.com/api/v1"]
FLAGS = [*PANEL, "--repository", "acme/scratch"]


def test_everything_that_is_missing_is_named_with_exit_status_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "acceptance"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    for each in ("nothing was made", "--panel", PANEL_TOKEN, "--repository", GIT_TOKEN, "--push-url"):
        assert each in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "flag", ["--method=ftp", "--kind=cvs", "--panel-token=x", "--ssh-port=ssh", "--deployer=lambda"]
)
def test_a_flag_that_cannot_be_ends_with_exit_status_2(flag: str) -> None:
    with pytest.raises(SystemExit) as raised:
        read([*FLAGS, flag], TOKENS)
    assert raised.value.code == 2


def test_both_methods_are_walked_unless_one_is_named() -> None:
    assert read(FLAGS, TOKENS).methods == ("zip_download", "git_pull")
    assert read([*FLAGS, "--method", "git_pull"], TOKENS).methods == ("git_pull",)


def test_deployers_are_walked_only_where_they_are_named_each_once() -> None:
    assert read(FLAGS, TOKENS).deployers == ()
    named = ["--deployer", "ecs", "--deployer", "codedeploy", "--deployer", "ecs"]
    assert read([*FLAGS, *named], TOKENS).deployers == ("codedeploy", "ecs")


@pytest.mark.parametrize(
    ("flags", "tokens", "said"),
    [
        (
            ["--panel", "http://sluice.example.com/api/v1", "--repository", "a/b"],
            TOKENS,
            "https for sluice.example.com",
        ),
        (["--panel", "sluice.example.com", "--repository", "a/b"], TOKENS, "The address of a running panel"),
        ([*PANEL, "--repository", "scratch"], TOKENS, "owner/name"),
        ([*FLAGS, "--kind", "gitea"], TOKENS, "--provider-url"),
        ([*FLAGS, "--ca-file", "/no/such/file"], TOKENS, "there is none at /no/such/file"),
        ([*FLAGS, "--provider", "GitHub"], {PANEL_TOKEN: "slu_1"}, "A way to push"),
        ([*FLAGS, "--deployer", "ecs", "--vpc", "vpc-1"], TOKENS, "--vpc and --subnets together"),
        ([*FLAGS, "--approval-email", "ops@example.com"], TOKENS, "--deployer ecs"),
        ([*PANEL, "--clean-up"], {}, PANEL_TOKEN),
    ],
)
def test_what_cannot_work_is_refused(flags: list[str], tokens: dict[str, str], said: str) -> None:
    with pytest.raises(MissingInput, match=said) as raised:
        read(flags, tokens)
    assert raised.value.exit_status == 2
    assert "slu_1" not in str(raised.value)


def test_http_is_fine_on_this_machine_and_cleaning_up_needs_no_repository() -> None:
    read(["--panel", "http://127.0.0.1:8000/api/v1", "--clean-up"], {PANEL_TOKEN: "slu_1"})


@pytest.mark.parametrize(
    ("flags", "remote"),
    [
        ([], "https://github.com/acme/scratch.git"),
        (["--kind", "gitlab"], "https://gitlab.com/acme/scratch.git"),
        (["--kind", "gitea", "--provider-url", "https://git.example.com/"], "https://git.example.com/acme/scratch.git"),
        (["--push-url", "git@example.com:acme/scratch.git"], "git@example.com:acme/scratch.git"),
    ],
)
def test_it_pushes_to_the_repository_of_the_provider(flags: list[str], remote: str) -> None:
    assert read([*FLAGS, *flags], TOKENS).remote() == remote
