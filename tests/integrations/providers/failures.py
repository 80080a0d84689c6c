"""What every kind of provider must make of an answer that is none: one of the typed errors, whatever was asked."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.errors import (
    CredentialsRejected,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
)
from integrations.providers.base import CommitState, ProviderClient
from tests.factories import COMMIT, PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET, FakeProvider

Call = Callable[[ProviderClient, str, str], Any]
"""A method called with its arguments; `hook` and `key` are ids of the form that the provider's have."""

READS: dict[str, Call] = {
    "check": lambda remote, hook, key: remote.check(),
    "search_repositories": lambda remote, hook, key: remote.search_repositories("shop"),
    "repository": lambda remote, hook, key: remote.repository(REPOSITORY),
    "refs": lambda remote, hook, key: remote.refs(REPOSITORY),
    "head": lambda remote, hook, key: remote.head(REPOSITORY, "refs/heads/main"),
    "commit_words": lambda remote, hook, key: remote.commit_words(REPOSITORY, COMMIT),
    "webhooks": lambda remote, hook, key: remote.webhooks(REPOSITORY),
    "deploy_keys": lambda remote, hook, key: remote.deploy_keys(REPOSITORY),
    "require_status_access": lambda remote, hook, key: remote.require_status_access(REPOSITORY),
    "recent_deliveries": lambda remote, hook, key: remote.recent_deliveries(REPOSITORY, hook),
}
WRITES: dict[str, Call] = {
    "install_webhook": lambda remote, hook, key: remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET),
    "ping_webhook": lambda remote, hook, key: remote.ping_webhook(REPOSITORY, hook),
    "remove_webhook": lambda remote, hook, key: remote.remove_webhook(REPOSITORY, hook),
    "add_deploy_key": lambda remote, hook, key: remote.add_deploy_key(
        REPOSITORY, title="Sluice", public_key=PUBLIC_KEY
    ),
    "remove_deploy_key": lambda remote, hook, key: remote.remove_deploy_key(REPOSITORY, key),
    "redeliver": lambda remote, hook, key: remote.redeliver(REPOSITORY, hook, "1"),
    "set_commit_status": lambda remote, hook, key: remote.set_commit_status(
        REPOSITORY, COMMIT, state=CommitState.SUCCESS, target_url="https://s.example", description="", context="sluice"
    ),
}
ALL = READS | WRITES
UNREAD = {"ping_webhook", "remove_webhook", "remove_deploy_key", "redeliver", "set_commit_status"}
"""What does not need to read an answer: its status says it all."""
LENIENT = {"head", "ping_webhook", "remove_webhook", "remove_deploy_key", "redeliver"}
"""What may answer None, False or nothing when there is no such thing."""


def outcome(
    remote: ProviderClient, fake: FakeProvider, method: str, status: int, body: str | bytes | Exception, **headers: str
) -> tuple[ProviderError | None, Any]:
    """What comes of a method when every call is answered so: an error or a result.

    Both are None for what the provider has no call for.
    """
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    key = remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    fake.mock.reset()
    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        fake.mock.add(verb, re.compile(".*"), body=body, status=status, headers=headers)
    try:
        result = ALL[method](remote, hook.id, key.id)
    except ProviderError as error:
        return error, None
    return None, result if fake.mock.calls else None


class FailureContract:
    """The tests; `fake` is the provider, and `remote` our client of it."""

    @pytest.mark.parametrize("method", ALL)
    def test_401_is_about_the_credentials(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, _ = outcome(remote, fake, method, 401, '{"message": "No"}')
        assert isinstance(error, CredentialsRejected) or not fake.mock.calls
        assert error is None or (error.remedy and not error.retryable)

    @pytest.mark.parametrize("method", ALL)
    def test_403_is_about_permissions(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, _ = outcome(remote, fake, method, 403, '{"message": "No"}')
        # A repository that must not be seen is not found.
        assert isinstance(error, PermissionMissing | NotFoundAtProvider) or not fake.mock.calls

    @pytest.mark.parametrize("method", ALL)
    def test_404_is_told_or_means_that_it_is_gone(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, result = outcome(remote, fake, method, 404, '{"message": "No"}')
        if error is None:
            assert method in LENIENT or not fake.mock.calls
            assert result in (None, False)
        else:
            assert isinstance(error, NotFoundAtProvider)

    @pytest.mark.parametrize("status", [400, 409, 422])
    @pytest.mark.parametrize("method", ALL)
    def test_other_refusals_are_told(self, remote: ProviderClient, fake: FakeProvider, method: str, status: int):
        error, result = outcome(remote, fake, method, status, '{"message": "No way"}')
        if error is None:
            assert method in LENIENT or not fake.mock.calls
            assert result in (None, False)
        else:
            assert isinstance(error, ProviderRefused)
            assert not error.retryable

    @pytest.mark.parametrize("method", ALL)
    def test_429_says_when_to_come_back(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, _ = outcome(remote, fake, method, 429, "Slow down", **{"Retry-After": "77"})
        if fake.mock.calls:
            assert isinstance(error, ProviderRateLimited)
            assert error.retry_after == 77
            assert len(fake.mock.calls) == 1, "who is asked for fewer calls makes no more"

    @pytest.mark.parametrize("method", ALL)
    def test_500_may_pass(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, _ = outcome(remote, fake, method, 500, "<html>Oops</html>")
        assert isinstance(error, ProviderUnreachable) or not fake.mock.calls

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_gateway_that_fails_is_asked_again(self, remote: ProviderClient, fake: FakeProvider, status: int):
        error, _ = outcome(remote, fake, "repository", status, "<html>Oops</html>")
        assert isinstance(error, ProviderUnreachable)
        assert len(fake.mock.calls) == 3

    @pytest.mark.parametrize("method", ALL)
    def test_no_answer_in_time_may_pass(self, remote: ProviderClient, fake: FakeProvider, method: str):
        error, _ = outcome(remote, fake, method, 200, requests.ReadTimeout("Read timed out."))
        assert isinstance(error, ProviderUnreachable) or not fake.mock.calls
        assert error is None or error.retryable

    @pytest.mark.parametrize("failure", [requests.ConnectTimeout("c"), requests.ConnectionError("x")])
    def test_no_connection_may_pass(self, remote: ProviderClient, fake: FakeProvider, failure: Exception):
        error, _ = outcome(remote, fake, "check", 200, failure)
        assert isinstance(error, ProviderUnreachable)

    @pytest.mark.parametrize("body", ["<html></html>", "null", "[7]"])
    @pytest.mark.parametrize("method", ALL)
    def test_what_is_not_the_providers_api_is_told(
        self, remote: ProviderClient, fake: FakeProvider, method: str, body: str
    ):
        error, result = outcome(remote, fake, method, 200, body)
        if error is None:
            assert method in UNREAD or result is None
        else:
            assert isinstance(error, UnexpectedAnswer)

    @pytest.mark.parametrize("body", ["", "{", '"text"', "7", "[" * 100_000, '{"name": "\ud800"}', "\x00", "\xff"])
    def test_what_is_hardly_json_is_told(self, remote: ProviderClient, fake: FakeProvider, body: str):
        error, _ = outcome(remote, fake, "repository", 200, body.encode("utf-8", "surrogatepass"))
        assert isinstance(error, UnexpectedAnswer)
        assert str(error)
