"""Why a pipeline's deployment failed: what CloudFormation tells of the service's stack, and ECS of the service."""

from contextlib import suppress
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
    told = _told(access, stack.outputs.get("ECSClusterApp", ""), since)
    log = "\n".join(f"{each.at:%H:%M:%S} {each.message}" for each in told[-LINES:])
    if (found := service_cause([each.message for each in told])) is not None:
        return Explanation(found.message, found.remedy, log)
    cause = causes.first_cause(_failures(access, stack.outputs.get("ServiceStackName", ""), since))
    return Explanation(cause.message, cause.remedy, log) if cause is not None else Explanation(log=log)


def _told(access: Access, cluster: str, since: datetime) -> list[Told]:
    """What ECS says, oldest first; an account may let us read one of the two and not the other."""
    told: list[Told] = []
    for ask in (ecs.stopped_tasks, ecs.service_events) if cluster else ():
        with suppress(AwsError):
            told += ask(access, cluster, since=since)
    return sorted(told, key=lambda each: each.at)


def _failures(access: Access, name: str, since: datetime) -> list[cloudformation.Event]:
    events: list[cloudformation.Event] = []
    with suppress(AwsError):
        events = cloudformation.events(access, name, known=()) if name else []
    return [each for each in events if each.timestamp >= since]
