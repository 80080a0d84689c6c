"""A pytest plugin: the running sandbox, started once for the tests of tests/e2e and some of tests/browser.

It costs something while it runs, and most tests need none: the files that use it come one after the other, in one
process where there are several, and it is stopped when they are through.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from sandbox import ports
from sandbox.supervisor import Sandbox
from tests.e2e.world import Clone, World

IN_BROWSER = ("tests/browser/test_journey.py", "tests/browser/test_ssh_keys.py")
"""Those in a browser that use the sandbox."""
_users = pytest.StashKey[set[Path]]()
_running: list[Sandbox] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the slow files first, so that no process is left with one at the end. What runs an event loop of its own
    comes before the browser, whose driver runs one for as long as the process lives.
    """
    users = {item.path for item in items if "world" in getattr(item, "fixturenames", ())}
    config.stash[_users] = users
    for path in users:
        name = path.relative_to(config.rootpath).as_posix()
        if not _uses_sandbox(name):
            raise pytest.UsageError(f"{name} uses the sandbox: name it in {__name__}.IN_BROWSER")

    def rank(item: pytest.Item) -> int:
        in_browser = "browser" in item.path.parts
        if item.path in users:
            return 2 if in_browser else 1
        if "git_pull" in item.path.parts:
            return 0
        return 3 if in_browser else 4

    items.sort(key=rank)


def _uses_sandbox(path: str) -> bool:
    return path.startswith("tests/e2e/") or path in IN_BROWSER


class _Scheduling(LoadFileScheduling):
    """A file is run by one process, and all that use the sandbox by the same, which begins with them: they wait more
    than they compute, so that another process beside them has a core for itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        return "sandbox" if _uses_sandbox(path) else path

    def _assign_work_unit(self, node: Any) -> None:
        if "sandbox" in self.workqueue:
            self.workqueue.move_to_end("sandbox", last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return _Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    yield
    if nextitem is not None and nextitem.path not in item.config.stash[_users]:
        while _running:
            _running.pop().stop()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root: Path = tmp_path_factory.mktemp("sandbox")
    sandbox = Sandbox(root / "state")
    with pytest.MonkeyPatch.context() as patch:
        # Not the usual ports: another process of the tests may start a sandbox at the same moment.
        for name in ports.DEFAULTS:
            patch.setenv(f"SANDBOX_{name.upper()}_PORT", str(ports.any_free()))
        env = sandbox.start()
    _running.append(sandbox)
    try:
        yield World(sandbox, env, root)
    finally:
        while _running:
            _running.pop().stop()


@pytest.fixture
def repository(world: World) -> str:
    """The full name of a new repository with one commit on main."""
    return world.make_repository()


@pytest.fixture
def clone(world: World, repository: str) -> Clone:
    return world.clone(repository)
