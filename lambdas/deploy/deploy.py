"""One deployment for each version of the artifact, of the newest version only.

Events come twice, late and out of order, so an event only says that something changed: what is the newest version, and
whether it was taken up already, is asked anew each time. A group runs one deployment at a time. A version that has to
wait is noted as such, and the end of the running deployment brings it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from lambdas.common import log
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.statuses import DeployStatus
from lambdas.deploy.codedeploy import Busy, Group, Refused, Revision, may_pass
from lambdas.deploy.inspection import inspect
from lambdas.deploy.records import Record, Records, State
from lambdas.deploy.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_FAILURES = 3
"""Lambda gives an event to a function three times at most:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
LEASE_RESERVE = 5
"""Seconds after the end of its time in which a function is certain to be gone."""
SUPERSEDED = "A newer version of the artifact took its place."


class InProgress(Exception):
    """Someone else works on this version. Lambda brings the event again, and by then it is known how that ended."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest version of the artifact, with what its writer noted on it."""

    revision: Revision
    size: int
    delivery_id: str
    commit: str
    message: str

    @property
    def version_id(self) -> str:
        return self.revision.version_id

    @property
    def description(self) -> str:
        """As the deployment shows it."""
        first_line = self.message.partition("\n")[0].strip()
        return f"{self.commit[:12]} {first_line}".strip() or f"Version {self.version_id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a version became."""

    state: State
    reason: str
    deployment_id: str = ""


@dataclass(frozen=True)
class Target:
    """The group, with all that is needed to bring a version to it."""

    settings: Settings
    s3: "S3Client"
    group: Group
    records: Records
    deliveries: DeliveryTable | None
    lease: float
    """Seconds."""
    ended: str = ""
    """The deployment that this event says has ended; CodeDeploy may still count it as running for a moment."""

    def running(self) -> list[str]:
        """Deployments of the group that are yet to end."""
        return [each for each in self.group.active() if each != self.ended]


def handle(target: Target, event: Mapping[str, Any]) -> None:
    """Take an event up: versions that S3 wrote, or a deployment of the group that ended.

    Raises InProgress and botocore's errors where the same event may do better later.
    """
    if event.get("source") == "aws.codedeploy":
        detail = event.get("detail", {})
        if _ended(target.settings, detail):
            bring_on(replace(target, ended=str(detail.get("deploymentId", ""))))
        return
    for version_id in _versions(target.settings, event):
        take_up(target, version_id)


def take_up(target: Target, version_id: str) -> None:
    """Deploy a version that was written, or the one that is newer."""
    newest = _newest(target)
    if newest is None or newest.version_id != version_id:
        _skip(target, version_id)
    if newest is not None:
        _skip_waiting(target, newest.version_id)
        _deploy(target, newest)


def bring_on(target: Target) -> None:
    """Deploy the newest version, if it waits for the group or whoever worked on it died.

    A version that no event was about yet has its own event on the way, and was perhaps there before the stack.
    """
    newest = _newest(target)
    _skip_waiting(target, newest.version_id if newest else "")
    if newest is None:
        return
    record = target.records.get(newest.version_id)
    if record is not None and not record.state.final:
        _deploy(target, newest)


def _deploy(target: Target, newest: Newest) -> None:
    record = target.records.claim(
        newest.version_id, delivery_id=newest.delivery_id, commit=newest.commit, seconds=target.lease
    )
    if record is None:
        there = target.records.get(newest.version_id)
        if there is not None and there.state.final:
            log.info("version_done_before", version=newest.version_id, state=there.state)
            return
        raise InProgress(f"Version {newest.version_id} is being deployed by someone else")
    try:
        outcome = _attempt(target, newest, record)
    except Exception as error:
        settled = _after_error(target, newest, record, error)
        if settled is None:
            raise
        outcome = settled
    _settle(target, newest.version_id, newest.delivery_id, outcome)
    if outcome.state is State.WAITING and not target.running():
        # The deployment ended before this version was noted as waiting, so its end brought nothing on.
        bring_on(target)


def _attempt(target: Target, newest: Newest, record: Record) -> Outcome:
    if record.attempts > 1 and (found := _made_before(target, newest, record)):
        return _deploying(found)
    findings = inspect(
        target.s3,
        bucket=newest.revision.bucket,
        key=newest.revision.key,
        version_id=newest.version_id,
        size=newest.size,
    )
    if findings.problems:
        return Outcome(State.REFUSED, findings.reason())
    now = _newest(target)
    if now is None or now.version_id != newest.version_id:
        return Outcome(State.SKIPPED, SUPERSEDED)
    return _create(target, newest, record, findings.advice)


def _create(target: Target, newest: Newest, record: Record, advice: list[str]) -> Outcome:
    try:
        return _deploying(target.group.create(newest.revision, description=newest.description), advice)
    except Refused as refusal:
        return Outcome(State.FAILED, str(refusal))
    except Busy as busy:
        # Also the answer to a request that was repeated because the answer to the first was lost on the way.
        if found := _made_before(target, newest, record):
            return _deploying(found, advice)
        running = target.running()
        if not running:
            raise  # nothing that could end, and so bring this version on
        log.info("group_busy", version=newest.version_id, running=running, answer=str(busy))
        target.records.add_waiting(newest.version_id)
        return Outcome(State.WAITING, f"It follows when deployment {running[0]} has ended.")


def _made_before(target: Target, newest: Newest, record: Record) -> str:
    return target.group.find(newest.revision, since=datetime.fromisoformat(record.claimed_at))


def _deploying(deployment_id: str, advice: list[str] | None = None) -> Outcome:
    reason = " ".join([f"Deployment {deployment_id} was started.", *(f"Note: {each}" for each in (advice or [])[:3])])
    return Outcome(State.DEPLOYING, reason, deployment_id)


def _after_error(target: Target, newest: Newest, record: Record, error: Exception) -> Outcome | None:
    """How it ends if this was the last try, or no try can help; else None, and the claim is let go."""
    reason = _in_words(error)
    log.exception("deploy_error", error, version=newest.version_id, failures=record.failures + 1)
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response and not may_pass(error):  # type: ignore[arg-type]
        return Outcome(State.FAILED, reason)
    if record.failures + 1 >= MAX_FAILURES:
        return Outcome(State.FAILED, f"{reason} It was tried {MAX_FAILURES} times: deploy it again by hand.")
    target.records.let_go(newest.version_id, reason=reason)
    _note(target, newest.delivery_id, Outcome(State.WAITING, f"{reason} It is tried again within minutes."))
    return None


def _in_words(error: Exception) -> str:
    if isinstance(error, Busy):
        return f"CodeDeploy takes no deployment at this moment: {error}"
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        code, operation = response["Error"].get("Code", "an error"), getattr(error, "operation_name", "a request")
        return f"AWS answered {code} to {operation}."
    return f"Unexpected {type(error).__name__}; the log of the deploy function has the details."


def _settle(target: Target, version_id: str, delivery_id: str, outcome: Outcome) -> None:
    # The delivery first: if that fails, the claim runs out, and the next event finds what was done and says so.
    _note(target, delivery_id, outcome)
    if not target.records.settle(version_id, outcome.state, reason=outcome.reason, deployment_id=outcome.deployment_id):
        log.info("claim_lost", version=version_id, state=outcome.state)
        return
    if outcome.state.final:
        target.records.remove_waiting(version_id)
    log.info(f"version_{outcome.state}", version=version_id, reason=outcome.reason, deployment=outcome.deployment_id)


def _note(target: Target, delivery_id: str, outcome: Outcome) -> None:
    """Tell the panel, by way of the delivery that brought the version."""
    if target.deliveries is None or not delivery_id:
        return
    status = DeployStatus(outcome.state)
    if not target.deliveries.note_deployment(
        delivery_id, status, reason=outcome.reason, deployment_id=outcome.deployment_id
    ):
        log.info("delivery_unknown", delivery=delivery_id)


def _skip_waiting(target: Target, newest_version_id: str) -> None:
    for version_id in target.records.waiting() - {newest_version_id}:
        _skip(target, version_id)


def _skip(target: Target, version_id: str) -> None:
    record = target.records.skip(version_id, reason=SUPERSEDED, delivery_id=_delivery_of(target, version_id))
    target.records.remove_waiting(version_id)
    if record is not None:
        log.info("version_skipped", version=version_id)
        _note(target, record.delivery_id, Outcome(State.SKIPPED, SUPERSEDED))


def _newest(target: Target) -> Newest | None:
    """None if the artifact was deleted."""
    settings = target.settings
    try:
        head = target.s3.head_object(Bucket=settings.bucket, Key=settings.key)
    except target.s3.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        # The role may list nothing but this key, and then S3 answers 403 for an object that is gone, too.
        if status == 404 or (status == 403 and not _is_listed(target)):
            return None
        raise
    noted = {name: unquote(value) for name, value in head["Metadata"].items()}
    return Newest(
        Revision(settings.bucket, settings.key, head.get("VersionId", ""), head["ETag"].strip('"')),
        size=head["ContentLength"],
        delivery_id=noted.get("delivery-id", ""),
        commit=noted.get("commit", ""),
        message=noted.get("message", ""),
    )


def _is_listed(target: Target) -> bool:
    bucket, key = target.settings.bucket, target.settings.key
    found = target.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    return any(each["Key"] == key for each in found)


def _delivery_of(target: Target, version_id: str) -> str:
    """Id of the delivery that an older version came by; empty if it has none, or is gone."""
    try:
        head = target.s3.head_object(Bucket=target.settings.bucket, Key=target.settings.key, VersionId=version_id)
    except target.s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404, 405):
            return ""
        raise
    return unquote(head["Metadata"].get("delivery-id", ""))


def _versions(settings: Settings, event: Mapping[str, Any]) -> list[str]:
    """Those of our object, each once. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    found: dict[str, None] = {}
    for record in event.get("Records", []):
        s3 = record.get("s3", {})
        bucket, key = s3.get("bucket", {}).get("name"), unquote_plus(s3.get("object", {}).get("key", ""))
        if (bucket, key) == (settings.bucket, settings.key):
            found[s3["object"].get("versionId", "")] = None
        else:
            log.info("object_of_others", bucket=bucket, key=key)
    return list(found)


def _ended(settings: Settings, detail: Mapping[str, Any]) -> bool:
    """Whether a deployment of our group ended.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
    """
    ours = (detail.get("application"), detail.get("deploymentGroup")) == (
        settings.application,
        settings.deployment_group,
    )
    return ours and detail.get("state") in ("SUCCESS", "FAILURE", "STOP")
