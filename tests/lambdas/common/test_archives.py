import dataclasses
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.archives import ArchiveRequest, Consumer
from tests.lambdas.webhooks import FACTS

COMMIT = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
ARCHIVES = [(kind, each) for kind, facts in FACTS.items() for each in facts["archives"]]
SIGN_INS = [(kind, each) for kind, facts in FACTS.items() for each in facts["sign_ins"]]


def ask(kind: str, repository: str, secret: ProviderSecret, commit: str = COMMIT) -> ArchiveRequest:
    return PROVIDERS[kind].archive(FACTS[kind]["api_url"], repository, commit, secret)


def test_every_kind_says_where_its_archives_are() -> None:
    assert {kind for kind, _ in ARCHIVES} == {kind for kind, _ in SIGN_INS} == set(PROVIDERS)


@pytest.mark.parametrize(("kind", "archive"), ARCHIVES)
def test_where_the_archive_of_a_commit_is(kind: str, archive: dict[str, str]) -> None:
    assert ask(kind, archive["repository"], ProviderSecret()).url == archive["url"].replace("<commit>", COMMIT)


@pytest.mark.parametrize(("kind", "sign_in"), SIGN_INS)
def test_how_the_token_is_shown(kind: str, sign_in: dict[str, Any]) -> None:
    secret = ProviderSecret(git_token=sign_in["token"], oauth_key="key", oauth_secret="secret")
    request = ask(kind, "acme/site", secret)

    assert request.credentials == sign_in["headers"]
    assert request.consumer is None
    assert "a-token" not in repr(request)
    assert "a-token" not in request.url


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_without_a_token_none_is_shown(kind: str) -> None:
    request = ask(kind, "acme/site", ProviderSecret())

    assert request.credentials == {}
    assert request.consumer is None


def test_an_oauth_consumer_asks_for_a_token_first() -> None:
    secret = ProviderSecret(oauth_key="key", oauth_secret="very-secret")
    request = ask("bitbucket_cloud", "acme/site", secret)

    assert request.consumer == Consumer("https://bitbucket.org/site/oauth2/access_token", "key", "very-secret")
    assert "very-secret" not in repr(request)
    assert "very-secret" in str(dataclasses.asdict(request))


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_no_name_adds_to_the_address(kind: str) -> None:
    request = ask(kind, "a?b=1#c/d&e", ProviderSecret(), "x/../y?z")
    parts = urlsplit(request.url)

    assert not parts.fragment
    assert set(parse_qs(parts.query)) <= {"sha", "at", "format", "prefix"}
    assert "/.." not in parts.path
