"""The receiver as Lambda calls it, with a stack's environment."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdas.webhook_receiver import handler as receiver_handler
from tests.lambdas import github_payloads as github
from tests.lambdas.conftest import SECRET, Stack
from tests.lambdas.webhooks import Webhook

Configure = Callable[..., None]
Send = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def configure(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    def set_environment(**variables: str) -> None:
        receiver_handler._receiver.cache_clear()
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    set_environment(
        DELIVERIES_TABLE="deliveries",
        PROVIDER_SECRET_ARN=stack.secret_arn,
        PROVIDER_KIND="github",
        REPOSITORY="acme/site",
        REFS="main,release/*,tags:v*",
        PATHS="",
        IGNORED_PATHS="",
        SKIP_CI="true",
        DELIVERY_RETENTION_DAYS="30",
        ZIP_DOWNLOAD_QUEUE_URL=stack.queue_url,
        GIT_PULL_QUEUE_URL=stack.queue_url,
        ALLOWED_IPS="",
    )
    yield set_environment
    receiver_handler._receiver.cache_clear()


@pytest.fixture
def send(configure: Configure) -> Send:
    """Posts a webhook to the stack of its kind; returns the code and the body of the answer."""

    def send(webhook: Webhook, **options: Any) -> tuple[int, dict[str, Any]]:
        configure(PROVIDER_KIND=webhook.kind)
        answer = receiver_handler.handler(webhook.event(**options), None)
        return answer["statusCode"], json.loads(answer["body"])

    return send


DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
OTHER = "3f0b0d9a-cc79-11e3-9e4f-0a5b7d3c1e22"
Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def post(configure: Configure) -> Post:
    def send(payload: object, **options: Any) -> tuple[int, dict[str, Any]]:
        event = github.event(payload, **{"secret": SECRET, **options})
        answer = receiver_handler.handler(event, None)
        return answer["statusCode"], json.loads(answer["body"])

    return send
