import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.common import clients
from lambdas.delete_bucket_contents.handler import handler
from tests.lambdas.conftest import BUCKET
from tests.lambdas.custom_resources import Answers, answers

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:empties"
TIMEOUT = 900_000


@dataclass
class Call:
    """A call of the function, which thinks that this much time is left when it looks, one after the other."""

    left: list[int] = field(default_factory=lambda: [TIMEOUT])
    invoked_function_arn: str = FUNCTION

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


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
    handler(cloudformation.request("Delete", physical_id="x", Bucket=full_bucket, Purge="true"), Call())

    assert cloudformation.bodies[0]["Status"] == "SUCCESS"
    assert left_in(full_bucket) == 0
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=full_bucket)
    boto3.client("s3").delete_bucket(Bucket=full_bucket)


@pytest.mark.parametrize(
    ("kind", "purge"), [("Create", "true"), ("Update", "true"), ("Delete", "false"), ("Delete", "")]
)
def test_nothing_else_deletes_anything(cloudformation: Answers, kind: str, purge: str) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="key", Body=b"1")

    handler(cloudformation.request(kind, Bucket=BUCKET, Purge=purge), Call())

    assert cloudformation.bodies[0]["Status"] == "SUCCESS"
    assert left_in(BUCKET) == 1


def test_it_may_run_twice_and_on_a_bucket_that_is_gone(cloudformation: Answers) -> None:
    for bucket in (BUCKET, BUCKET, "gone-long-ago"):
        handler(cloudformation.request("Delete", physical_id="x", Bucket=bucket, Purge="true"), Call())

    assert [body["Status"] for body in cloudformation.bodies] == ["SUCCESS"] * 3


def test_called_directly_it_says_how_much_it_deleted() -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"1")
    s3.delete_object(Bucket=BUCKET, Key="key")

    assert handler({"bucket": BUCKET}, Call()) == {"bucket": BUCKET, "deleted": 2, "done": True}


def test_an_update_to_another_bucket_keeps_the_physical_id(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", Bucket=BUCKET, Purge="true"), Call())
    known = cloudformation.bodies[0]["PhysicalResourceId"]
    handler(cloudformation.request("Update", physical_id=known, Bucket="another", Purge="true"), Call())

    assert cloudformation.bodies[1]["PhysicalResourceId"] == known


@pytest.fixture
def functions(cloudformation: Answers) -> Iterator[Stubber]:
    with Stubber(clients.functions()) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_what_is_too_much_for_one_call_is_left_to_the_next_which_answers(
    full_bucket: str, cloudformation: Answers, functions: Stubber
) -> None:
    event = cloudformation.request("Delete", physical_id="x", Bucket=full_bucket, Purge="true")
    before = left_in(full_bucket)
    again = json.dumps(event).encode()
    functions.add_response(
        "invoke", {"StatusCode": 202}, {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": again}
    )

    handler(event, Call(left=[1000]))

    assert cloudformation.bodies == []
    # However little time there is, each call does something.
    assert 0 < left_in(full_bucket) < before

    handler(json.loads(again), Call())

    assert [body["Status"] for body in cloudformation.bodies] == ["SUCCESS"]
    assert left_in(full_bucket) == 0


def test_a_call_that_it_may_not_make_is_told(full_bucket: str, cloudformation: Answers, functions: Stubber) -> None:
    functions.add_client_error("invoke", "AccessDeniedException", "not authorized")
    event = cloudformation.request("Delete", physical_id="x", Bucket=full_bucket, Purge="true")

    handler(event, Call(left=[1000]))

    (body,) = cloudformation.bodies
    assert body["Status"] == "FAILED"
    assert "AccessDeniedException" in body["Reason"]


def test_a_direct_call_says_that_it_is_not_done(full_bucket: str) -> None:
    first = handler({"bucket": full_bucket}, Call(left=[1000]))
    assert first
    assert not first["done"]
    assert first["deleted"] > 0
    second = handler({"bucket": full_bucket}, Call())
    assert second
    assert second["done"]
    assert left_in(full_bucket) == 0
