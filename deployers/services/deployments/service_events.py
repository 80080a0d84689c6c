"""Why a pipeline's deployment failed: what CloudFormation tells of the service's stack, and ECS of the service."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deployers import causes
from deployers.aws import cloudformation, ecs
from deployers.aws.ecs import Told
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import Stack
from deployers.service_causes import service_cause

LINES = 40
# The clocks of two services of AWS.
SLACK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Explanation:
    """In words, with what to do; `log` has the lines that they are from. All empty where AWS tells nothing."""

    problem: str = ""
    remedy: str = ""
    log: str = ""


def explain(stack: Stack, access: Access, *, since: datetime | None) -> Explanation:
    """What happened to the service since the deployment began. Never raises what AWS says: these are details."""
    if since is None:
        return Explanation()
    since -= SLACK
    cluster = stack.outputs.get("ECSClusterApp", "")
    told = _told(access, cluster, since) if cluster else []
    failures = _failures(access, stack.outputs.get("ServiceStackName", ""), since)
    lines = [f"{each.at:%H:%M:%S} {each.message}" for each in sorted(told, key=lambda each: each.at)]
    log = "\n".join(lines[-LINES:])
    if (found := service_cause([each.message for each in told])) is not None:
        return Explanation(found.message, found.remedy, log)
    if (cause := causes.first_cause(failures)) is not None:
        return Explanation(cause.message, cause.remedy, log)
    return Explanation(log=log)


def _told(access: Access, cluster: str, since: datetime) -> list[Told]:
    try:
        return ecs.stopped_tasks(access, cluster, since=since) + ecs.service_events(access, cluster, since=since)
    except AwsError:
        return []


def _failures(access: Access, name: str, since: datetime) -> list[cloudformation.Event]:
    try:
        return (
            [each for each in cloudformation.events(access, name, known=()) if each.timestamp >= since] if name else []
        )
    except AwsError:
        return []
