import pytest

from lambdas.common import custom_resource
from tests.lambdas.custom_resources import STACK_ID, answers


def test_success_is_answered_with_the_data() -> None:
    with answers() as cloudformation:
        event = cloudformation.request("Create")
        custom_resource.handle(event, lambda request: {"Answer": request["RequestType"]}, physical_id="mine")

    assert cloudformation.bodies == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "mine",
            "StackId": STACK_ID,
            "RequestId": event["RequestId"],
            "LogicalResourceId": "Resource",
            "Data": {"Answer": "Create"},
        }
    ]
    assert cloudformation.content_types == [""], "the presigned URL's signature covers an empty content type"


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_the_physical_id_that_cloudformation_knows_is_kept(kind: str) -> None:
    with answers() as cloudformation:
        custom_resource.handle(cloudformation.request(kind, physical_id="old"), lambda _: {}, physical_id="mine")

    assert cloudformation.bodies[0]["PhysicalResourceId"] == "old"


@pytest.mark.parametrize("error", [RuntimeError("no leave to do that"), KeyError("Bucket")])
def test_a_failure_is_answered_with_its_reason(error: Exception) -> None:
    def act(request: object) -> dict[str, str]:
        raise error

    with answers() as cloudformation:
        custom_resource.handle(cloudformation.request("Create"), act, physical_id="mine")

    [body] = cloudformation.bodies
    assert body["Status"] == "FAILED"
    assert body["Reason"].startswith(type(error).__name__)


def test_a_process_that_is_being_ended_still_answers() -> None:
    def act(request: object) -> dict[str, str]:
        raise SystemExit

    with answers() as cloudformation, pytest.raises(SystemExit):
        custom_resource.handle(cloudformation.request("Create"), act, physical_id="mine")

    assert cloudformation.bodies[0]["Status"] == "FAILED"


def test_an_answer_that_was_not_taken_is_sent_again() -> None:
    with answers() as cloudformation:
        cloudformation.refuse = 2
        custom_resource.handle(cloudformation.request("Create"), lambda _: {}, physical_id="mine")

    assert [body["Status"] for body in cloudformation.bodies] == ["SUCCESS"]


def test_an_answer_goes_to_web_addresses_only() -> None:
    with answers() as cloudformation:
        event = cloudformation.request("Create") | {"ResponseURL": "file:///etc/passwd"}

    with pytest.raises(ValueError, match="no web address"):
        custom_resource.handle(event, lambda _: {}, physical_id="mine")
