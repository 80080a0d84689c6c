"""The commands that need no panel, in a clean copy of the tree and with an empty environment."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployers import catalog
from sandbox.aws import ACCOUNT_ID, Aws

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git has of this tree, with what was not committed yet, and nothing else that lies in the folder."""
    where = tmp_path_factory.mktemp("checkout")
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith((".", "tests/")) and (ROOT / name).is_file():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_bytes((ROOT / name).read_bytes())
    return where


def run(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with these variables and no others; AWS's own files are no part of a bare checkout."""
    variables: Mapping[str, str] = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(checkout), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=checkout,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def packages(tmp_path: Path) -> str:
    for name in {each for kind in catalog.KINDS.values() for each in kind.packages}:
        (tmp_path / f"{name}.zip").write_bytes(b"zip of " + name.encode())
    return str(tmp_path)


def test_templates_are_exported_without_settings(checkout: Path, tmp_path: Path) -> None:
    done = run(checkout, "export_templates", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    listed = done.stdout.split()
    assert str(tmp_path / "out" / "ecs_main.json") in listed
    assert all("Resources" in json.loads(Path(each).read_bytes()) for each in listed)


@pytest.mark.sandbox
def test_packages_are_published_without_settings(checkout: Path, packages: str, local_aws: Aws) -> None:
    done = run(checkout, "publish_artifacts", "--region", REGION, SLUICE_LAMBDA_PACKAGES=packages, **local_aws.env())

    assert done.returncode == 0, done.stderr
    bucket = f"sluice-artifacts-{ACCOUNT_ID}-{REGION}"
    assert done.stdout.count(f"LambdaArtifactS3Bucket  {bucket}") == len(catalog.KINDS)
    prefix = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("LambdaArtifactPrefix"))
    assert local_aws.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/manifest.json")["Body"].read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export_templates"], "required: directory"),
        (["export_templates", "manage.py/inside"], "Cannot write to manage.py/inside"),
        (["publish_artifacts"], "required: --region"),
        (["publish_artifacts", "--region", "Frankfurt"], "Frankfurt is not an AWS region"),
        (["publish_artifacts", "--region", REGION, "--bucket", "My_Bucket"], "My_Bucket is not a valid bucket name"),
        (["publish_artifacts", "--region", REGION], "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
        (["publish_artifacts", "--region", REGION, "--account", "Production"], "Set SECRET_KEY"),
    ],
)
def test_what_cannot_be_done_ends_with_two_and_a_sentence(
    checkout: Path, packages: str, arguments: list[str], words: str
) -> None:
    done = run(checkout, *arguments, SLUICE_LAMBDA_PACKAGES=packages)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_packages_that_were_not_built_are_told(checkout: Path) -> None:
    done = run(checkout, "publish_artifacts", "--region", REGION)

    assert done.returncode == 2
    assert "python -m lambdas.package --out" in done.stderr


def test_an_environment_that_is_set_up_for_the_panel_changes_nothing(checkout: Path, tmp_path: Path) -> None:
    done = run(checkout, "export_templates", str(tmp_path), DATABASE_URL="mysql://nowhere", PATH=os.environ["PATH"])

    assert done.returncode == 0, done.stderr
