"""A local AWS with the Lambda packages published, and stacks on it."""

import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lambdas import package
from sandbox.aws import Aws
from tests.cfn_templates.stack import Packages, Stack

MACHINES = {"aarch64": "arm64", "arm64": "arm64"}


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with Aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture(scope="session")
def packages(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The functions' packages, twice: under `first` and under `second`."""
    target = package.Target(
        runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        architecture=MACHINES.get(platform.machine(), "x86_64"),
    )
    built: list[Path] = package.build(tmp_path_factory.mktemp("packages"), target)
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="packages")
    for prefix in ("first", "second"):
        for path in built:
            s3.upload_file(str(path), "packages", f"{prefix}/{path.name}")
    return Packages("packages", target.runtime, target.architecture)


@pytest.fixture
def new_stack(aws: Aws, packages: Packages, request: pytest.FixtureRequest) -> Callable[..., Stack]:
    """Makes a stack with the parameters given and waits until it is complete."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:100].strip("-")

    def make(**parameters: str) -> Stack:
        stack = Stack(aws, name, packages)
        stack.create(**parameters)
        return stack

    return make
