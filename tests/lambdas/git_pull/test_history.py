from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from lambdas.git_pull.history import NEW_PACKS
from lambdas.git_pull.repository import directory_for, packs_of
from lambdas.git_pull.settings import Settings
from tests.lambdas.conftest import HostedRepository, stored_object
from tests.lambdas.git_pull.conftest import fetch, history_of, tree_of, unzipped

pytestmark = pytest.mark.usefixtures("stack")

CACHE = "histories-of-acme"


@pytest.fixture
def cached(stack_settings: Settings) -> Settings:
    boto3.client("s3").create_bucket(Bucket=CACHE, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return replace(stack_settings, cache_bucket=CACHE)


def test_a_cold_start_fetches_only_what_changed(
    hosted: HostedRepository, cached: Settings, root: Path, tmp_path: Path
) -> None:
    fetch(hosted, cached, root)
    history_of(cached, root).keep()
    hosted.work.write("README.md", "Changed\n")
    hosted.work.commit("Next")
    hosted.publish()
    cold = tmp_path / "cold"

    stored = fetch(hosted, cached, cold)

    sizes = sorted(packs_of(directory_for(cold / "git", cached.url(hosted.full_name))))
    assert len(sizes) == 2
    assert sizes[0] < sizes[1] / 2, "the second pack has the change alone"
    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


@pytest.mark.parametrize("damage", [b"", b"no tar", b"cut"])
def test_a_damaged_copy_does_no_harm(
    hosted: HostedRepository, cached: Settings, root: Path, tmp_path: Path, damage: bytes
) -> None:
    s3 = boto3.client("s3")
    fetch(hosted, cached, root)
    history_of(cached, root).keep()
    [copy] = s3.list_objects_v2(Bucket=CACHE)["Contents"]
    kept = s3.get_object(Bucket=CACHE, Key=copy["Key"])["Body"].read()
    s3.put_object(Bucket=CACHE, Key=copy["Key"], Body=kept[:9000] if damage == b"cut" else damage)

    stored = fetch(hosted, cached, tmp_path / "cold")

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


def test_a_bucket_that_is_gone_does_no_harm(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    stack_settings = replace(stack_settings, cache_bucket="gone-long-ago")

    assert fetch(hosted, stack_settings, root).reason == "Stored"
    history_of(stack_settings, root).keep()


def test_a_copy_is_written_again_only_after_it_has_grown(
    hosted: HostedRepository, cached: Settings, root: Path
) -> None:
    def copied_at() -> object:
        return boto3.client("s3").list_objects_v2(Bucket=CACHE)["Contents"][0]["ETag"]

    fetch(hosted, cached, root)
    history_of(cached, root).keep()
    first = copied_at()
    for number in range(NEW_PACKS):
        assert copied_at() == first
        hosted.work.write("README.md", f"{number}\n")
        hosted.work.commit("Next")
        hosted.publish()
        fetch(hosted, cached, root)
        history_of(cached, root).keep()

    assert copied_at() != first
