"""Reads the zip download queue."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

from lambdas.common import clients
from lambdas.common.app_tokens import AppTokens
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import ProviderSecret, SecretReader
from lambdas.common.queue import FetchRequest
from lambdas.common.sign_in import signed_in
from lambdas.common.worker import Context, Job, Worker, run
from lambdas.zip_download.fetch import fetch
from lambdas.zip_download.settings import Settings
from lambdas.zip_download.standing import ref_commit

Result = TypeVar("Result")


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Store the commits of a batch; returns the messages to hand back."""
    return run(_worker(), event, context)


@cache
def _worker() -> Worker:
    settings = Settings.from_environment()
    return Worker(
        table=DeliveryTable(clients.dynamodb(), settings.deliveries_table),
        sqs=clients.sqs(),
        queue_url=settings.queue_url,
        output_bucket=settings.output_bucket,
        max_receive_count=settings.max_receive_count,
        fetch=partial(_fetch, settings),
        ref_commit=partial(_ref_commit, settings),
    )


def _fetch(settings: Settings, job: Job) -> StoredArtifact:
    tls = tls_context(settings.ca_bundle)
    return _signed_in(settings, lambda secret: fetch(job, settings=settings, secret=secret, tls=tls, s3=clients.s3()))


def _ref_commit(settings: Settings, request: FetchRequest) -> str:
    tls = tls_context(settings.ca_bundle)
    return _signed_in(settings, lambda secret: ref_commit(request, settings=settings, secret=secret, tls=tls))


def _signed_in(settings: Settings, ask: Callable[[ProviderSecret], Result]) -> Result:
    return signed_in(_secrets(settings.provider_secret_arn), _tokens(settings), ask)


@cache
def _tokens(settings: Settings) -> AppTokens:
    return AppTokens(settings.api_url, tls_context(settings.ca_bundle))


@cache
def _secrets(arn: str) -> SecretReader:
    return SecretReader(clients.secrets_manager(), arn)
