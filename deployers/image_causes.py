"""Why an image could not be built, pulled or started, in words: what Docker, registries and the kernel say of it.

- Docker Hub's limits for those who are not signed in, by source address:
  https://docs.docker.com/docker-hub/usage/pulls/
  https://repost.aws/knowledge-center/ecs-pull-container-error-rate-limit
- the public registry of AWS: https://docs.aws.amazon.com/AmazonECR/latest/public/public-service-quotas.html
- what a private one says: https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors.html
"""

import re

IMAGE_CAUSES = (
    (
        re.compile(
            r"public\.ecr\.aws.*(toomanyrequests|Rate exceeded|429)|toomanyrequests: (Rate|Data) ", re.IGNORECASE
        ),
        (
            "The public registry of AWS limits pulls by those who are not signed in. Retry in a minute. "
            "Where it happens often, sign in (aws ecr-public get-login-password --region us-east-1), or copy the image "
            "to ECR."
        ),
    ),
    (
        re.compile(r"toomanyrequests|pull rate limit|429 Too Many Requests", re.IGNORECASE),
        (
            "Docker Hub limits pulls by source address, and builds share theirs with other customers of AWS. Take the "
            "base image from public.ecr.aws/docker/library/ or an ECR repository of yours, or sign in to Docker Hub."
        ),
    ),
    (
        re.compile(r"no basic auth credentials|authorization token has expired", re.IGNORECASE),
        (
            "Docker was not signed in to that registry. Sign in before the pull or push: aws ecr get-login-password | "
            'docker login --username AWS --password-stdin "${REPOSITORY_URI%%/*}".'
        ),
    ),
    (
        re.compile(r"pull access denied|repository does not exist or may require", re.IGNORECASE),
        "There is no such image, or it is private. Check the name and tag in FROM; sign in first where it is private.",
    ),
    (
        re.compile(r"manifest unknown|manifest for \S+ not found|: not found: manifest", re.IGNORECASE),
        "The registry has no image with that tag. Check the name and tag in FROM.",
    ),
    (
        re.compile(
            r"tag is immutable|ImageTagAlreadyExists|cannot be overwritten because the repository", re.IGNORECASE
        ),
        "That tag is in the registry already, and tags are immutable. Push another commit, or look for it first.",
    ),
    (
        re.compile(
            r"no match(ing manifest)? for (platform|linux)|does not match the specified platform", re.IGNORECASE
        ),
        "The base image is not made for this kind of processor. Take one that is, or build for another.",
    ),
    (
        re.compile(r"exec format error", re.IGNORECASE),
        "The image is for another kind of processor than the tasks run on. Build it for theirs.",
    ),
    (
        re.compile(r"no space left on device", re.IGNORECASE),
        "The disk is full. Make the image smaller, or leave less in the build's folder (.dockerignore).",
    ),
)
"""Pattern and remedy, the more certain the earlier."""


def build_cause(log: str) -> tuple[str, str] | None:
    """The line of a build's log that says why it failed, and what to do; None where none is known."""
    for pattern, remedy in IMAGE_CAUSES:
        for line in log.splitlines():
            if pattern.search(line):
                return line.strip()[:500], remedy
    return None
