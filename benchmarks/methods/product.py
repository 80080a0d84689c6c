"""Our own functions, called as their handlers call them."""

import time
from dataclasses import replace
from typing import Any

from benchmarks.methods import KEY, Action, Run
from lambdas.common.artifacts import Artifact
from lambdas.common.queue import FetchRequest
from lambdas.common.worker import Job

_REF = "refs/heads/main"


def zip_download(run: Run) -> Action:
    """`lambdas.zip_download`."""
    from lambdas.common import https
    from lambdas.common.provider_secret import ProviderSecret
    from lambdas.zip_download import fetch, settings

    configuration = settings.Settings(
        provider_kind="github_enterprise",
        api_url=run.api_url,
        ca_bundle=run.folder.ca.read_text(),
        provider_secret_arn="",
        **_common(run),
    )
    job, secret, s3 = _job(run, "zip_download"), ProviderSecret(git_token="token"), run.s3

    def action() -> None:
        tls = https.tls_context(configuration.ca_bundle)
        fetch.fetch(job, settings=configuration, secret=secret, tls=tls, s3=s3)

    return action


def git_pull(run: Run) -> Action:
    """`lambdas.git_pull`, with nothing in /tmp."""
    fetch, job = _git_fetch(run), _job(run, "git_pull")

    def action() -> None:
        fetch(job)

    return action


def git_pull_again(run: Run) -> Action:
    """`lambdas.git_pull` of a commit that it has fetched and stored before, in the same container."""
    fetch, job = _git_fetch(run), _job(run, "git_pull")
    before = fetch(job)
    artifact = replace(job.artifact, newest_version_id=before.version_id, newest_digest=before.content_digest)
    again = replace(job, artifact=replace(artifact, delivery_id="another"))

    def action() -> None:
        after = fetch(again)
        if after.version_id != before.version_id:
            raise AssertionError("the same content was stored twice")

    return action


def fetch_alone(run: Run) -> Action:
    """The limit of git pull: `lambdas.git_pull`'s fetch, and nothing after it."""
    from benchmarks.servers import HOST
    from lambdas.git_pull import repository, ssh

    key, url = run.folder.client_key.read_text(), run.ssh_url

    def action() -> None:
        ssh.trust_only(run.known_hosts, run.work / "home", host=HOST, port=run.ports.ssh)
        repository.fetch_commit(
            repository.directory_for(run.work / "git", url),
            url,
            _REF,
            run.commit,
            lambda: ssh.SshCallbacks(key=key, check_time=lambda: None),
            restore=lambda path: False,  # noqa: ARG005 - its signature
        )

    return action


def _git_fetch(run: Run) -> Any:
    from functools import partial

    from benchmarks.servers import HOST
    from lambdas.git_pull import fetch, history, settings

    configuration = settings.Settings(
        ssh_host=HOST,
        ssh_port=run.ports.ssh,
        ssh_user="git",
        ssh_known_hosts=run.known_hosts,
        ssh_key_secret_arn="",
        cache_bucket="empty",
        **_common(run),
    )
    return partial(
        fetch.fetch,
        settings=configuration,
        key=run.folder.client_key.read_text(),
        root=run.work,
        s3=run.s3,
        history=history.History(run.s3, configuration.cache_bucket, run.work / "git"),
    )


def _common(run: Run) -> dict[str, Any]:
    return {"deliveries_table": "", "output_bucket": run.bucket, "queue_url": "", "max_receive_count": 5}


def _job(run: Run, method: str) -> Job:
    request = FetchRequest("delivery", run.repository, _REF, run.commit, "2026-11-01T00:00:00.000000Z", method)
    artifact = Artifact(run.bucket, KEY, run.commit, _REF, "Bench", "Change", request.delivery)
    return Job(request, artifact, time.monotonic() + 900)
