"""A pytest plugin: the running sandbox, started once a process for the tests of tests/e2e and tests/browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import ports
from sandbox.supervisor import Sandbox
from tests.e2e.world import Clone, World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root: Path = tmp_path_factory.mktemp("sandbox")
    sandbox = Sandbox(root / "state")
    with pytest.MonkeyPatch.context() as patch:
        # Not the usual ports: another process of the tests may start a sandbox at the same moment.
        for name in ports.DEFAULTS:
            patch.setenv(f"SANDBOX_{name.upper()}_PORT", str(ports.any_free()))
        env = sandbox.start()
    try:
        yield World(sandbox, env, root)
    finally:
        sandbox.stop()


@pytest.fixture
def repository(world: World) -> str:
    """The full name of a new repository with one commit on main."""
    return world.make_repository()


@pytest.fixture
def clone(world: World, repository: str) -> Clone:
    return world.clone(repository)
