"""ECS: what a cluster's services and stopped tasks tell of a deployment that did not work.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/Welcome.html
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client

MOST_SERVICES, MOST_TASKS = 10, 100  # as many as one call describes


@dataclass(frozen=True, slots=True)
class Told:
    """Something that ECS said, in its own words."""

    at: datetime
    message: str


def service_events(access: Access, cluster: str, *, since: datetime) -> list[Told]:
    """What the services of a cluster logged since then, with why a deployment was given up.

    ECS keeps the last hundred events of a service. Raises errors of AWS.
    """
    found = []
    with aws_faults():
        pages = client(access, "ecs").get_paginator("list_services").paginate(cluster=cluster)
        arns = [arn for page in pages for arn in page["serviceArns"]][:MOST_SERVICES]
        services = client(access, "ecs").describe_services(cluster=cluster, services=arns)["services"] if arns else []
    for service in services:
        name = service.get("serviceName", "")
        found += [Told(each["createdAt"], each["message"]) for each in service.get("events", [])]
        found += [
            Told(each["updatedAt"], f"(service {name}) {each['rolloutStateReason']}")
            for each in service.get("deployments", [])
            if each.get("rolloutState") == "FAILED" and each.get("rolloutStateReason")
        ]
    return [each for each in found if each.at >= since]


def stopped_tasks(access: Access, cluster: str, *, since: datetime) -> list[Told]:
    """Why tasks of a cluster stopped since then. ECS tells of them for about an hour.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html Raises errors of AWS.
    """
    with aws_faults():
        pages = client(access, "ecs").get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="STOPPED")
        arns = list(islice((arn for page in pages for arn in page["taskArns"]), MOST_TASKS))
        tasks = client(access, "ecs").describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    found = []
    for task in tasks:
        if "stoppedAt" not in task or task["stoppedAt"] < since:
            continue
        words = [task.get("stoppedReason", "")]
        for container in task.get("containers", []):
            code = f"exit code {container['exitCode']}" if "exitCode" in container else ""
            told = ", ".join(part for part in (container.get("reason", ""), code) if part)
            if told:
                words.append(f"container {container.get('name', '')}: {told}")
        task_id = task["taskArn"].rpartition("/")[2][:8]
        found.append(Told(task["stoppedAt"], f"(task {task_id}) {'; '.join(word for word in words if word)}"))
    return found
