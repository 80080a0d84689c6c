import json

import boto3
import pytest

from lambdas.common.provider_secret import ProviderSecret, SecretReader
from tests.lambdas.conftest import SECRET, Stack


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_missing_values_are_absent_and_unknown_ones_left_alone() -> None:
    secret = ProviderSecret.from_json('{"webhook_secret": "s", "git_token": null, "added_later": "x"}')

    assert (secret.webhook_secrets, secret.git_token) == (("s",), "")
    assert ProviderSecret.from_json("{}").webhook_secrets == ()


def test_nothing_secret_is_in_the_repr_or_in_errors() -> None:
    values = dict.fromkeys(ProviderSecret.__slots__, "canary")
    assert "canary" not in repr(ProviderSecret.from_json(json.dumps(values)))
    with pytest.raises(ValueError, match="not JSON") as caught:
        ProviderSecret.from_json("canary")
    assert "canary" not in str(caught.value)


def test_the_secret_is_read_again_after_a_minute(stack: Stack) -> None:
    clock = Clock()
    reader = SecretReader(boto3.client("secretsmanager"), stack.secret_arn, clock=clock)
    assert reader.get().webhook_secret == SECRET
    stack.set_secret(webhook_secret="new")

    clock.now += 59
    assert reader.get().webhook_secret == SECRET
    clock.now += 2
    assert reader.get().webhook_secret == "new"


def test_a_newer_secret_is_looked_for_every_five_seconds_at_most(stack: Stack) -> None:
    clock = Clock()
    reader = SecretReader(boto3.client("secretsmanager"), stack.secret_arn, clock=clock)
    reader.get()
    stack.set_secret(webhook_secret="new")

    clock.now += 4
    assert reader.get_newer() is None
    clock.now += 2
    assert reader.get_newer() == ProviderSecret(webhook_secret="new")
    clock.now += 6
    assert reader.get_newer() is None, "it has not changed since"
