import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.errors import InvalidValue, UnexpectedAnswer
from integrations.http import Answer
from integrations.providers.answers import Reader, are_commits, known_fingerprint, matching, networks, page_number
from integrations.providers.records import RemoteRepository
from tests.factories import COMMIT, FINGERPRINT, PUBLIC_KEY

READ = Reader("Gitolite")


def answer(body: Any) -> Answer:
    return Answer(200, {}, json.dumps(body).encode(), "https://git.example.com/api")


@pytest.mark.parametrize("body", [None, [], "text", 7])
def test_a_record_is_an_object(body: Any):
    with pytest.raises(UnexpectedAnswer, match="not like Gitolite's") as caught:
        READ.record(answer(body))
    assert caught.value.field == "base_url"
    assert READ.record(answer({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("body", [None, {}, "text", [1], [{}, None]])
def test_records_are_a_list_of_objects(body: Any):
    with pytest.raises(UnexpectedAnswer):
        READ.records(body)
    assert READ.records([{"a": 1}]) == [{"a": 1}]


@pytest.mark.parametrize("value", [None, "", True, 1.5, [], {}, "a\x00b", "\ud800"])
def test_text_is_text_that_can_be_kept(value: Any):
    with pytest.raises(UnexpectedAnswer, match=r"user\.name is missing"):
        READ.text({"user": {"name": value}}, "user", "name")


@pytest.mark.parametrize(("value", "text"), [("ada", "ada"), (42, "42"), (0, "0"), ("Zoë\n", "Zoë\n")])
def test_numbers_are_text_as_well(value: Any, text: str):
    assert READ.text({"id": value}, "id") == text


def test_text_below_what_is_no_object_is_missing():
    with pytest.raises(UnexpectedAnswer):
        READ.text({"user": ["name"]}, "user", "name")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T10:10:00Z", datetime(2026, 11, 23, 10, 10, tzinfo=UTC)),
        ("2026-11-23T12:10:00.5+02:00", datetime(2026, 11, 23, 10, 10, 0, 500000, tzinfo=UTC)),
        ("2026-11-23T10:10:00", datetime(2026, 11, 23, 10, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_has_a_zone(text: str, moment: datetime):
    found = READ.moment({"at": text}, "at")
    assert found == moment
    assert found.tzinfo


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", 1])
def test_what_is_no_moment_is_told(text: Any):
    with pytest.raises(UnexpectedAnswer):
        READ.moment({"at": text}, "at")


def test_an_empty_repository_has_a_branch_without_a_name():
    assert READ.branch(None) == READ.branch("") == ""
    assert READ.branch("release/1") == "release/1"
    with pytest.raises(UnexpectedAnswer):
        READ.branch("a..b")


def test_names_that_would_leave_their_prefix_are_none():
    assert READ.full_name("group/sub/name") == "group/sub/name"
    with pytest.raises(UnexpectedAnswer):
        READ.full_name("../etc")


@pytest.mark.parametrize("id_", ["", "-1", "1/../2", "٣", "1e3"])
def test_an_id_is_a_number(id_: str):
    with pytest.raises(InvalidValue):
        READ.number(id_)
    assert READ.number("007") == 7


@pytest.mark.parametrize(
    "ids", [("0" * 40,), ("0" * 64,), (COMMIT, "main"), ("",), (COMMIT.upper(),), (COMMIT[:-1],), (COMMIT + "\n",)]
)
def test_what_is_no_full_id_is_no_commit(ids: tuple[str, ...]):
    assert not are_commits(*ids)
    assert are_commits(COMMIT, "a" * 64)


def test_keys_of_unknown_form_have_no_fingerprint():
    assert known_fingerprint(PUBLIC_KEY) == FINGERPRINT
    assert known_fingerprint("a certificate of some sort") == ""


@pytest.mark.parametrize(
    ("url", "number"),
    [("https://h/x?a=1&page=3", 3), ("https://h/x?page=last", None), ("https://h/x", None), (None, None), ("", None)],
)
def test_the_number_of_the_next_page(url: str | None, number: int | None):
    assert page_number(url) == number


def test_networks_are_canonical_sorted_and_once():
    given = ["192.30.252.0/22", "2a0a:a440::/29", "10.0.0.1/8", "192.30.252.0/22", "everywhere", None, "1.2.3.4"]
    assert networks(given) == ["1.2.3.4/32", "10.0.0.0/8", "192.30.252.0/22", "2a0a:a440::/29"]


def repositories(*names: str) -> list[RemoteRepository]:
    return [RemoteRepository(name, "main", private=True, web_url=f"https://h/{name}") for name in names]


def test_a_search_ends_where_it_has_enough_or_the_list_ends():
    asked: list[int] = []

    def read(page: int) -> tuple[list[RemoteRepository], int | None]:
        asked.append(page)
        return repositories(*(f"acme/shop-{page}-{number}" for number in range(20))), page + 1 if page < 5 else None

    first = matching(read, " SHOP ", 1)
    assert (len(first.items), first.next_page, asked) == (40, 3, [1, 2])
    last = matching(read, "shop-5", 3)
    assert (len(last.items), last.next_page) == (20, None)


def test_a_search_that_finds_nothing_stops_after_ten_pages():
    asked: list[int] = []

    def read(page: int) -> tuple[list[RemoteRepository], int | None]:
        asked.append(page)
        return repositories("acme/other"), page + 1

    assert matching(read, "shop", 1).next_page == 11
    assert len(asked) == 10
    assert len(matching(read, "", 11).items) == 1
    assert len(asked) == 11
