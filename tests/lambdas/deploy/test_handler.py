"""Events come twice, late and out of order; the group runs one deployment at a time; functions die."""

import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.codedeploy.models import codedeploy_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from lambdas.deploy.codedeploy import Busy
from lambdas.deploy.deploy import SUPERSEDED, InProgress
from lambdas.deploy.handler import handler
from tests.lambdas.conftest import BUCKET
from tests.lambdas.deploy.conftest import KEY, SOUND, Context, Group, at_once, make_zip, refusing, s3_event


def die() -> None:
    raise SystemExit


def test_a_new_version_is_deployed_exactly(group: Group) -> None:
    version = group.store(delivery="delivery-1")

    group.written(version)

    [deployment] = group.deployments
    etag = boto3.client("s3").head_object(Bucket=BUCKET, Key=KEY)["ETag"].strip('"')
    location = {"bucket": BUCKET, "key": KEY, "version": version, "eTag": etag, "bundleType": "zip"}
    assert deployment.revision == {"revisionType": "S3", "s3Location": location}
    assert deployment.description == "0123456789ab Fix it"
    assert deployment.file_exists_behavior == "OVERWRITE"
    status, reason, external = group.status_of("delivery-1")
    assert (status, external) == ("deploying", deployment.deployment_id)
    assert deployment.deployment_id in reason
    record = group.record(version)
    assert (record["state"], record["deployment_id"]) == ("deploying", deployment.deployment_id)
    assert int(record["expires_at"]) > time.time()


def test_the_panel_sees_the_delivery_as_changed(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    before = group.stack.table.get("delivery-1") or {}

    group.written(version)

    after = group.stack.table.get("delivery-1") or {}
    assert after["updated_at"] > before["updated_at"]
    assert (after["feed"], after["status"]) == ("deliveries", "stored")


@pytest.mark.usefixtures("atomic")
def test_twenty_events_at_once_make_one_deployment(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    handler(s3_event("none", key="another"), Context())  # the clients are made

    raised = at_once(20, lambda _: group.written(version))

    assert group.deployed_versions == [version]
    assert {type(error) for error in raised} <= {type(None), InProgress}, "those behind come again, as Lambda does"
    group.written(version)
    assert group.deployed_versions == [version]
    assert group.status_of("delivery-1")[0] == "deploying"


def test_an_event_about_an_older_version_deploys_the_newest_and_says_so(group: Group) -> None:
    old, new = group.store(delivery="delivery-1"), group.store(delivery="delivery-2")

    group.written(new)
    group.written(old)
    group.written(new)

    assert group.deployed_versions == [new]
    assert group.status_of("delivery-1")[:2] == ("skipped", SUPERSEDED)
    assert group.status_of("delivery-2")[0] == "deploying"


def test_a_version_that_is_replaced_while_it_is_looked_into_is_not_deployed(group: Group) -> None:
    old = group.store(delivery="delivery-1")
    get_object = S3Response.get_object

    def replaced(self: S3Response) -> Any:
        group.patch.setattr(S3Response, "get_object", get_object)
        group.store()
        return get_object(self)

    group.patch.setattr(S3Response, "get_object", replaced)
    group.written(old)

    assert group.deployments == []
    assert group.status_of("delivery-1")[:2] == ("skipped", SUPERSEDED)


def test_a_late_event_takes_nothing_back_from_a_version_that_was_deployed(group: Group) -> None:
    old = group.store(delivery="delivery-1")
    group.written(old)
    new = group.store(delivery="delivery-2")
    group.written(new)

    group.written(old)

    assert group.deployed_versions == [old, new]
    assert group.status_of("delivery-1")[0] == "deploying"


def test_a_version_waits_for_the_running_deployment_and_only_the_newest_follows(group: Group) -> None:
    group.one_at_a_time()
    first = group.store(delivery="delivery-1")
    group.written(first)
    second = group.store(delivery="delivery-2")
    group.written(second)
    running = group.deployments[0].deployment_id
    assert group.status_of("delivery-2")[:2] == ("waiting", f"It follows when deployment {running} has ended.")
    third = group.store(delivery="delivery-3")
    group.written(third)
    assert group.status_of("delivery-2")[:2] == ("skipped", SUPERSEDED)

    group.finish("Failed")
    group.ended("FAILURE")
    group.ended("FAILURE")

    assert group.deployed_versions == [first, third]
    assert group.status_of("delivery-3")[0] == "deploying"


def test_a_deployment_that_ended_is_not_waited_for_though_codedeploy_still_counts_it(group: Group) -> None:
    group.one_at_a_time()
    group.written(group.store())
    second = group.store(delivery="delivery-2")
    group.written(second)
    ended = group.deployments[0].deployment_id

    with pytest.raises(Busy):
        group.ended(deploymentId=ended)
    group.finish()
    group.ended(deploymentId=ended)

    assert group.deployed_versions[-1] == second
    assert group.status_of("delivery-2")[0] == "deploying"


def test_the_end_of_a_deployment_starts_nothing_that_was_not_asked_for(group: Group) -> None:
    group.store()

    group.ended()

    assert group.deployments == []


@pytest.mark.parametrize(
    ("state", "detail"),
    [("START", {}), ("SUCCESS", {"deploymentGroup": "staging"}), ("SUCCESS", {"application": "shop"})],
)
def test_news_of_others_or_of_a_start_bring_nothing_on(group: Group, state: str, detail: dict[str, str]) -> None:
    group.one_at_a_time()
    group.written(group.store())
    group.written(group.store())
    group.finish()

    group.ended(state, **detail)

    assert len(group.deployments) == 1


def test_a_deployment_that_ends_while_the_version_is_noted_as_waiting_still_brings_it_on(group: Group) -> None:
    group.one_at_a_time()
    group.written(group.store())
    second = group.store(delivery="delivery-2")

    update = DynamoDBBackend.update_item

    def end_first(*arguments: Any, **named: Any) -> Any:
        if "ADD versions" in str((arguments, named)):
            group.finish()
        return update(*arguments, **named)

    group.patch.setattr(DynamoDBBackend, "update_item", end_first)
    group.written(second)

    assert group.deployed_versions[-1] == second
    assert group.status_of("delivery-2")[0] == "deploying"


def test_the_claim_of_a_function_that_died_is_taken_over(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    with group.patch.context() as patch:
        Group(group.stack, patch).before_creation(die)
        with pytest.raises(SystemExit):
            group.written(version, Context(seconds=-10))

    group.written(version)

    assert group.deployed_versions == [version]
    assert group.record(version)["attempts"] == "2"


def test_a_function_that_may_live_is_not_overtaken(group: Group) -> None:
    version = group.store()
    with group.patch.context() as patch:
        Group(group.stack, patch).before_creation(die)
        with pytest.raises(SystemExit):
            group.written(version)

    with pytest.raises(InProgress):
        group.written(version)
    with pytest.raises(InProgress):
        group.ended()
    assert group.deployments == []


def test_a_deployment_made_by_a_function_that_died_before_it_could_say_so_is_found(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    with group.patch.context() as patch:
        Group(group.stack, patch).after_creation(die)
        with pytest.raises(SystemExit):
            group.written(version, Context(seconds=-10))
    assert group.record(version)["state"] == "claimed"

    group.written(version)

    [deployment] = group.deployments
    assert group.record(version)["deployment_id"] == deployment.deployment_id
    assert group.status_of("delivery-1")[::2] == ("deploying", deployment.deployment_id)


def test_an_answer_that_was_lost_on_the_way_does_not_make_it_wait_for_itself(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    group.after_creation(refusing("DeploymentLimitExceededException", "already has an active Deployment"))

    group.written(version)

    [deployment] = group.deployments
    assert group.status_of("delivery-1")[::2] == ("deploying", deployment.deployment_id)


def test_an_error_that_may_pass_is_tried_three_times_and_then_said(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    group.before_creation(refusing("DeploymentLimitExceededException", "too many in this account"))

    for _ in range(2):
        with pytest.raises(Busy, match="too many in this account"):
            group.written(version)
        assert group.status_of("delivery-1")[0] == "waiting"
    group.written(version)

    status, reason, _ = group.status_of("delivery-1")
    assert status == "failed"
    assert "too many in this account" in reason
    assert "by hand" in reason


def test_what_no_retry_can_help_is_said_at_once(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    codedeploy_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].deployment_groups["site"].clear()

    group.written(version)

    status, reason, _ = group.status_of("delivery-1")
    assert status == "failed"
    assert "no deployment group production" in reason
    assert "update the stack" in reason


def test_a_version_without_appspec_is_refused_once_and_the_next_one_is_deployed(group: Group) -> None:
    bad = group.store({"README.md": "hello"}, delivery="delivery-1")
    group.written(bad)
    group.written(bad)
    assert group.status_of("delivery-1")[0] == "refused"
    assert "no appspec.yml at its root" in group.status_of("delivery-1")[1]
    assert group.record(bad)["attempts"] == "1"

    good = group.store(delivery="delivery-2")
    group.written(good)

    assert group.deployed_versions == [good]


def test_a_script_that_cannot_be_run_is_advised_about(group: Group) -> None:
    version = group.store(make_zip(SOUND, executable=False), delivery="delivery-1")

    group.written(version)

    status, reason, _ = group.status_of("delivery-1")
    assert status == "deploying"
    assert "git update-index --chmod=+x scripts/start.sh" in reason


@pytest.mark.parametrize("answer", [404, 403])
def test_an_artifact_that_was_deleted_is_not_deployed(group: Group, answer: int) -> None:
    version = group.store(delivery="delivery-1")
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    if answer == 403:
        group.patch.setattr(S3Response, "head_object", _forbidden(S3Response.head_object))

    group.written(version)

    assert group.deployments == []
    assert group.status_of("delivery-1")[0] == "skipped"


def test_an_artifact_that_may_not_be_read_is_no_deleted_one(group: Group) -> None:
    version = group.store(delivery="delivery-1")
    group.patch.setattr(S3Response, "head_object", lambda *_, **__: (403, {}, b""))

    with pytest.raises(ClientError, match="403"):
        group.written(version)


def _forbidden(head_object: Any) -> Any:
    """As S3 answers those who may not list the bucket."""

    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            status, headers, body = head_object(*arguments, **named)
        except S3ClientError:
            status = 404
        return (403, {}, b"") if status in (404, 405) else (status, headers, body)

    return answer


def test_objects_of_others_and_test_events_are_left_alone(group: Group) -> None:
    version = group.store()

    for event in (
        s3_event(version, key=f"{KEY}/x.zip"),
        s3_event(version, bucket="another"),
        {"Event": "s3:TestEvent"},
    ):
        handler(event, Context())

    assert group.deployments == []


def test_a_stack_that_stands_alone_deploys_objects_that_say_nothing(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERIES_TABLE", "")
    version = boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=make_zip(SOUND))["VersionId"]

    group.written(version)

    assert group.deployed_versions == [version]
    assert group.deployments[0].description == f"Version {version}"


def test_a_delivery_that_was_forgotten_is_not_made_anew(group: Group) -> None:
    version = group.store(**{"delivery-id": "forgotten"})

    group.written(version)

    assert group.deployed_versions == [version]
    assert group.stack.table.get("forgotten") is None
