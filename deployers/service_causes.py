"""Why an ECS service did not take a new image, in words, from what ECS and CloudFormation said of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployers.image_causes import IMAGE_CAUSES


@dataclass(frozen=True, slots=True)
class ServiceCause:
    """What ECS said, and what a person can do about it."""

    message: str
    remedy: str


# The closer to the cause the earlier: that a deployment was given up only follows from what its tasks met.
_CAUSES = (
    *IMAGE_CAUSES,
    (
        re.compile(r"CannotPull\w*|pull image manifest|image .* not found", re.IGNORECASE),
        "The image cannot be pulled. Tasks need a way to ECR: public subnets, private ones with NAT, or VPC endpoints.",
    ),
    (
        re.compile(r"ResourceInitializationError|unable to (pull|retrieve) secret", re.IGNORECASE),
        "A task could not start. Look at the secrets and the logs that it is to get, and at its way to them.",
    ),
    (
        re.compile(r"OutOfMemory|exit code 137\b", re.IGNORECASE),
        "The container takes more memory than it may. Raise TaskMemory in the settings and provision.",
    ),
    (
        re.compile(r"Essential container .*exited|exit code [1-9]", re.IGNORECASE),
        "The container ends by itself. Its own log, in the service's log group, says why.",
    ),
    (
        re.compile(r"failed (container|ELB|elb|Route 53)? ?health checks|is unhealthy|health check", re.IGNORECASE),
        "The container runs, but does not answer: it has to listen on ContainerPort and answer HealthCheckPath.",
    ),
    (
        re.compile(r"unable to place a task|insufficient (CPU|memory)|no container instance", re.IGNORECASE),
        "The cluster has no room. Raise MaxCapacity, take a larger instance type, or smaller TaskCpu and TaskMemory.",
    ),
    (
        re.compile(r"circuit breaker|deployment failed|tasks failed to start", re.IGNORECASE),
        "ECS gave up, as the new tasks did not become healthy. Their logs, in the service's log group, say why.",
    ),
)


def service_cause(messages: Sequence[str]) -> ServiceCause | None:
    """The message that is closest to the cause; of several alike, the first. None if there is none that is known."""
    for pattern, remedy in _CAUSES:
        for message in messages:
            if pattern.search(message):
                return ServiceCause(message, remedy)
    return None
