"""Pushes that no webhook brought: what a provider's refs point at is compared with what came.

A ref is accounted for when its newest delivery is of the commit that it points at, whatever became of that delivery, or
when it stood there before it was mirrored: existing branches are not fetched, the first check only notes them. Any
other commit was missed, be it for an outage, a body that was too large or a webhook that is not there at all; it is put
on the queue as a delivery of its own, just as the receiver would have done. Path filters are left to the worker. Skip
marks are not looked for, as a ref does not tell its commit's message: what nobody saw is rather fetched than lost.
"""

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from deployers import catalog, templates
from deployers.aws import dynamodb, sqs
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import Operation, OperationKind, Stack, StackKind
from deployers.services import accounts, deliveries, outputs
from deployers.states import ACTIVE
from integrations.errors import InvalidValue, ProviderError, ProviderRefused
from integrations.models import DeliveryStatus, Integration, KnownHead
from integrations.providers.base import ProviderClient
from integrations.providers.records import CommitWords, RemoteRef
from integrations.services import clients, pauses, repositories
from lambdas.common import queue, statuses
from lambdas.common.deliveries import Head, timestamp
from lambdas.common.errors import InvalidName
from lambdas.common.keys import artifact_key
from lambdas.common.refs import BRANCH_PREFIX, TAG_PREFIX, Ref, RefPatterns
from teams import policy
from teams.models import User
from teams.policy import Act
from teams.services import audit

logger = logging.getLogger(__name__)

EVENT = "catch-up"
EVERY = timedelta(minutes=5)
PATIENCE = timedelta(seconds=45)
"""How long after a new commit was first seen its webhook may still come."""
MAX_SINGLE = 5
"""Up to so many refs that are named in full are asked for one by one, instead of listing all there are."""

LISTED = 1000
"""Of branches and of tags, clients list so many."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest delivery of a ref; empty where there is none."""

    delivery_id: str = ""
    commit: str = ""


def catch_up(*, integration: Integration, actor: User) -> int:
    """Check now, and wait for no webhook; returns how many missed pushes were put on the queue.

    Raises Forbidden, Refused before the stack is there, ProviderError, and the errors of AWS.
    """
    policy.require(Act.REDELIVER, user=actor, team=integration.team, integration=integration.pk)
    outputs.required(outputs.of(integration), "DeliveriesTableName")
    found = check(integration, patience=timedelta(0))
    audit.record(
        actor=actor, team=integration.team, action="integration.catch_up", target=integration, changes={"found": found}
    )
    return found


def check(integration: Integration, *, patience: timedelta = PATIENCE) -> int:
    """Compare the mirrored refs with the deliveries; returns how many missed pushes were put on the queue.

    A commit is missed once it was seen `patience` ago. The outcome is stored on the integration; errors are raised too.
    """
    now = timezone.now()
    try:
        remote = clients.client(integration.repository.provider)
        heads = _heads(remote, integration)
        # After that, so that what came meanwhile is seen.
        deliveries.sync(integration=integration, force=True)
        missed = _missed(integration, heads, now=now, patience=patience)
        if missed:
            _require_same_repository(integration)
        for head, newest in missed:
            _deliver(integration, head, newest, _words(remote, integration, head))
            _account(integration, [head])
    except (ProviderError, AwsError, InvalidValue) as error:
        Integration.objects.filter(pk=integration.pk).update(heads_problem=str(error))
        raise
    waiting = integration.known_heads.exclude(missing="").exists()
    Integration.objects.filter(pk=integration.pk).update(
        heads_problem="", heads_checked_at=now, heads_due_at=now + (PATIENCE if waiting else EVERY)
    )
    integration.refresh_from_db(fields=["heads_problem", "heads_checked_at", "heads_due_at"])
    return len(missed)


def _require_same_repository(integration: Integration) -> None:
    """A name that became free may be a stranger's by now, and nothing of his is fetched. Raises ProviderRefused."""
    repository = integration.repository
    if repository.remote_id and repositories.look(repository=repository) and repository.moved_problem:
        raise ProviderRefused(repository.moved_problem)


def _heads(remote: ProviderClient, integration: Integration) -> list[RemoteRef]:
    """The mirrored refs at the provider."""
    name, patterns = integration.repository.full_name, RefPatterns.parse(",".join(integration.refs))
    if len(patterns.globs) <= MAX_SINGLE and not any(set("*?") & set(glob) for glob in patterns.globs):
        refs = [
            TAG_PREFIX + glob.removeprefix("tags:") if glob.startswith("tags:") else BRANCH_PREFIX + glob
            for glob in patterns.globs
        ]
        commits = [(ref, remote.head(name, ref)) for ref in refs]
        return [RemoteRef(ref.split("/", 2)[2], ref, commit) for ref, commit in commits if commit]
    return [head for head in remote.refs(name) if _mirrored(head.ref, name, patterns)]


def _mirrored(full: str, repository: str, patterns: RefPatterns) -> bool:
    try:
        ref = Ref.parse(full)
        artifact_key(repository, ref)
    except InvalidName:
        return False
    return patterns.matches(ref)


def _missed(
    integration: Integration, heads: list[RemoteRef], *, now: datetime, patience: timedelta
) -> list[tuple[RemoteRef, _Newest]]:
    """The heads that no webhook brought, each with the newest delivery of its ref; the others are noted."""
    known = {head.ref: head for head in integration.known_heads.all()}
    newest = _newest_deliveries(integration, [head.ref for head in heads])
    first = integration.heads_checked_at is None
    accounted, waiting, missed = list[RemoteRef](), list[KnownHead](), list[tuple[RemoteRef, _Newest]]()
    for head in heads:
        last, before = newest.get(head.ref), known.get(head.ref)
        if last is not None:
            fine = last.commit == head.commit
        else:
            fine = before.commit == head.commit if before is not None and before.commit else first
        if fine:
            if before is None or before.commit != head.commit or before.missing:
                accounted.append(head)
            continue
        since = before.missing_since if before is not None and before.missing == head.commit else None
        if now - (since or now) >= patience:
            missed.append((head, last or _Newest(commit=before.commit if before else "")))
        elif since is None:
            commit = before.commit if before else ""
            waiting.append(
                KnownHead(integration=integration, ref=head.ref, commit=commit, missing=head.commit, missing_since=now)
            )
    _account(integration, accounted)
    _store(waiting)
    if len(heads) < LISTED:  # else a ref that is not among them may be there all the same
        integration.known_heads.exclude(ref__in=[head.ref for head in heads]).delete()
    return missed


def _newest_deliveries(integration: Integration, refs: list[str]) -> dict[str, _Newest]:
    # A push that came after the one that followed it is superseded, and received later than what stands.
    rows = (
        integration.deliveries.filter(ref__in=refs, repository__iexact=integration.repository.full_name)
        .exclude(status__in=[DeliveryStatus.REJECTED, DeliveryStatus.SUPERSEDED])
        .order_by("ref", "-received_at")
        .distinct("ref")
    )
    return {ref: _Newest(key, commit) for ref, key, commit in rows.values_list("ref", "delivery_id", "commit")}


def _account(integration: Integration, heads: Iterable[RemoteRef]) -> None:
    _store([KnownHead(integration=integration, ref=head.ref, commit=head.commit) for head in heads])


def _store(heads: list[KnownHead]) -> None:
    KnownHead.objects.bulk_create(
        heads,
        update_conflicts=True,
        unique_fields=["integration", "ref"],
        update_fields=["commit", "missing", "missing_since"],
    )


def _words(remote: ProviderClient, integration: Integration, head: RemoteRef) -> CommitWords:
    """Who wrote the commit and what it says, which no webhook told; a push is not held up by that."""
    try:
        return remote.commit_words(integration.repository.full_name, head.commit)
    except ProviderError:
        return CommitWords()


def _deliver(integration: Integration, head: RemoteRef, newest: _Newest, words: CommitWords) -> None:
    """Write the delivery and put it on the queue; may be repeated after it stopped anywhere."""
    access, found = accounts.access(integration.aws_account, integration.region), outputs.of(integration)
    table = outputs.required(found, "DeliveriesTableName")
    queue_url = outputs.required(found, outputs.queue(integration.method))
    repository, method = integration.repository.full_name, integration.method
    # The same gap has the same id, whoever finds it, and however often.
    gap = hashlib.sha256(f"{repository}|{head.ref}|{head.commit}|{newest.delivery_id}".encode()).hexdigest()
    identity, now = f"{EVENT}-{gap[:40]}", timestamp()
    filtered = bool(integration.paths or integration.ignored_paths) and head.ref.startswith(BRANCH_PREFIX)
    item = {
        "id": identity,
        "event": EVENT,
        "repository": repository,
        "ref": head.ref,
        "commit": head.commit,
        "before": newest.commit,
        "author": words.author,
        "message": words.message,
        "method": method,
        "status": statuses.DeliveryStatus.RECEIVED,
        "reason": "",
        "check_paths": filtered,
        "request_body": _explanation(head, newest),
        "received_at": now,
        "updated_at": now,
        "expires_at": int(time.time()) + _retention_days(integration) * 24 * 3600,
    }
    if not dynamodb.create(access, table=table, item=item) and not _unsent(access, table, identity):
        return
    request = queue.FetchRequest(identity, repository, head.ref, head.commit, now, method)
    sqs.send(access, queue_url=queue_url, request=request)
    dynamodb.move(
        access,
        table=table,
        delivery_id=identity,
        to=statuses.DeliveryStatus.QUEUED,
        when={statuses.DeliveryStatus.RECEIVED},
        reason=f"No webhook brought this push; it was found by a check. Queued for {method.replace('_', ' ')}",
    )
    mark = Head(identity, now, commit=head.commit, before=newest.commit)
    dynamodb.advance_head(access, table=table, repository=repository, ref=head.ref, head=mark)
    logger.info("integration %s: missed push of %s to %s", integration.pk, head.commit, head.ref)


def _unsent(access: Access, table: str, identity: str) -> bool:
    """Whether an earlier attempt wrote the delivery, and may have died before it was on the queue."""
    return dynamodb.status(access, table=table, delivery_id=identity) == statuses.DeliveryStatus.RECEIVED


def _explanation(head: RemoteRef, newest: _Newest) -> str:
    """In place of the body that never came; the reason changes as the delivery goes on."""
    came = f"the last that came of it was {newest.commit}" if newest.commit else "nothing of it ever came"
    return (
        f"No webhook brought this push. A check found {head.ref} at {head.commit} at the provider, while {came}. "
        "Either the provider could not reach the stack, or it sent nothing."
    )


def _retention_days(integration: Integration) -> int:
    chosen = integration.parameters.get(catalog.GIT.kind, {}).get("DeliveryRetentionDays")
    return int(chosen or templates.load(catalog.GIT.template)["Parameters"]["DeliveryRetentionDays"]["Default"])


def due(limit: int) -> list[UUID]:
    """Integrations to check next: those that have a stack and are not being deleted, the longest unchecked first."""
    now = timezone.now().astimezone(UTC)
    going = Operation.objects.filter(integration=OuterRef("pk"), kind=OperationKind.DELETE, status__in=sorted(ACTIVE))
    tables = Stack.objects.filter(
        integration=OuterRef("pk"), kind=StackKind.GIT, outputs__has_key="DeliveriesTableName"
    )
    found = Integration.objects.filter(Exists(tables), ~Exists(going)).filter(
        Q(heads_due_at=None) | Q(heads_due_at__lte=now)
    )
    return list(found.order_by(F("heads_due_at").asc(nulls_first=True)).values_list("pk", flat=True)[:limit])


def check_due(*, limit: int = 50, seconds: float = 45.0) -> int:
    """Check the integrations that are due, within a bounded time; returns how many missed pushes were found.

    A provider that asks for fewer calls, or cannot be reached, is left alone for as long as it says.
    """
    found, stop_at = 0, time.monotonic() + seconds
    for key in due(limit):
        if time.monotonic() > stop_at:
            break
        integration = Integration.objects.select_related("aws_account", "repository__provider").filter(pk=key).first()
        if integration is None or pauses.paused(integration.repository.provider) or not _take(integration):
            continue
        try:
            found += check(integration)
        except ProviderError as error:
            pauses.note(integration.repository.provider, error)
            logger.warning("integration %s: refs cannot be compared: %s", key, error)
        except (AwsError, InvalidValue) as error:
            logger.warning("integration %s: refs cannot be compared: %s", key, error)
    return found


def _take(integration: Integration) -> bool:
    """Whether no other worker took it since it was looked up."""
    seen, again = integration.heads_due_at, timezone.now() + EVERY
    return bool(Integration.objects.filter(pk=integration.pk, heads_due_at=seen).update(heads_due_at=again))
