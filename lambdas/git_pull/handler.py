"""Reads the git pull queue; invoked by hand with `{"action": "probe"}`, tries an SSH key (see `probe`)."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from lambdas.common import clients
from lambdas.common.app_tokens import AppTokens
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.errors import TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import ProviderSecret, SecretReader
from lambdas.common.providers import PROVIDERS
from lambdas.common.queue import FetchRequest
from lambdas.common.sign_in import consumer_token, signed_in
from lambdas.common.worker import Context, Job, Worker, run
from lambdas.git_pull import ssh
from lambdas.git_pull.fetch import fetch
from lambdas.git_pull.history import History
from lambdas.git_pull.probe import probe
from lambdas.git_pull.relay import Credentials
from lambdas.git_pull.repository import ref_commit
from lambdas.git_pull.settings import HTTPS, Settings
from lambdas.git_pull.transports import opened
from lambdas.git_pull.workspace import folder

Result = TypeVar("Result")

KEEP_TIME = 30_000
"""Milliseconds that must be left for the copies of repositories to be written."""
ASKING_SECONDS = 20.0
"""To ask the Git server where a ref stands."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Store the commits of a batch; returns the messages to hand back."""
    root = folder(context.function_name)
    if event.get("action") == "probe":
        return probe(event, settings=_settings(), key_secret=_key_secret(_settings()), root=root)
    answer = run(_worker(root), event, context)
    if context.get_remaining_time_in_millis() > KEEP_TIME:
        _history(_settings().cache_bucket, root).keep()  # only now, as no artifact should wait for it
    return answer


@cache
def _settings() -> Settings:
    return Settings.from_environment()


@cache
def _history(bucket: str, root: Path) -> History:
    return History(clients.s3(), bucket, root / "git")


@cache
def _worker(root: Path) -> Worker:
    settings = _settings()
    return Worker(
        table=DeliveryTable(clients.dynamodb(), settings.deliveries_table),
        sqs=clients.sqs(),
        queue_url=settings.queue_url,
        output_bucket=settings.output_bucket,
        max_receive_count=settings.max_receive_count,
        fetch=partial(_fetch, settings, root),
        ref_commit=partial(_ref_commit, settings, root),
    )


def _fetch(settings: Settings, root: Path, job: Job) -> StoredArtifact:
    history = _history(settings.cache_bucket, root)

    def ask(key: str, credentials: Credentials | None) -> StoredArtifact:
        return fetch(
            job, settings=settings, key=key, credentials=credentials, root=root, s3=clients.s3(), history=history
        )

    return _with_access(settings, ask)


def _ref_commit(settings: Settings, root: Path, request: FetchRequest) -> str:
    deadline = time.monotonic() + ASKING_SECONDS

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise TemporaryFailure("The Git server did not answer in time")

    def ask(key: str, credentials: Credentials | None) -> str:
        with opened(settings, key=key, credentials=credentials, root=root, check_time=check_time) as way:
            url = way.url(request.repository)
            return ref_commit(url, request.ref, request.commit, way.callbacks, partial(way.failure, request.repository))

    return _with_access(settings, ask)


def _with_access(settings: Settings, ask: Callable[[str, Credentials | None], Result]) -> Result:
    """What `ask` answers with the SSH key, or with what makes headers for HTTPS."""
    if settings.transport != HTTPS:
        return ask(ssh.private_key(_key_secret(settings)), None)
    provider, tls = PROVIDERS[settings.provider_kind], tls_context(settings.ca_bundle)
    tokens = _tokens(settings)

    def signed(secret: ProviderSecret) -> Result:
        consumer = provider.consumer(settings.api_url, secret)
        if consumer is not None:
            secret = replace(secret, git_token=consumer_token(consumer, tls))
        # Completed anew for each request: an app's token may end in the middle of a long fetch.
        return ask("", lambda: provider.git_credentials(tokens.completed(secret)))

    return signed_in(_secrets(settings.provider_secret_arn), tokens, signed)


@cache
def _tokens(settings: Settings) -> AppTokens:
    return AppTokens(settings.api_url, tls_context(settings.ca_bundle))


@cache
def _secrets(arn: str) -> SecretReader:
    return SecretReader(clients.secrets_manager(), arn)


def _key_secret(settings: Settings) -> str:
    # Read for each job: the key may be rotated at any time, and a read costs less than a refused fetch.
    return clients.secrets_manager().get_secret_value(SecretId=settings.ssh_key_secret_arn)["SecretString"]
