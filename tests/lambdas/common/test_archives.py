import base64
import dataclasses
from urllib.parse import parse_qs, urlsplit

import pytest

from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.archives import Consumer

COMMIT = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
ROOTS = {
    "github": "https://api.github.com",
    "github_enterprise": "https://github.acme.example/api/v3",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket_cloud": "https://api.bitbucket.org/2.0",
    "bitbucket_server": "https://bitbucket.acme.example/rest/api/latest",
    "gitea": "https://git.acme.example/api/v1",
}


def test_every_kind_that_is_understood_can_be_fetched_from() -> None:
    assert set(PROVIDERS) == set(ROOTS)


@pytest.mark.parametrize(
    ("kind", "repository", "url"),
    [
        ("github", "acme/site", f"https://api.github.com/repos/acme/site/zipball/{COMMIT}"),
        ("github_enterprise", "acme/site", f"https://github.acme.example/api/v3/repos/acme/site/zipball/{COMMIT}"),
        (
            "gitlab",
            "acme/web/main-site",
            f"https://gitlab.com/api/v4/projects/acme%2Fweb%2Fmain-site/repository/archive.zip?sha={COMMIT}",
        ),
        ("bitbucket_cloud", "acme/site", f"https://bitbucket.org/acme/site/get/{COMMIT}.zip"),
        (
            "bitbucket_server",
            "ACME/site",
            f"{ROOTS['bitbucket_server']}/projects/ACME/repos/site/archive?at={COMMIT}&format=zip&prefix=archive%2F",
        ),
        (
            "bitbucket_server",
            "~ada/notes",
            f"{ROOTS['bitbucket_server']}/projects/~ada/repos/notes/archive?at={COMMIT}&format=zip&prefix=archive%2F",
        ),
        ("gitea", "acme/site", f"https://git.acme.example/api/v1/repos/acme/site/archive/{COMMIT}.zip"),
    ],
)
def test_where_the_archive_of_a_commit_is(kind: str, repository: str, url: str) -> None:
    assert PROVIDERS[kind].archive(ROOTS[kind], repository, COMMIT, ProviderSecret()).url == url


BASIC = "Basic " + base64.b64encode(b"ada@example.com:a-token").decode()


@pytest.mark.parametrize(
    ("kind", "token", "credentials"),
    [
        ("github", "a-token", {"Authorization": "Bearer a-token"}),
        ("github_enterprise", "a-token", {"Authorization": "Bearer a-token"}),
        ("gitlab", "a-token", {"PRIVATE-TOKEN": "a-token"}),
        ("bitbucket_cloud", "a-token", {"Authorization": "Bearer a-token"}),
        ("bitbucket_cloud", "ada@example.com:a-token", {"Authorization": BASIC}),
        ("bitbucket_server", "a-token", {"Authorization": "Bearer a-token"}),
        ("gitea", "a-token", {"Authorization": "token a-token"}),
    ],
)
def test_how_the_token_is_shown(kind: str, token: str, credentials: dict[str, str]) -> None:
    secret = ProviderSecret(git_token=token, oauth_key="key", oauth_secret="secret")
    request = PROVIDERS[kind].archive(ROOTS[kind], "acme/site", COMMIT, secret)

    assert request.credentials == credentials
    assert request.consumer is None
    assert "a-token" not in repr(request)
    assert "a-token" not in request.url


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_without_a_token_none_is_shown(kind: str) -> None:
    request = PROVIDERS[kind].archive(ROOTS[kind], "acme/site", COMMIT, ProviderSecret())

    assert request.credentials == {}
    assert request.consumer is None


def test_an_oauth_consumer_asks_for_a_token_first() -> None:
    secret = ProviderSecret(oauth_key="key", oauth_secret="very-secret")
    request = PROVIDERS["bitbucket_cloud"].archive(ROOTS["bitbucket_cloud"], "acme/site", COMMIT, secret)

    assert request.consumer == Consumer("https://bitbucket.org/site/oauth2/access_token", "key", "very-secret")
    assert "very-secret" not in repr(request)
    assert "very-secret" in str(dataclasses.asdict(request))


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_no_name_adds_to_the_address(kind: str) -> None:
    request = PROVIDERS[kind].archive(ROOTS[kind], "a?b=1#c/d&e", "x/../y?z", ProviderSecret())
    parts = urlsplit(request.url)

    assert not parts.fragment
    assert set(parse_qs(parts.query)) <= {"sha", "at", "format", "prefix"}
    assert "/.." not in parts.path
