"""Removing a run: in an order in which the panel can still do its part, and as often as one likes."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import responses

from acceptance.clean_up import CleanUp, forgotten
from acceptance.client import Panel
from acceptance.run import Run
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy
from tests.acceptance.panel_over_http import BASE, PanelOverHttp


@pytest.fixture
def panel() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield PanelOverHttp(mocked)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose branch was pushed."""
    remote = tmp_path / "scratch.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    run = Run("0123abcd", remote=str(remote), repository="acme/scratch")
    copy = WorkingCopy(tmp_path / "copy", run.remote, branch=run.branch)
    copy.write("README.md", "# Scratch\n")
    copy.commit("First")
    copy.push()
    return run


@pytest.fixture
def remove(run: Run) -> Callable[..., list[str]]:
    def now(run: Run = run) -> list[str]:
        panel = Panel(BASE, "slu_1", poll=0.01)
        return CleanUp(panel, run, aws=None, git={}, steps=Steps(lambda line: None)).remove()

    return now


def fill(panel: PanelOverHttp, run: Run) -> None:
    panel.rows["integrations"] = [{"id": "i1", "name": run.integration("zip")}, {"id": "i2", "name": "shop"}]
    panel.rows["providers"] = [{"id": "p1", "name": run.title}, {"id": "p2", "name": "GitHub"}]
    panel.rows["repositories"] = [
        {"id": "r1", "provider": "p1", "full_name": "acme/scratch"},
        {"id": "r2", "provider": "p2", "full_name": "acme/scratch"},
    ]
    panel.rows["aws-accounts"] = [{"id": "a1", "name": run.title}, {"id": "a2", "name": "Production"}]


def branches(run: Run) -> str:
    return subprocess.run(
        ["git", "branch", "--list"], cwd=run.remote, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_integrations_go_first_and_only_what_is_the_runs(
    panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]
) -> None:
    fill(panel, run)
    assert run.branch in branches(run)

    assert remove() == []

    assert panel.calls == [
        "DELETE /integrations/i1/",
        "DELETE /repositories/r1/",
        "DELETE /providers/p1/",
        "DELETE /aws-accounts/a1/",
    ]
    assert branches(run) == ""


def test_a_second_time_finds_nothing(panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]) -> None:
    fill(panel, run)
    remove()
    panel.calls.clear()
    assert remove() == []
    assert panel.calls == []


def test_what_still_runs_is_cancelled_and_waited_for(
    panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]
) -> None:
    fill(panel, run)
    panel.busy = True
    panel.rows["operations"] = [{"id": "o1", "integration": "i1", "kind": "create", "status": "running"}]
    assert remove() == []
    assert panel.calls[:3] == ["DELETE /integrations/i1/", "POST /operations/o1/cancel/", "DELETE /integrations/i1/"]


def test_what_the_panel_needs_to_delete_an_integration_stays_where_that_fails(
    panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]
) -> None:
    fill(panel, run)
    panel.outcome = "failed"
    [left] = remove()
    assert "acceptance-0123abcd-zip is still there: CloudFormation says no." in left
    assert panel.calls == ["DELETE /integrations/i1/"] * 2  # tried once more
    panel.outcome = "succeeded"
    assert remove() == []
    assert [row["id"] for row in panel.rows["aws-accounts"]] == ["a2"]


def test_a_provider_that_was_there_keeps_itself_and_its_repository(
    panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]
) -> None:
    fill(panel, run)
    there = Run(run.stamp, remote=run.remote, repository=run.repository, provider="GitHub")
    assert remove(there) == []
    assert [row["id"] for row in panel.rows["repositories"]] == ["r1", "r2"]
    assert remove(there.with_repository()) == []
    assert [row["id"] for row in panel.rows["repositories"]] == ["r1"]
    assert {"id": "p2", "name": "GitHub"} in panel.rows["providers"]


def test_a_branch_that_cannot_be_reached_is_told_and_the_rest_goes(
    panel: PanelOverHttp, run: Run, remove: Callable[..., list[str]]
) -> None:
    fill(panel, run)
    [left] = remove(Run(run.stamp, remote="/no/such/repository.git", repository=run.repository))
    assert "removed the branch: git ls-remote failed" in left
    assert [row["id"] for row in panel.rows["aws-accounts"]] == ["a2"]


def test_runs_without_a_file_are_found_by_names(panel: PanelOverHttp, run: Run) -> None:
    fill(panel, run)
    panel.rows["aws-accounts"].append({"id": "a3", "name": "Acceptance ffffffff"})
    found = forgotten(Panel(BASE, "slu_1"), None, [run])
    assert found == [Run("ffffffff")]
