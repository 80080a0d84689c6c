"""A git pull from the git host, and what is in the result."""

import io
import zipfile
from pathlib import Path

import boto3
import pytest

from lambdas.common.artifacts import StoredArtifact
from lambdas.git_pull import fetch as git_pull
from lambdas.git_pull.history import History
from lambdas.git_pull.settings import Settings
from tests.lambdas.conftest import BUCKET, HostedRepository, make_job


@pytest.fixture
def stack_settings(hosted: HostedRepository) -> Settings:
    return Settings(
        deliveries_table="deliveries",
        output_bucket=BUCKET,
        cache_bucket="",
        ssh_key_secret_arn="unused",
        ssh_host="127.0.0.1",
        ssh_port=hosted.host.ssh_port,
        ssh_user="git",
        ssh_known_hosts=hosted.host.known_hosts_line,
        queue_url="unused",
        max_receive_count=5,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sluice"


def history_of(stack_settings: Settings, root: Path) -> History:
    return History(boto3.client("s3"), stack_settings.cache_bucket, root / "git")


def fetch(
    hosted: HostedRepository,
    stack_settings: Settings,
    root: Path,
    *,
    commit: str = "",
    ref: str = "refs/heads/main",
    key: str = "",
) -> StoredArtifact:
    job = make_job(hosted.full_name, commit or hosted.work.head(), ref=ref)
    return git_pull.fetch(
        job,
        settings=stack_settings,
        key=key or hosted.key.private_key,
        root=root,
        s3=boto3.client("s3"),
        history=history_of(stack_settings, root),
    )


def unzipped(data: bytes) -> dict[str, tuple[int, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {e.filename: (e.external_attr >> 16, archive.read(e)) for e in archive.infolist()}


def tree_of(hosted: HostedRepository, commit: str = "HEAD") -> dict[str, tuple[int, bytes]]:
    """What git itself says is in the commit: names, modes and contents."""
    listing = hosted.work.git("ls-tree", "-r", "-z", commit).decode().split("\0")[:-1]
    found = {}
    for line in listing:
        (mode, kind, blob), name = line.split("\t")[0].split(), line.split("\t")[1]
        if kind == "blob":
            st_mode = 0o120777 if mode == "120000" else int(mode, 8)
            found[name] = (st_mode, hosted.work.git("cat-file", "blob", blob))
    return found
