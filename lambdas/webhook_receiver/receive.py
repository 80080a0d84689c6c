"""Decides about one webhook request: accepted, ignored or rejected, each with a reason, each written down.

An accepted change is written as `received`, sent, and then moved to `queued`. Whatever dies in between, the same
delivery sent again goes on where it stopped, and one that was queued is never queued twice.

A change may be an old one: a webhook that came late, or one that was caught and is sent again under another id, as
ids are not signed. Or it is new and only looks so, as a branch does that was deleted and made again at an older commit.
Only the provider knows: such a change is queued as `doubted`, and the worker asks where the ref stands before it stores
anything over what came after. A push that was ignored is remembered too: its ref may be mirrored later, and whoever
caught it could then send it as that ref's first.
"""

import hashlib
import ipaddress
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdas.common import log, queue
from lambdas.common.deliveries import DeliveryTable, Head, Item, timestamp
from lambdas.common.errors import BadSignature, BadSource, BodyTooLarge, InvalidName, WebhookError
from lambdas.common.keys import artifact_key
from lambdas.common.provider_secret import SecretReader
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.webhooks import PushEvent, WebhookFormat, WebhookRequest
from lambdas.common.refs import Ref, RefKind
from lambdas.common.signatures import secret_id
from lambdas.common.statuses import DeliveryStatus
from lambdas.webhook_receiver.request import Request
from lambdas.webhook_receiver.settings import Network, Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_BODY = 6 * 1024 * 1024
"""Bytes. What Lambda takes at all: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
MAX_REJECTED_BODY = 2 * 1024
REJECTED_RETENTION_DAYS = 7
MAX_REJECTED = 5
"""Requests a minute that are written down though they were not accepted."""
ASKED_AGAIN = frozenset({DeliveryStatus.FAILED, DeliveryStatus.IGNORED})
"""A delivery that ended so and is sent again was sent by a person, who has changed something since."""
MAX_IGNORED = 50
"""Changes of one push that are logged as ignored; who pushes thousands of refs is answered in time nevertheless."""
SYSTEM_HOOK = "System Hook"
"""https://docs.gitlab.com/administration/system_hooks/"""
METHODS = {"zipdl": "zip_download", "gitpull": "git_pull"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider is told."""

    code: int
    delivery: str
    status: str
    reason: str


@dataclass(frozen=True)
class Receiver:
    """What a container keeps between requests."""

    settings: Settings
    table: DeliveryTable
    secrets: SecretReader
    sqs: "SQSClient"

    @property
    def format(self) -> WebhookFormat:
        """How this stack's provider writes. Raises KeyError for a kind that is not known."""
        return PROVIDERS[self.settings.provider_kind].webhooks


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an accepted change beside what the webhook says."""

    identity: str
    check_paths: bool
    """Whether the worker is to look which files it changes."""
    repeated: bool
    """Whether its signed body came before, under another id."""


def receive(receiver: Receiver, request: Request) -> Answer:
    """Handle one request. Raises botocore's errors if the table, the queue or the secret cannot be reached."""
    if request.path not in METHODS:
        return Answer(404, "", "rejected", f"There is no webhook at /{request.path[:50]}")
    try:
        _check_source(receiver.settings, request)
        request = replace(request, secret_id=_verify(receiver, request))
        webhook = receiver.format.parse(request.headers, request.body)
    except WebhookError as error:
        return _reject(receiver, request, error)
    if not webhook.changes:
        identity, reason = delivery_id(webhook, request), _why_nothing(webhook)
        return _ignore(receiver, request, webhook, None, identity=identity, reason=reason)
    answers = _changes(receiver, request, webhook)
    return next((answer for answer in answers if answer.code == 202), answers[0])


def delivery_id(webhook: WebhookRequest, request: Request, number: int = 1) -> str:
    """Id in our table of the n-th change of a delivery: the provider's own, made safe, or else one from the body."""
    own = re.sub(r"[^A-Za-z0-9._-]", "-", webhook.delivery_id)[:100]
    if not own or own.startswith("rejected-"):
        own = "body-" + hashlib.sha256(webhook.event.encode() + b"\0" + request.body).hexdigest()[:40]
    return own if number == 1 else f"{own}-{number}"


def _check_source(settings: Settings, request: Request) -> None:
    if settings.allowed_ips and not _is_within(settings.allowed_ips, request.source_ip):
        raise BadSource(f"Requests from {request.source_ip[:50]} are not allowed (AllowedIps)")
    if len(request.body) > MAX_BODY:
        raise BodyTooLarge(f"The body is larger than {MAX_BODY // 1024 // 1024} MB")


def _is_within(networks: tuple[Network, ...], source_ip: str) -> bool:
    try:
        address = ipaddress.ip_address(source_ip)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _verify(receiver: Receiver, request: Request) -> str:
    """The id of the secret that the request is signed with. Raises BadSignature."""
    check = receiver.format.verify
    secrets = receiver.secrets.get().webhook_secrets
    try:
        check(request.headers, request.body, secrets)
    except BadSignature:
        newer = receiver.secrets.get_newer()
        if newer is None and not secrets:
            raise BadSignature("This stack has no webhook secret (ApiSecret), so it accepts nothing") from None
        if newer is None:
            raise
        secrets = newer.webhook_secrets
        check(request.headers, request.body, secrets)
    return next(secret_id(secret) for secret in secrets if _signs(check, request, secret))


def _signs(check: Callable[[Mapping[str, str], bytes, Sequence[str]], None], request: Request, secret: str) -> bool:
    try:
        check(request.headers, request.body, (secret,))
    except BadSignature:
        return False
    return True


def _why_nothing(webhook: WebhookRequest) -> str:
    if webhook.is_ping:
        return "ping: the webhook works"
    if webhook.is_push:
        return f"{webhook.event[:50]}: the push lists no change"
    if webhook.event == SYSTEM_HOOK:
        return f"{SYSTEM_HOOK}: a system hook of GitLab's tells of every project; add a webhook to the project instead"
    return f"{webhook.event[:50]}: only pushes are mirrored"


def _why_not(settings: Settings, change: PushEvent, ref: Ref) -> str:
    """Why a change is not mirrored; empty if it is."""
    if settings.repository and change.repository.lower() != settings.repository.lower():
        return f"This stack mirrors {settings.repository}, not {change.repository}"
    if not settings.refs.matches(ref):
        return f"{ref.kind} `{ref.name}` matches none of {settings.refs}"
    if change.commit is None:
        return f"The {ref} was deleted; its artifacts are kept"
    try:
        artifact_key(change.repository, ref)
    except InvalidName as error:
        return str(error)
    return _why_unneeded(settings, change, ref)


def _why_unneeded(settings: Settings, change: PushEvent, ref: Ref) -> str:
    if ref.kind is RefKind.TAG:  # made on purpose, and often on a commit whose message a release tool wrote
        return ""
    if settings.skip_ci and change.skip_ci:
        return "the commit's message says [skip ci] or [ci skip]"
    return settings.paths.why_not(change.files) if change.files is not None else ""


def _changes(receiver: Receiver, request: Request, webhook: WebhookRequest) -> list[Answer]:
    settings, answers, ignored = receiver.settings, list[Answer](), 0
    repeated = _is_repeated(receiver, request, webhook)
    for number, change in enumerate(webhook.changes, start=1):
        identity, ref = delivery_id(webhook, request, number), Ref.parse(change.ref)
        reason = _why_not(settings, change, ref)
        if not reason:
            # Providers differ in how they write a name's case; an artifact has one key.
            named = replace(change, repository=settings.repository or change.repository)
            check_paths = bool(settings.paths) and change.files is None and ref.kind is RefKind.BRANCH
            known = Known(identity, check_paths=check_paths, repeated=repeated)
            answers.append(_accept(receiver, request, webhook, named, known))
        elif ignored < MAX_IGNORED:
            ignored += 1
            answers.append(_ignore(receiver, request, webhook, change, identity=identity, reason=reason))
    return answers


def _is_repeated(receiver: Receiver, request: Request, webhook: WebhookRequest) -> bool:
    """Whether another delivery brought the same signed body before, while that is kept."""
    identity = delivery_id(webhook, request)
    signed = receiver.format.signed(request.headers, request.body)
    expires_at = _expiry(receiver.settings.retention_days)
    return receiver.table.first_with_body(signed, delivery_id=identity, expires_at=expires_at) != identity


def _accept(receiver: Receiver, request: Request, webhook: WebhookRequest, change: PushEvent, known: Known) -> Answer:
    identity, head = known.identity, receiver.table.head(change.repository, change.ref)
    doubted = _is_doubted(head, change, identity, repeated=known.repeated)
    item = _item(receiver, request, webhook, change) | {
        "id": identity,
        "status": DeliveryStatus.RECEIVED,
        "reason": "",
        "check_paths": known.check_paths,
        "doubted": doubted,
    }
    if not receiver.table.create(item):
        before = receiver.table.get(identity) or item
        if before["status"] in ASKED_AGAIN and before.get("commit") == change.commit:
            # One that was ignored may be sent again at any time since, by whoever caught it.
            was_ignored = before["status"] == DeliveryStatus.IGNORED
            doubted = _is_doubted(head, change, identity, repeated=known.repeated or was_ignored)
            before |= {"requeued_at": timestamp(), "doubted": doubted}
            receiver.table.move(
                identity,
                DeliveryStatus.RECEIVED,
                when=ASKED_AGAIN,
                requeued_at=before["requeued_at"],
                doubted=doubted,
                reason="Sent again by the provider",
            )
        elif before["status"] != DeliveryStatus.RECEIVED:
            return Answer(200, identity, before["status"], f"Already received at {before['received_at']}")
        item = before
    return _enqueue(receiver, request, item)


def _is_doubted(head: Head, change: PushEvent, identity: str, *, repeated: bool) -> bool:
    """Whether the change may be older than the ref's newest delivery: it does not start where that one ended.

    Or it does, or the ref has none yet, and its body came before.
    """
    if head.delivery_id == identity or head.commit == change.commit:
        return False
    return repeated or (bool(head.commit) and change.before != head.commit)


def _enqueue(receiver: Receiver, request: Request, item: Item) -> Answer:
    identity, repository, ref = item["id"], item["repository"], item["ref"]
    fetch = queue.FetchRequest(identity, repository, ref, item["commit"], item["received_at"], item["method"])
    queue_url = receiver.settings.queue_urls[request.path]
    queue.send(receiver.sqs, queue_url, fetch, requeued_at=item.get("requeued_at", ""))
    reason = f"Queued for {item['method'].replace('_', ' ')}"
    if item.get("doubted"):
        reason += ", if the provider says that this is its newest commit"
    receiver.table.move(identity, DeliveryStatus.QUEUED, when={DeliveryStatus.RECEIVED}, reason=reason)
    if not item.get("doubted"):  # else the worker does, once the provider says so
        receiver.table.advance_head(
            repository, ref, Head(identity, item["received_at"], commit=item["commit"], before=item["before"])
        )
    log.info("delivery_queued", delivery=identity, repository=repository, ref=ref, commit=item["commit"])
    return Answer(202, identity, DeliveryStatus.QUEUED, reason)


def _ignore(
    receiver: Receiver,
    request: Request,
    webhook: WebhookRequest,
    change: PushEvent | None,
    *,
    identity: str,
    reason: str,
) -> Answer:
    item = _item(receiver, request, webhook, change)
    receiver.table.create(item | {"id": identity, "status": DeliveryStatus.IGNORED, "reason": reason})
    log.info("delivery_ignored", delivery=identity, reason=reason)
    return Answer(200, identity, DeliveryStatus.IGNORED, reason)


def _reject(receiver: Receiver, request: Request, error: WebhookError) -> Answer:
    """Log a request that is not accepted, under an id of ours: a forgery must not take the place of a real delivery.

    Anybody may send those, as many as the API lets through. All are counted, and the first few a minute written down.
    """
    identity, reason = f"rejected-{request.id}", str(error)
    minute, kept_until = timestamp()[:16], _expiry(min(receiver.settings.retention_days, REJECTED_RETENTION_DAYS))
    count = receiver.table.count_rejected(minute, expires_at=kept_until)
    log.info("delivery_rejected", delivery=identity, reason=reason, source_ip=request.source_ip, this_minute=count)
    if count > MAX_REJECTED:
        return Answer(error.http_status, "", DeliveryStatus.REJECTED, reason)
    more = ". More that are rejected in this minute are counted, and not listed" if count == MAX_REJECTED else ""
    claimed = re.sub(r"[^A-Za-z0-9._-]", "-", receiver.format.delivery_id(request.headers))[:100]
    receiver.table.create(
        {
            "id": identity,
            "provider_delivery_id": claimed,
            "method": METHODS[request.path],
            "status": DeliveryStatus.REJECTED,
            "reason": reason + more,
            "expires_at": kept_until,
            **request.stored(MAX_REJECTED_BODY),
        }
    )
    return Answer(error.http_status, identity, DeliveryStatus.REJECTED, reason)


def _item(receiver: Receiver, request: Request, webhook: WebhookRequest, change: PushEvent | None) -> Item:
    """What the table keeps of a signed request, but for its id and what was decided."""
    now = timestamp()
    item: Item = {
        "provider_delivery_id": webhook.delivery_id[:200],
        "event": webhook.event[:100],
        "repository": webhook.repository,
        "sender": webhook.sender,
        "method": METHODS[request.path],
        "secret_id": request.secret_id,
        "received_at": now,
        "updated_at": now,
        "expires_at": _expiry(receiver.settings.retention_days),
        **request.stored(),
    }
    if change is not None:
        item |= {
            "repository": change.repository,
            "ref": change.ref,
            "commit": change.commit or "",
            "before": change.before,
            "sender": change.sender,
            "author": change.author,
            "message": change.message,
        }
    return item


def _expiry(days: int) -> int:
    return int(time.time()) + days * 24 * 3600
