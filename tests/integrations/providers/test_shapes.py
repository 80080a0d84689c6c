"""What each kind of provider is asked, word for word: `shapes/<kind>.http`. What it answers is in its fake.

A change of an adapter shows there as what it is, a change of the calls it makes. RECORD_SHAPES=1 writes the files anew.
"""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import responses

from integrations.providers.base import ProviderClient
from integrations.providers.registry import PROVIDERS
from tests.factories import PUBLIC_KEY
from tests.integrations.providers.contract import SECRET, FakeProvider
from tests.integrations.providers.failures import ALL, READS, WRITES
from tests.integrations.providers.test_contract import FAKES

SHAPES = Path(__file__).parent / "shapes"
SHOWN = ("Accept", "Content-Type", "X-GitHub-Api-Version", "X-Atlassian-Token")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SIGN_IN = ("Authorization", "PRIVATE-TOKEN")


@pytest.fixture(params=sorted(PROVIDERS))
def fake(request: pytest.FixtureRequest, mock: responses.RequestsMock) -> FakeProvider:
    return FAKES[request.param](mock)


@pytest.fixture
def remote(fake: FakeProvider) -> ProviderClient:
    return PROVIDERS[fake.kind](fake.config)


def test_every_method_makes_the_calls_that_are_on_record(remote: ProviderClient, fake: FakeProvider):
    recorded = "".join(_exchanges(remote, fake))
    file = SHAPES / f"{fake.kind}.http"
    if os.environ.get("RECORD_SHAPES"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(recorded)
    for secret in fake.config.credentials.values():
        assert secret not in recorded
    assert recorded == file.read_text()


def test_every_call_signs_in_and_stays_at_the_provider(remote: ProviderClient, fake: FakeProvider):
    list(_exchanges(remote, fake))
    for call in fake.mock.calls:
        assert urlsplit(call.request.url)[:2] == urlsplit(remote.api_url)[:2]
        assert any(name in call.request.headers for name in SIGN_IN)


def _exchanges(remote: ProviderClient, fake: FakeProvider) -> list[str]:
    """Every method, those first whose ids the others need; they come again to show what is there already."""
    told, seen, made = [], 0, {"install_webhook": "", "add_deploy_key": ""}
    last = ("remove_deploy_key", "remove_webhook")
    for method in (*made, *READS, *(name for name in WRITES if name not in last), *last):
        result = ALL[method](remote, made["install_webhook"], made["add_deploy_key"])
        if method in made:
            made[method] = result.id
        calls, seen = list(fake.mock.calls)[seen:], len(fake.mock.calls)
        told.append(f"### {method}\n\n" + "".join(map(_exchange, calls)))
    return told


def _exchange(call: Any) -> str:
    request, answer = call.request, call.response
    lines = [f"{request.method} {_UUID.sub('<uuid>', request.url)}"]
    lines += [f"{name}: ***" for name in SIGN_IN if name in request.headers]
    lines += [f"{name}: {request.headers[name]}" for name in SHOWN if name in request.headers]
    if request.body:
        lines += ["", _compact(request.body)]
    lines += [f"-> {answer.status_code}", "", ""]
    return "\n".join(lines)


def _compact(body: bytes | str) -> str:
    text = body.decode() if isinstance(body, bytes) else body
    text = text.replace(PUBLIC_KEY.split()[1], "AAAA").replace(SECRET, "<secret>")
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text
