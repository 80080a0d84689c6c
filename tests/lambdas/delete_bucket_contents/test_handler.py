from collections.abc import Iterator

import boto3
import pytest

from lambdas.delete_bucket_contents.handler import handler
from tests.lambdas.conftest import BUCKET
from tests.lambdas.custom_resources import Answers, answers

pytestmark = pytest.mark.usefixtures("stack")


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as made:
        yield made


@pytest.fixture
def full_bucket() -> str:
    """More versions than one page lists, delete markers, and an upload that nobody finished."""
    s3 = boto3.client("s3")
    for number in range(520):
        s3.put_object(Bucket=BUCKET, Key=f"key-{number}", Body=b"1")
        s3.put_object(Bucket=BUCKET, Key=f"key-{number}", Body=b"2")
    s3.delete_object(Bucket=BUCKET, Key="key-0")
    s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")
    return BUCKET


def left_in(bucket: str) -> int:
    answer = boto3.client("s3").list_object_versions(Bucket=bucket)
    return len(answer.get("Versions", [])) + len(answer.get("DeleteMarkers", []))


def test_delete_empties_the_bucket_so_that_it_can_be_deleted(full_bucket: str, cloudformation: Answers) -> None:
    handler(cloudformation.request("Delete", physical_id="x", Bucket=full_bucket, Purge="true"), None)

    assert cloudformation.bodies[0]["Status"] == "SUCCESS"
    assert left_in(full_bucket) == 0
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=full_bucket)
    boto3.client("s3").delete_bucket(Bucket=full_bucket)


@pytest.mark.parametrize(
    ("kind", "purge"), [("Create", "true"), ("Update", "true"), ("Delete", "false"), ("Delete", "")]
)
def test_nothing_else_deletes_anything(cloudformation: Answers, kind: str, purge: str) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="key", Body=b"1")

    handler(cloudformation.request(kind, Bucket=BUCKET, Purge=purge), None)

    assert cloudformation.bodies[0]["Status"] == "SUCCESS"
    assert left_in(BUCKET) == 1


def test_it_may_run_twice_and_on_a_bucket_that_is_gone(cloudformation: Answers) -> None:
    for bucket in (BUCKET, BUCKET, "gone-long-ago"):
        handler(cloudformation.request("Delete", physical_id="x", Bucket=bucket, Purge="true"), None)

    assert [body["Status"] for body in cloudformation.bodies] == ["SUCCESS"] * 3


def test_called_directly_it_says_how_much_it_deleted() -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"1")
    s3.delete_object(Bucket=BUCKET, Key="key")

    assert handler({"bucket": BUCKET}, None) == {"bucket": BUCKET, "deleted": 2}


def test_an_update_to_another_bucket_keeps_the_physical_id(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", Bucket=BUCKET, Purge="true"), None)
    known = cloudformation.bodies[0]["PhysicalResourceId"]
    handler(cloudformation.request("Update", physical_id=known, Bucket="another", Purge="true"), None)

    assert cloudformation.bodies[1]["PhysicalResourceId"] == known
