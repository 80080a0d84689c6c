"""Reads the zip download queue."""

from functools import cache, partial
from typing import Any

from lambdas.common import clients
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.errors import BadCredentials
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import SecretReader
from lambdas.common.worker import Context, Job, Worker, run
from lambdas.zip_download.fetch import fetch
from lambdas.zip_download.settings import Settings


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
    )


def _fetch(settings: Settings, job: Job) -> StoredArtifact:
    secrets = _secrets(settings.provider_secret_arn)
    tls = tls_context(settings.ca_bundle)
    try:
        return fetch(job, settings=settings, secret=secrets.get(), tls=tls, s3=clients.s3())
    except BadCredentials:
        newer = secrets.get_newer()
        if newer is None:
            raise
        return fetch(job, settings=settings, secret=newer, tls=tls, s3=clients.s3())


@cache
def _secrets(arn: str) -> SecretReader:
    return SecretReader(clients.secrets_manager(), arn)
