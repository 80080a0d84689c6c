import json
from dataclasses import replace

import pytest
import requests
import responses

from integrations.errors import (
    CredentialsRejected,
    InvalidValue,
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
    WebhookLimitReached,
)
from integrations.providers.base import CommitState, ProviderConfig
from integrations.providers.bitbucket_cloud import BitbucketCloud
from tests.factories import COMMIT, PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET
from tests.integrations.providers.fake_bitbucket_cloud import HOST_KEYS, FakeBitbucketCloud, error, reply

ACCESS_TOKEN = "ATCTT3x" + "e5" * 18
OAUTH = {"oauth_key": "consumer", "oauth_secret": "its-secret"}
API_TOKEN = FakeBitbucketCloud.config.credentials


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeBitbucketCloud:
    return FakeBitbucketCloud(mock)


@pytest.fixture
def remote(fake: FakeBitbucketCloud) -> BitbucketCloud:
    return signed_in(API_TOKEN)


def signed_in(credentials: dict[str, str]) -> BitbucketCloud:
    return BitbucketCloud(replace(FakeBitbucketCloud.config, credentials=credentials))


def shown(fake: FakeBitbucketCloud, call: int = -1) -> str:
    return fake.mock.calls[call].request.headers["Authorization"]


def test_removing_from_a_repository_that_is_gone_is_fine(remote: BitbucketCloud):
    remote.remove_webhook("acme/gone", "4b3e6d1c-6f3f-4a54-9d0c-2a1f4a6b7c8d")
    remote.remove_deploy_key("acme/gone", "1")


@pytest.mark.parametrize("id_", ["", "1", "../../x", "{4b3e6d1c}", "4b3e6d1c-6f3f-4a54-9d0c-2a1f4a6b7c8d/.."])
def test_a_webhook_id_that_is_none_makes_no_call(remote: BitbucketCloud, fake: FakeBitbucketCloud, id_: str):
    with pytest.raises(InvalidValue):
        remote.remove_webhook(REPOSITORY, id_)
    assert len(fake.mock.calls) == 0


def test_a_webhook_is_for_pushes_with_a_secret(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    stored = fake.hooks[hook.id]
    assert (stored["events"], stored["secret"], stored["active"]) == (["repo:push"], SECRET, True)
    remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    put = fake.mock.calls[-1].request
    assert put.method == "PUT"
    assert put.url == f"https://api.bitbucket.org/2.0/repositories/acme/shop/hooks/%7B{hook.id}%7D"


def test_the_limit_of_webhooks_is_told(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake.hook_limit = 0
    with pytest.raises(WebhookLimitReached, match="as many webhooks as Bitbucket allows"):
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)


def test_a_key_that_an_account_uses_is_told_in_words(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake.keys_elsewhere.add(PUBLIC_KEY)
    with pytest.raises(KeyInUse, match="knows this SSH key already"):
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)


def test_another_refusal_of_a_key_is_not_taken_for_that(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake._add_key = lambda request: error(400, "Invalid SSH key.")
    fake.mock.reset()
    fake.install()
    with pytest.raises(ProviderRefused, match="Invalid SSH key") as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert not isinstance(caught.value, KeyInUse)


def workspaces(fake: FakeBitbucketCloud, names: dict[str, int]) -> None:
    """Workspaces, each with so many pages of one repository."""
    fake.mock.reset()
    members = [{"workspace": {"slug": name}} for name in names]
    first, rest = members[:1], members[1:]
    url = f"{fake.api}/user/workspaces"
    plain = responses.matchers.query_param_matcher({"pagelen": "100"})
    following = f"{url}?pagelen=100&page=2"
    fake.mock.get(url, json={"values": first, "next": following}, match=[plain])
    fake.mock.get(following, json={"values": rest})
    for name, pages in names.items():
        for page in range(1, pages + 1):
            body = {"values": [{**fake.repository(), "full_name": f"{name}/shop-{page}"}]}
            if page < pages:
                body["next"] = f"{fake.api}/repositories/{name}?page={page + 1}"
            match = [responses.matchers.query_param_matcher({"page": str(page)}, strict_match=False)]
            fake.mock.get(f"{fake.api}/repositories/{name}", json=body, match=match)


def test_all_workspaces_are_searched_page_by_page(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    workspaces(fake, {"acme": 2, "beta": 12, "core": 1})
    found, page, calls = [], 1, 0
    while page is not None:
        result = remote.search_repositories("shop", page)
        found += [each.full_name for each in result.items]
        page, calls = result.next_page, calls + 1
    assert found == ["acme/shop-1", "acme/shop-2", *[f"beta/shop-{number}" for number in range(1, 13)], "core/shop-1"]
    assert calls == 2
    only = remote.search_repositories()
    assert ([each.full_name for each in only.items], only.next_page) == (["acme/shop-1"], 2)


def test_a_query_with_a_workspace_searches_that_one_only(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    workspaces(fake, {"acme": 1, "beta": 1})
    assert [each.full_name for each in remote.search_repositories("beta/sh").items] == ["beta/shop-1"]
    assert not [call for call in fake.mock.calls if "/repositories/acme" in call.request.url]
    assert [each.full_name for each in remote.search_repositories("/shop").items] == ["acme/shop-1", "beta/shop-1"]


def test_an_access_token_searches_the_workspace_that_it_is_told(fake: FakeBitbucketCloud):
    fake.user = None
    remote = signed_in({"token": ACCESS_TOKEN})
    assert [each.full_name for each in remote.search_repositories("acme/sh").items] == [REPOSITORY]
    with pytest.raises(PermissionMissing, match="which workspace") as caught:
        remote.search_repositories("shop")
    assert "full name" in caught.value.remedy


def test_a_next_page_elsewhere_is_not_followed(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    body = {"values": [], "next": "https://evil.example/2.0/page"}
    fake._always(reply(200, body))
    with pytest.raises(ProviderRefused, match=r"evil\.example"):
        remote.deploy_keys(REPOSITORY)


def test_an_empty_repository_has_no_default_branch(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake._always(reply(200, {**fake.repository(), "mainbranch": None}))
    assert remote.repository(REPOSITORY).default_branch == ""


def test_the_head_of_a_branch_whose_name_has_slashes_and_more(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    url = f"{fake.api}/repositories/{REPOSITORY}/refs/branches/feature/a%23b%25c"
    fake.mock.get(url, json=fake._ref("feature/a#b%c"))
    assert remote.head(REPOSITORY, "refs/heads/feature/a#b%c") == COMMIT
    assert remote.head(REPOSITORY, "refs/heads/../../user") is None
    with pytest.raises(NotFoundAtProvider):
        remote.head("acme/nothing", "refs/heads/main")


@pytest.mark.parametrize(
    "lie",
    [
        {"full_name": "../../etc"},
        {"full_name": "acme/shop\x00"},
        {"full_name": None},
        {"mainbranch": {"name": "a..b"}},
        {"mainbranch": {"name": ["main"]}},
    ],
)
def test_names_that_are_none_are_not_taken_over(remote: BitbucketCloud, fake: FakeBitbucketCloud, lie: dict):
    fake._always(reply(200, {**fake.repository(), **lie}))
    with pytest.raises(UnexpectedAnswer):
        remote.repository(REPOSITORY)


def test_a_long_context_stays_one_of_its_own(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    for context in ("sluice/short", "sluice/" + "x" * 60 + "1", "sluice/" + "x" * 60 + "2"):
        for state in CommitState:
            remote.set_commit_status(
                REPOSITORY, COMMIT, state=state, target_url="https://s.example/x", description="d", context=context
            )
    assert len({status["key"] for status in fake.statuses}) == 3
    assert fake.statuses[0]["key"] == "sluice/short"
    assert [status["state"] for status in fake.statuses[:4]] == ["INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED"]


def test_bitbucket_publishes_its_host_keys_and_networks_to_everybody(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    assert remote.ssh_host_keys() == HOST_KEYS
    assert remote.webhook_networks() == ["104.192.136.0/21", "2401:1d80:3000::/36"]
    assert not [call for call in fake.mock.calls if "Authorization" in call.request.headers]


@pytest.mark.parametrize("body", ["", "{}", '{"items": {}}', '{"items": [1]}'])
def test_networks_in_another_form_are_not_taken_over(remote: BitbucketCloud, fake: FakeBitbucketCloud, body: str):
    fake._always((200, {}, body))
    with pytest.raises(UnexpectedAnswer):
        remote.webhook_networks()


def test_another_address_serves_pages_api_and_tokens(mock: responses.RequestsMock):
    remote = BitbucketCloud(ProviderConfig(base_url="https://127.0.0.1:8443/", credentials=OAUTH))
    assert (remote.api_url, remote.usual_ssh_address.host) == ("https://127.0.0.1:8443/2.0", "127.0.0.1")
    assert remote.webhook_networks() is None
    mock.get("https://127.0.0.1:8443/site/ssh", status=404)
    assert remote.ssh_host_keys() == []
    mock.post("https://127.0.0.1:8443/site/oauth2/access_token", json={"access_token": "t"})
    mock.get("https://127.0.0.1:8443/2.0/user", json={"nickname": "ada"})
    assert remote.check().login == "ada"


def test_where_bitbucket_org_answers(remote: BitbucketCloud):
    assert remote.api_url == "https://api.bitbucket.org/2.0"
    assert str(remote.ssh_address()) == "git@bitbucket.org"


def test_our_token_is_taken_out_of_what_bitbucket_says(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake._always(error(400, f"bad {API_TOKEN['token']}"))
    with pytest.raises(ProviderRefused, match=r"bad \*\*\*"):
        remote.check()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, json.dumps({"type": "error", "error": {"message": "no"}}), CredentialsRejected),
        (403, "<html>", PermissionMissing),
        (404, "", NotFoundAtProvider),
        (409, json.dumps({"type": "error", "error": {"message": "conflict"}}), ProviderRefused),
        (422, json.dumps({"type": "error", "error": {"message": "no"}}), ProviderRefused),
        (429, "Rate limit for this resource has been exceeded", ProviderRateLimited),
        (500, "", ProviderUnreachable),
        (503, json.dumps({"type": "error"}), ProviderUnreachable),
        (200, "{", UnexpectedAnswer),
        (200, '{"values": 1}', UnexpectedAnswer),
        (200, '{"values": [[]]}', UnexpectedAnswer),
        (200, "[" * 100_000, UnexpectedAnswer),
        (200, '{"values": [{"name": "main", "target": null}]}', UnexpectedAnswer),
    ],
)
def test_every_failure_is_one_of_the_typed_errors(
    remote: BitbucketCloud, fake: FakeBitbucketCloud, status: int, body: str, expected: type[ProviderError]
):
    fake._always((status, {}, body))
    with pytest.raises(expected):
        remote.refs(REPOSITORY)


@pytest.mark.parametrize("failure", [requests.exceptions.ReadTimeout(), requests.exceptions.ConnectionError("gone")])
def test_no_answer_may_be_one_later(remote: BitbucketCloud, fake: FakeBitbucketCloud, failure: Exception):
    fake.mock.reset()
    fake.mock.get(f"{fake.api}/repositories/{REPOSITORY}", body=failure)
    with pytest.raises(ProviderUnreachable) as caught:
        remote.repository(REPOSITORY)
    assert caught.value.retryable
