"""The forms of Bitbucket Cloud's API: paths, lists, webhooks, and what Atlassian publishes for everybody.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from integrations.errors import InvalidValue, NotFoundAtProvider
from integrations.http import HttpClient
from integrations.providers.answers import Reader, networks
from integrations.providers.full_names import owner_and_name
from integrations.providers.public_keys import key_blob
from integrations.providers.records import RemoteWebhook

PAGE_LENGTH = 100  # the most that Bitbucket gives of most lists
PAGES = 10  # of one list, read at most
MAX_STATUS_KEY = 40  # characters
IP_RANGES = "https://ip-ranges.atlassian.com"
READ = Reader("Bitbucket")
_UUID = re.compile(r"[0-9a-fA-F-]{32,36}")


def checked(full_name: str) -> str:
    """`full_name`, a workspace and a repository. Raises InvalidValue."""
    return owner_and_name(full_name, written="workspace/repository")


def path(full_name: str) -> str:
    """Where a repository is below the API's root. Raises InvalidValue."""
    return f"/repositories/{quote(checked(full_name), safe='/')}"


def uid(id: str) -> str:  # noqa: A002
    """A webhook's id as it stands in a path, where Bitbucket wants it in braces. Raises InvalidValue."""
    if not _UUID.fullmatch(id):
        raise InvalidValue("Bitbucket's webhooks have UUIDs.")
    return quote(f"{{{id}}}", safe="")


def webhook(hook: Mapping[str, Any]) -> RemoteWebhook:
    """A webhook as the API describes it; our id is its UUID without the braces."""
    id_ = READ.text(hook, "uuid").strip("{}")
    if not _UUID.fullmatch(id_):
        raise READ.unexpected("uuid is no UUID")
    return RemoteWebhook(id=id_, url=str(hook.get("url") or ""), active=hook.get("active") is True)


def status_key(context: str) -> str:
    """`context`, or a start of it made unique where Bitbucket's limit is shorter."""
    if len(context) <= MAX_STATUS_KEY:
        return context
    return f"{context[: MAX_STATUS_KEY - 9]}-{hashlib.sha256(context.encode()).hexdigest()[:8]}"


def next_url(body: Mapping[str, Any]) -> str | None:
    """The address of a list's next page; None on the last."""
    following = body.get("next")
    return following if isinstance(following, str) and following else None


def values(http: HttpClient, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """What a list has on its first pages.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination: `next` is followed, not made up.
    """
    body = READ.record(http.get(path, params={"pagelen": PAGE_LENGTH, **(params or {})}))
    for _ in range(PAGES - 1):
        yield from READ.records(body.get("values"))
        following = next_url(body)
        if following is None:
            return
        body = READ.record(http.get(following))
    yield from READ.records(body.get("values"))


def host_keys(http: HttpClient, host: str) -> list[str]:
    """The SSH host keys of `host`, which the web site publishes as lines of a known_hosts file.

    https://support.atlassian.com/bitbucket-cloud/docs/configure-ssh-and-two-step-verification/
    """
    try:
        text = http.get("/site/ssh", accept="text/plain").content.decode("utf-8", "replace")
    except NotFoundAtProvider:
        return []
    keys = []
    for line in text.splitlines():
        name, _, key = line.strip().partition(" ")
        with suppress(ValueError):
            if name == host and key_blob(key):
                keys.append(" ".join(key.split()[:2]))
    return keys


def webhook_networks(http: HttpClient) -> list[str] | None:
    """The networks from which Bitbucket calls out, by Atlassian's list.

    https://support.atlassian.com/organization-administration/docs/ip-addresses-and-domains-for-atlassian-cloud-products/
    """
    published = [
        item.get("cidr")
        for item in READ.records(READ.record(http.get("/")).get("items"))
        if _holds(item.get("product"), "bitbucket") and _holds(item.get("direction"), "egress")
    ]
    return networks(published) or None


def _holds(found: object, wanted: str) -> bool:
    return isinstance(found, list) and wanted in found
