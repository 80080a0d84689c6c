"""The search for secrets finds them in whatever they are written as."""

import base64
import json
from html import escape
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.canary import Search

SECRET = 'ghp+can/ary&"0\\1=~?>'
WRITTEN = {
    "plain": f"token={SECRET}!",
    "url": f"https://user:{quote(SECRET, safe='')}@host/",
    "form": urlencode({"token": SECRET}),
    "json": json.dumps({"token": SECRET}),
    "json in json": json.dumps({"body": json.dumps({"token": SECRET})}),
    "html": f"<b>{escape(SECRET)}</b>",
    "hex": f"x{SECRET.encode().hex()}",
    **{f"base64 at {n}": base64.b64encode(f"{'u' * n}:{SECRET}:x".encode()).decode() for n in range(3)},
    **{f"url-safe base64 at {n}": base64.urlsafe_b64encode(f"{'u' * n}{SECRET}".encode()).decode() for n in range(3)},
}


@pytest.mark.parametrize("form", WRITTEN)
def test_secret_is_found_and_struck_out(form: str) -> None:
    search = Search(secrets={"token": SECRET})
    search.add("log", WRITTEN[form])
    [hit] = search.hits({})
    assert hit.startswith("log: token: ")
    assert SECRET not in hit
    assert search.hits({("log", "token"): "allowed"}) == []


def test_other_texts_are_no_hits() -> None:
    search = Search(secrets={"token": SECRET})
    search.add("log", SECRET[:-1])
    assert search.hits({}) == []
