"""Reading what providers answer: nothing is taken over that is not of the form their documentation shows."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.errors import InvalidValue, UnexpectedAnswer
from integrations.http import Answer
from integrations.providers.public_keys import fingerprint
from integrations.providers.records import CommitWords, Page, RemoteRepository, RemoteWebhook
from lambdas.common.errors import InvalidName
from lambdas.common.keys import check_full_name
from lambdas.common.refs import BRANCH_PREFIX, Ref

SEARCH_PAGES = 10  # pages read for one search at most; the next page goes on from there
ENOUGH_MATCHES = 30
MOST_WORDS = 200  # characters of a message or a name
_COMMIT = re.compile(r"(?!0+$)(?:[0-9a-f]{40}|[0-9a-f]{64})")
# No NUL and no lone surrogate: JSON may carry them, the database cannot.
_TEXT = re.compile(r"[^\x00\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the JSON of one kind of provider, which errors call `provider`. Every method raises UnexpectedAnswer."""

    provider: str

    def unexpected(self, what: str) -> UnexpectedAnswer:
        """The error for an answer that this provider would not give."""
        return UnexpectedAnswer(f"The answer is not like {self.provider}'s: {what}.", field="base_url")

    def record(self, answer: Answer) -> dict[str, Any]:
        """The body, an object."""
        body = answer.json()
        if not isinstance(body, dict):
            raise self.unexpected("an object was expected")
        return body

    def records(self, body: Any) -> list[dict[str, Any]]:
        """A parsed body, a list of objects."""
        if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
            raise self.unexpected("a list was expected")
        return body

    def text(self, body: Mapping[str, Any], *path: str) -> str:
        """The string or number at a path of keys, as text that is not empty."""
        value: Any = body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, str | int) or isinstance(value, bool) or not _TEXT.fullmatch(str(value)):
            raise self.unexpected(f"{'.'.join(path)} is missing")
        return str(value)

    @staticmethod
    def optional(value: object) -> str:
        """A string that may be missing: empty for what is none."""
        return value if isinstance(value, str) and _TEXT.fullmatch(value) else ""

    @classmethod
    def clone_links(cls, body: Mapping[str, Any], name: str) -> list[str]:
        """The addresses that Bitbucket's `links.clone` lists under a name, such as ssh."""
        links = body.get("links")
        clone = links.get("clone") if isinstance(links, dict) else None
        found = [each for each in clone if isinstance(each, dict)] if isinstance(clone, list) else []
        return [href for each in found if each.get("name") == name and (href := cls.optional(each.get("href")))]

    def moment(self, body: Mapping[str, Any], key: str) -> datetime:
        """The ISO 8601 time at `key`; UTC if it has no zone."""
        try:
            found = datetime.fromisoformat(self.text(body, key))
        except ValueError:
            raise self.unexpected(f"{key} is no time") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def identity(self, body: Mapping[str, Any], key: str) -> str:
        """An id that stays for ever, as text; empty where there is none."""
        value = body.get(key)
        usable = isinstance(value, str | int) and not isinstance(value, bool) and _TEXT.fullmatch(str(value))
        return str(value)[:64] if usable else ""

    def full_name(self, value: str) -> str:
        """A repository's full name, as given."""
        try:
            return check_full_name(value)
        except InvalidName:
            raise self.unexpected("a name in it is no name") from None

    def branch(self, value: object) -> str:
        """A branch's name; empty if there is none, as in an empty repository."""
        try:
            return Ref.parse(f"{BRANCH_PREFIX}{value}").name if value else ""
        except InvalidName:
            raise self.unexpected("a name in it is no name") from None

    def words(self, answer: Answer, author: Sequence[str], message: Sequence[str]) -> CommitWords:
        """The author's name and the first line of the message, at two paths of keys."""
        body = self.record(answer)
        found = []
        for path in (author, message):
            value: Any = body
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            text = value if isinstance(value, str) else ""
            found.append("".join(_TEXT.findall(text)).strip().partition("\n")[0].strip()[:MOST_WORDS])
        return CommitWords(*found)

    def webhook(self, hook: Mapping[str, Any]) -> RemoteWebhook:
        """A webhook as GitHub describes it, and Gitea after it: its URL is in its `config`."""
        config = hook.get("config")
        return RemoteWebhook(
            id=self.text(hook, "id"),
            url=str(config.get("url") or "") if isinstance(config, dict) else "",
            active=hook.get("active") is True,
        )

    def number(self, id: str) -> int:  # noqa: A002
        """An id that we were given earlier, as a number. Raises InvalidValue."""
        if not (id.isascii() and id.isdigit()):
            raise InvalidValue(f"{self.provider}'s ids are numbers.")
        return int(id)


def matching(
    read: Callable[[int], tuple[list[RemoteRepository], int | None]], query: str, page: int
) -> Page[RemoteRepository]:
    """The repositories whose full name contains `query`, whatever its case, from `page` of a list on.

    `read` gives a page's repositories and the number of the next page. So many pages are read that there is enough to
    show, or SEARCH_PAGES of them; without a query, one.
    """
    wanted = query.strip().lower()
    found: list[RemoteRepository] = []
    for _ in range(SEARCH_PAGES if wanted else 1):
        repositories, following = read(page)
        found += [each for each in repositories if wanted in each.full_name.lower()]
        if following is None or len(found) >= ENOUGH_MATCHES:
            break
        page = following
    return Page(found, following)


def known_fingerprint(public_key: str) -> str:
    """The fingerprint of a key that is listed; empty for one of a form we don't know, which is none of ours."""
    try:
        return fingerprint(public_key)
    except ValueError:
        return ""


def are_commits(*ids: str) -> bool:
    """Whether all are ids of commits, in full. All zeros, which stand for no commit, are not."""
    return all(_COMMIT.fullmatch(each) for each in ids)


def page_number(url: str | None) -> int | None:
    """The `page` in the address of a list's next page; None if there is none."""
    number = parse_qs(urlsplit(url or "").query).get("page", [""])[0]
    return int(number) if number.isascii() and number.isdigit() else None


def networks(values: Iterable[object]) -> list[str]:
    """The networks among `values`, in canonical form, sorted and without repetition; anything else is left out."""
    found = set()
    for value in values:
        try:
            found.add(ip_network(str(value), strict=False))
        except ValueError:
            continue
    return [
        str(each) for each in sorted(found, key=lambda each: (each.version, int(each.network_address), each.prefixlen))
    ]
