"""The resource as CloudFormation calls it, on a bucket that others use too."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from lambdas.add_s3_notification import handler as module
from lambdas.add_s3_notification.handler import handler
from lambdas.add_s3_notification.lock import KEY as LOCK
from tests.lambdas.conftest import BUCKET, versions_of
from tests.lambdas.custom_resources import Answers, answers
from tests.lambdas.queue_events import Context

pytestmark = pytest.mark.usefixtures("stack")

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:deploy"
KEY = "acme/site/main/site.zip"
OTHERS: dict[str, Any] = {
    "LambdaFunctionConfigurations": [
        {
            "Id": "thumbnails",
            "LambdaFunctionArn": f"{ARN}-thumbnails",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}},
        }
    ],
    "QueueConfigurations": [
        {"Id": "deleted", "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:q", "Events": ["s3:ObjectRemoved:*"]}
    ],
    "TopicConfigurations": [
        {
            "Id": "reports",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:t",
            "Events": ["s3:ObjectCreated:Put"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "reports/"}]}},
        }
    ],
}


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as made:
        yield made


@pytest.fixture
def others() -> dict[str, Any]:
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration=OTHERS, SkipDestinationValidation=True
    )
    return configuration()


def configuration(bucket: str = BUCKET) -> dict[str, Any]:
    answer = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def ids(bucket: str = BUCKET) -> list[str]:
    return sorted(each["Id"] for each in configuration(bucket).get("LambdaFunctionConfigurations", []))


def properties(name: str = "site", *, bucket: str = BUCKET, key: str = KEY) -> dict[str, str]:
    return {"Bucket": bucket, "NotificationId": name, "FunctionArn": ARN, "Key": key}


def test_the_entry_comes_beside_those_of_others_and_goes_alone(cloudformation: Answers, others: dict[str, Any]) -> None:
    handler(cloudformation.request("Create", **properties()), Context())

    assert cloudformation.bodies[-1]["Status"] == "SUCCESS"
    [entry] = [each for each in configuration()["LambdaFunctionConfigurations"] if each["Id"] == "site"]
    assert (entry["LambdaFunctionArn"], entry["Events"]) == (ARN, ["s3:ObjectCreated:*"])
    rules = {rule["Name"].lower(): rule["Value"] for rule in entry["Filter"]["Key"]["FilterRules"]}
    assert rules == {"prefix": KEY, "suffix": ".zip"}
    assert {**configuration(), "LambdaFunctionConfigurations": others["LambdaFunctionConfigurations"]} == others

    known = cloudformation.bodies[-1]["PhysicalResourceId"]
    handler(cloudformation.request("Delete", physical_id=known, **properties()), Context())

    assert cloudformation.bodies[-1]["Status"] == "SUCCESS"
    assert configuration() == others


@pytest.mark.usefixtures("atomic")
def test_twenty_at_once_are_all_kept(others: dict[str, Any], cloudformation: Answers) -> None:
    start = threading.Barrier(20)

    def add(number: int) -> None:
        request = cloudformation.request(
            "Create", **properties(f"n{number:02}", key=f"acme/site/b{number:02}/site.zip")
        )
        start.wait()
        handler(request, Context())

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(add, range(20)))

    assert {body["Status"] for body in cloudformation.bodies} == {"SUCCESS"}
    assert ids() == [*(f"n{number:02}" for number in range(20)), "thumbnails"]
    assert {**configuration(), "LambdaFunctionConfigurations": others["LambdaFunctionConfigurations"]} == others
    assert versions_of(LOCK) == []


def test_a_lock_leaves_neither_version_nor_marker(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties()), Context())

    answer = boto3.client("s3").list_object_versions(Bucket=BUCKET)
    assert "Versions" not in answer
    assert "DeleteMarkers" not in answer


def test_what_stands_there_already_is_not_written_again(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties()), Context())
    boto3.client("s3").put_object(Bucket=BUCKET, Key=LOCK, Body=b"someone else's")

    handler(cloudformation.request("Update", physical_id="x", **properties()), Context(seconds=0))

    assert cloudformation.bodies[-1]["Status"] == "SUCCESS"


def test_a_lock_that_is_held_is_waited_for_and_then_said(cloudformation: Answers) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=LOCK, Body=b"someone else's")

    handler(cloudformation.request("Create", **properties()), Context(seconds=module.RESERVE + 0.1))

    assert cloudformation.bodies[-1]["Status"] == "FAILED"
    assert LOCK in cloudformation.bodies[-1]["Reason"]
    assert ids() == []
    assert len(versions_of(LOCK)) == 1


def test_the_lock_of_a_function_that_died_is_taken_over(cloudformation: Answers) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=LOCK, Body=b"dead")
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(BUCKET, LOCK).last_modified -= timedelta(minutes=1)

    handler(cloudformation.request("Create", **properties()), Context())

    assert cloudformation.bodies[-1]["Status"] == "SUCCESS"
    assert ids() == ["site"]
    assert versions_of(LOCK) == []


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("LambdaFunction", {"LambdaFunctionArn": f"{ARN}-2", "Filter": [("prefix", KEY), ("suffix", ".zip")]}),
        ("Queue", {"QueueArn": "arn:aws:sqs:eu-west-1:123456789012:q", "Filter": [("prefix", "acme/")]}),
        ("Topic", {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "Filter": []}),
    ],
)
def test_a_notification_for_the_same_object_is_named(cloudformation: Answers, kind: str, other: dict[str, Any]) -> None:
    rules = [{"Name": name, "Value": value} for name, value in other.pop("Filter")]
    entry = {"Id": "theirs", "Events": ["s3:ObjectCreated:Put"], **other}
    entry |= {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={f"{kind}Configurations": [entry]}, SkipDestinationValidation=True
    )
    before = configuration()

    handler(cloudformation.request("Create", **properties()), Context())

    assert cloudformation.bodies[-1]["Status"] == "FAILED"
    assert "'theirs'" in cloudformation.bodies[-1]["Reason"]
    assert KEY in cloudformation.bodies[-1]["Reason"]
    assert configuration() == before
    assert versions_of(LOCK) == []


def test_an_update_replaces_the_entry_and_keeps_the_physical_id(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties("old")), Context())
    known = cloudformation.bodies[-1]["PhysicalResourceId"]
    update = cloudformation.request("Update", physical_id=known, **properties("new", key="acme/site/next/site.zip"))

    handler({**update, "OldResourceProperties": properties("old")}, Context())

    assert cloudformation.bodies[-1]["PhysicalResourceId"] == known
    [entry] = configuration()["LambdaFunctionConfigurations"]
    assert entry["Id"] == "new"
    assert "acme/site/next/site.zip" in str(entry["Filter"])


def test_an_update_to_another_bucket_takes_it_out_of_the_first(cloudformation: Answers) -> None:
    boto3.client("s3").create_bucket(Bucket="another", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    handler(cloudformation.request("Create", **properties()), Context())
    update = cloudformation.request("Update", physical_id="x", **properties(bucket="another"))

    handler({**update, "OldResourceProperties": properties()}, Context())

    assert cloudformation.bodies[-1]["Status"] == "SUCCESS"
    assert (ids(BUCKET), ids("another")) == ([], ["site"])


def test_delete_may_run_twice_and_on_a_bucket_that_is_gone(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties()), Context())
    for bucket in (BUCKET, BUCKET, "gone-long-ago"):
        handler(cloudformation.request("Delete", physical_id="x", **properties(bucket=bucket)), Context())

    assert [body["Status"] for body in cloudformation.bodies] == ["SUCCESS"] * 4
    assert ids() == []


def test_a_bucket_that_is_not_there_fails_the_creation(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties(bucket="gone-long-ago")), Context())

    assert cloudformation.bodies[-1]["Status"] == "FAILED"
    assert "NoSuchBucket" in cloudformation.bodies[-1]["Reason"]


def test_special_characters_of_a_key_are_written_as_s3_wants_them(cloudformation: Answers) -> None:
    handler(cloudformation.request("Create", **properties(key="acme/site/fix+grün/site.zip")), Context())

    assert "acme/site/fix%2Bgr%C3%BCn/site.zip" in str(configuration()["LambdaFunctionConfigurations"])
