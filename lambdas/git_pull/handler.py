"""Reads the git pull queue; invoked by hand with `{"action": "probe"}`, tries an SSH key (see `probe`)."""

from functools import cache, partial
from pathlib import Path
from typing import Any

from lambdas.common import clients
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.queue import FetchRequest
from lambdas.common.worker import Context, Job, Worker, run
from lambdas.git_pull import ssh
from lambdas.git_pull.fetch import fetch
from lambdas.git_pull.history import History
from lambdas.git_pull.probe import probe
from lambdas.git_pull.repository import ref_commit
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.workspace import folder

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
    return fetch(
        job,
        settings=settings,
        key=ssh.private_key(_key_secret(settings)),
        root=root,
        s3=clients.s3(),
        history=_history(settings.cache_bucket, root),
    )


def _ref_commit(settings: Settings, root: Path, request: FetchRequest) -> str:
    ssh.trust_only(settings.ssh_known_hosts, root / "home", host=settings.ssh_host, port=settings.ssh_port)
    key = ssh.private_key(_key_secret(settings))
    return ref_commit(
        settings.url(request.repository), request.ref, request.commit, lambda: ssh.in_seconds(key, ASKING_SECONDS)
    )


def _key_secret(settings: Settings) -> str:
    # Read for each job: the key may be rotated at any time, and a read costs less than a refused fetch.
    return clients.secrets_manager().get_secret_value(SecretId=settings.ssh_key_secret_arn)["SecretString"]
