"""What of a repository's own buildspec.yml is certain to fail, and what is left to the build.

The shapes are those that people write: AWS's samples for ECR, scripts, make, docker compose, JSON.
"""

import pytest

from lambdas.stage_codepipeline import buildspec
from lambdas.stage_codepipeline.inspection import problem

LOG_IN = 'aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY_URI%%/*}"'
PUSH = 'docker push "$REPOSITORY_URI:$IMAGE_TAG"'
WRITE = """printf '{"tag":"%s"}' "$IMAGE_TAG" >build.json"""
ARTIFACTS = "artifacts:\n  files:\n    - build.json"


def spec(*commands: str, artifacts: str = ARTIFACTS) -> str:
    lines = "\n".join(f"      - {each}" for each in commands)
    return f"version: 0.2\nphases:\n  build:\n    commands:\n{lines}\n{artifacts}\n"


def test_our_own_can_be_deployed() -> None:
    assert problem(buildspec.DEFAULT) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (spec(LOG_IN, PUSH, WRITE, artifacts=""), "has no artifacts"),
        (spec(LOG_IN, PUSH, WRITE, artifacts="artifacts:\n  files: imagedefinitions.json"), "does not list build.json"),
        (spec("./ci/build.sh", artifacts="artifacts:\n  files:\n    - taskdef.json"), "does not list build.json"),
        (spec(LOG_IN, PUSH, f"date\n      # {WRITE}"), "writes build.json"),
        (spec(LOG_IN, "docker push shop:latest", """printf '{"tag":"latest"}' >build.json"""), "uses IMAGE_TAG"),
        (spec("echo Build started on `date`", "docker push shop", "echo '{}' > build.json"), "uses IMAGE_TAG"),
        (spec("TAG=$(date +%s)", 'docker push "shop:$TAG"', """echo '{"tag": "1"}' > build.json"""), "uses IMAGE_TAG"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_do(text: str, words: str) -> None:
    found = problem(text)
    assert words in found
    assert "docs/howto/deploy-with-ecs.md" in found


@pytest.mark.parametrize(
    "text",
    [
        spec(LOG_IN, PUSH, WRITE),
        spec("IMAGE_TAG=${IMAGE_TAG:0:12}", PUSH, WRITE),
        spec("bash build.sh"),
        spec("make image"),
        spec("cd app && make image"),
        spec("if [ -f ci.sh ]; then . ./ci.sh; fi"),
        spec("docker compose build --push", "echo '{}' >build.json"),
        spec("docker buildx bake --push", "echo '{}' >build.json"),
        spec("npm run release"),
        spec("$(aws ecr get-login --no-include-email)", "docker push shop"),
        spec("TAG=$(./tag.sh)", 'docker push "shop:$TAG"', "echo '{}' >build.json"),
        spec("TAG=`./tag.sh`", 'docker push "shop:$TAG"', "echo '{}' >build.json"),
        spec('echo "$(./tag.sh)" >build.json', "docker push shop"),
        spec("echo '{}' >$RESULT", PUSH),
        spec("aws s3 cp --recursive s3://releases/current .", PUSH),
        spec("env | sort", "echo '{}' >build.json"),
        spec("|\n          for each in a b; do\n            ./$each\n          done"),
        spec("\"./it 'says", "more'\""),
        spec(LOG_IN, PUSH, WRITE, artifacts="artifacts:\n  files: ['**/*']\n  base-directory: out"),
        spec(LOG_IN, PUSH, WRITE, artifacts="artifacts:\n  files:\n    - $RESULT"),
        spec(LOG_IN, PUSH, WRITE, artifacts="artifacts:\n  files: [out/build.json]\n  discard-paths: yes"),
        spec(LOG_IN, PUSH, WRITE, artifacts="artifacts: *all"),
        "version: 0.2\nphases:\n  build: &build\n    commands: [make]\n" + ARTIFACTS,
        "version: 0.2\nphases:\n  build:\n    commands: [./build.sh]\n" + ARTIFACTS,
        '{"version": "0.2", "phases": {"build": {"commands": ["make"]}}, "artifacts": {"files": ["build.json"]}}',
        "version: 0.2\nbatch:\n  build-list: []\nphases:\n  build:\n    commands:\n      - ls\n" + ARTIFACTS,
        "version: [",
        "",
    ],
)
def test_what_may_work_is_left_to_the_build(text: str) -> None:
    assert problem(text) == ""


def test_windows_line_ends_and_quoted_keys_are_read_alike() -> None:
    text = spec(LOG_IN, "docker push shop", "echo '{}' >build.json")
    assert "IMAGE_TAG" in problem(text.replace("\n", "\r\n"))
    assert "IMAGE_TAG" in problem(text.replace("phases:", '"phases":'))


def test_a_build_json_of_the_repository_is_one() -> None:
    text = spec(LOG_IN, PUSH)
    assert "writes build.json" in problem(text, ["Dockerfile"])
    assert problem(text, ["Dockerfile", "build.json"]) == ""


def test_versions_of_runtimes_are_no_commands() -> None:
    text = spec("docker push shop", "echo '{}' >build.json").replace(
        "phases:\n", "phases:\n  install:\n    on-failure: ABORT\n    runtime-versions:\n      python: '3.13'\n"
    )
    assert "IMAGE_TAG" in problem(text)
