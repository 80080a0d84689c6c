"""Artifacts: versions of zips in an integration's bucket."""

from deployers.aws import s3
from deployers.models import Artifact
from deployers.services import accounts
from teams import policy
from teams.models import User
from teams.policy import Act
from teams.services import audit

DOWNLOAD_SECONDS = 300


def download_url(*, artifact: Artifact, actor: User) -> str:
    """An address that downloads exactly this version for five minutes; whoever has it may. Raises Forbidden."""
    policy.require(
        Act.DOWNLOAD_ARTIFACT, user=actor, team=artifact.integration.team, integration=artifact.integration.pk
    )
    url = _url(artifact)
    audit.record(
        actor=actor,
        team=artifact.integration.team,
        action="artifact.download",
        target=artifact.integration,
        changes={"key": artifact.key, "commit": artifact.commit},
    )
    return url


def _url(artifact: Artifact) -> str:
    integration = artifact.integration
    commit = artifact.commit[:12]
    name = artifact.key.rsplit("/", 1)[-1].removesuffix(".zip")
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in name)
    return s3.download_url(
        accounts.access(integration.aws_account, integration.region),
        bucket=artifact.bucket,
        key=artifact.key,
        version_id=artifact.version_id,
        filename=f"{safe}-{commit}.zip",
        seconds=DOWNLOAD_SECONDS,
    )
