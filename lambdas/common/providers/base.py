"""What a stack's functions need to know of one kind of provider."""

from dataclasses import dataclass

from lambdas.common.providers.archives import Archive, FindConsumer, GitCredentials, no_consumer
from lambdas.common.providers.comparisons import ChangedFiles, RefCommit
from lambdas.common.providers.webhooks import WebhookFormat


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of provider; `integrations.providers` has the panel's side of it."""

    webhooks: WebhookFormat
    archive: Archive
    changed_files: ChangedFiles
    ref_commit: RefCommit
    git_credentials: GitCredentials
    consumer: FindConsumer = no_consumer
