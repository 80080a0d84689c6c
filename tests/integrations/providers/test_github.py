import re
import time
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
import responses

from integrations.errors import (
    PermissionMissing,
    ProviderRateLimited,
    ProviderRefused,
    UnexpectedAnswer,
    WebhookLimitReached,
)
from integrations.providers.base import ProviderConfig
from integrations.providers.github import GitHub
from integrations.providers.github_enterprise import GitHubEnterprise
from integrations.providers.records import RemoteDelivery
from tests.factories import PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET
from tests.integrations.providers.fake_github import HOST_KEYS, FakeGitHub, FakeGitHubEnterprise, reply


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeGitHub:
    return FakeGitHub(mock)


@pytest.fixture
def remote(fake: FakeGitHub) -> GitHub:
    return GitHub(fake.config)


def test_every_call_carries_the_token_and_the_version(remote: GitHub, fake: FakeGitHub):
    remote.check()
    headers = fake.mock.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {fake.config.credentials['token']}"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [("repo, workflow", ()), ("public_repo, admin:repo_hook", ("repo",)), ("", ("repo",))],
)
def test_a_classic_token_tells_its_scopes(remote: GitHub, fake: FakeGitHub, scopes: str, missing: tuple):
    fake.scopes = scopes
    identity = remote.check()
    assert identity.missing == missing
    assert identity.note == ""


def test_a_fine_grained_token_does_not_so_the_note_says_what_it_needs(remote: GitHub, fake: FakeGitHub):
    fake.scopes = None
    identity = remote.check()
    assert identity.missing == ()
    assert "Webhooks: read and write" in identity.note


def test_a_fine_grained_token_learns_what_it_lacks_when_it_is_refused(remote: GitHub, fake: FakeGitHub):
    refusal = reply(
        403,
        {"message": "Resource not accessible by personal access token", "status": "403"},
        X_Accepted_GitHub_Permissions="repository_hooks=write,metadata=read; administration=write",
    )
    fake._administration = lambda answer: lambda request: refusal
    fake.mock.reset()
    fake.install()
    with pytest.raises(PermissionMissing, match="not accessible by personal access token") as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert caught.value.missing == ("repository_hooks=write and metadata=read", "administration=write")


def test_a_classic_token_learns_its_missing_scope_when_it_is_refused(remote: GitHub, fake: FakeGitHub):
    headers = {"X_OAuth_Scopes": "read:org", "X_Accepted_OAuth_Scopes": "admin:repo_hook, repo"}
    fake._always(reply(403, {"message": "Must have admin rights to Repository."}, **headers))
    with pytest.raises(PermissionMissing) as caught:
        remote.check()
    assert caught.value.missing == ("admin:repo_hook", "repo")


def test_single_sign_on_tells_where_to_authorize(remote: GitHub, fake: FakeGitHub):
    page = "https://github.com/orgs/acme/sso?authorization_request=AZSC"
    body = {"message": "Resource protected by organization SAML enforcement."}
    fake._always(reply(403, body, X_GitHub_SSO=f"required; url={page}"))
    with pytest.raises(PermissionMissing, match="single sign-on") as caught:
        remote.repository(REPOSITORY)
    assert page in caught.value.remedy


def test_the_primary_limit_ends_at_githubs_clock_not_ours(remote: GitHub, fake: FakeGitHub):
    hour_ago = time.time() - 3600
    headers = {
        "X_RateLimit_Remaining": "0",
        "X_RateLimit_Reset": str(int(hour_ago) + 300),
        "Date": formatdate(hour_ago, usegmt=True),
    }
    fake._always(reply(403, {"message": "API rate limit exceeded for user ID 1."}, **headers))
    with pytest.raises(ProviderRateLimited) as caught:
        remote.check()
    assert caught.value.retry_after == 300


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_without_a_time_waits_a_minute(remote: GitHub, fake: FakeGitHub, status: int):
    fake._always(reply(status, {"message": "You have exceeded a secondary rate limit."}, X_RateLimit_Remaining="42"))
    with pytest.raises(ProviderRateLimited) as caught:
        remote.check()
    assert caught.value.retry_after == 60


def test_the_limit_of_twenty_webhooks_is_told(remote: GitHub, fake: FakeGitHub):
    fake.hook_limit = 0
    with pytest.raises(WebhookLimitReached, match="20"):
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)


def test_a_webhook_that_an_interrupted_call_left_is_taken_over(
    remote: GitHub, fake: FakeGitHub, monkeypatch: pytest.MonkeyPatch
):
    left = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret="old" * 10)
    answers = iter([None, left.id])  # not there when we look, there when GitHub refuses the twin
    monkeypatch.setattr(remote, "_find_webhook", lambda hooks, url: next(answers))
    assert remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET).id == left.id
    assert fake.hooks[left.id]["secret"] == SECRET


def test_webhooks_are_for_pushes_only(remote: GitHub, fake: FakeGitHub):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert fake.hooks[hook.id]["events"] == ["push"]


def test_an_organization_without_deploy_keys_says_who_can_change_it(remote: GitHub, fake: FakeGitHub):
    fake.deploy_keys_allowed = False
    with pytest.raises(PermissionMissing, match="does not allow deploy keys") as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert "owner of the organization" in caught.value.remedy


def test_an_organization_without_deploy_keys_is_told_before_anything_is_tried(remote: GitHub, fake: FakeGitHub):
    fake.organization = {"login": "acme", "deploy_keys_enabled_for_repositories": False}
    (obstacle,) = remote.obstacles(REPOSITORY, deploy_key=True)
    assert "owner of the organization" in obstacle.remedy
    assert remote.obstacles(REPOSITORY, deploy_key=False) == []


@pytest.mark.parametrize("answer", [reply(200, {"login": "acme"}), reply(404, {}), reply(403, {"message": "No"})])
def test_an_organization_that_does_not_tell_is_no_obstacle(remote: GitHub, fake: FakeGitHub, answer):
    fake.mock.replace(
        responses.CallbackResponse("GET", re.compile(r"^https://api\.github\.com/orgs/acme(\?.*)?$"), lambda _: answer)
    )
    assert remote.obstacles(REPOSITORY, deploy_key=True) == []


def test_both_obstacles_of_a_token_that_may_only_read_are_told(remote: GitHub, fake: FakeGitHub):
    fake.forbid_administration()
    found = remote.obstacles(REPOSITORY, deploy_key=True)
    assert [each.purpose for each in found] == ["webhook", "deploy_key"]
    assert all("must be an admin" in each.remedy for each in found)


def test_an_organization_without_deploy_keys_is_told_once_to_a_token_that_may_only_read(
    remote: GitHub, fake: FakeGitHub
):
    fake.forbid_administration()
    fake.organization = {"login": "acme", "deploy_keys_enabled_for_repositories": False}
    (_, key) = remote.obstacles(REPOSITORY, deploy_key=True)
    assert (key.message, key.page_url) == ("The organization does not allow deploy keys.", "")


def test_all_pages_of_branches_are_read(remote: GitHub, fake: FakeGitHub):
    url = f"{fake.api}/repos/{REPOSITORY}/branches"
    fake.mock.reset()
    fake.mock.get(f"{fake.api}/repos/{REPOSITORY}/tags", json=[])
    for page in (1, 2, 3):
        link = {"Link": f'<{url}?per_page=100&page={page + 1}>; rel="next"'} if page < 3 else {}
        match = [responses.matchers.query_param_matcher({"per_page": "100", **({"page": page} if page > 1 else {})})]
        fake.mock.get(url, json=[fake._ref(f"b{page}")], headers=link, match=match)
    assert [ref.name for ref in remote.refs(REPOSITORY)] == ["b1", "b2", "b3"]


def test_what_is_no_commit_is_not_taken_for_the_head(remote: GitHub, fake: FakeGitHub):
    fake._always((200, {}, "main"))
    with pytest.raises(UnexpectedAnswer):
        remote.head(REPOSITORY, "refs/heads/main")


def test_a_token_whose_owner_is_no_admin_is_told_so(remote: GitHub, fake: FakeGitHub):
    fake.forbid_administration()
    with pytest.raises(PermissionMissing) as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert "admin of acme/shop" in caught.value.remedy


def test_an_archived_repository_is_told(remote: GitHub, fake: FakeGitHub):
    fake._always(reply(403, {"message": "Repository was archived so is read-only."}))
    with pytest.raises(ProviderRefused) as caught:
        remote.repository(REPOSITORY)
    assert not isinstance(caught.value, PermissionMissing)


def test_removing_from_a_repository_that_is_gone_is_fine(remote: GitHub):
    remote.remove_webhook("acme/gone", "1")
    remote.remove_deploy_key("acme/gone", "1")


def test_an_empty_repository_has_no_head(remote: GitHub, fake: FakeGitHub):
    fake._always(reply(409, {"message": "Git Repository is empty.", "status": "409"}))
    assert remote.head(REPOSITORY, "refs/heads/main") is None


def test_a_search_reads_on_until_it_has_found_enough(remote: GitHub, fake: FakeGitHub):
    fake.mock.reset()
    for page in range(1, 13):
        names = [f"acme/shop-{page}" if page in {2, 11} else f"acme/other-{page}"]
        body = [{**fake.repository(), "full_name": name} for name in names]
        link = {"Link": f'<{fake.api}/user/repos?page={page + 1}>; rel="next"'} if page < 12 else {}
        match = [responses.matchers.query_param_matcher({"page": str(page)}, strict_match=False)]
        fake.mock.get(f"{fake.api}/user/repos", json=body, headers=link, match=match)
    first = remote.search_repositories("shop")
    assert ([each.full_name for each in first.items], first.next_page) == (["acme/shop-2"], 11)
    second = remote.search_repositories("shop", page=11)
    assert ([each.full_name for each in second.items], second.next_page) == (["acme/shop-11"], None)
    assert remote.search_repositories().next_page == 2, "without a query, a page is a page"


@pytest.mark.parametrize("body", ["{}", "[]", '{"login": null}', '"text"'])
def test_an_address_that_is_not_githubs_api_is_told(remote: GitHub, fake: FakeGitHub, body: str):
    fake._always((200, {}, body))
    with pytest.raises(UnexpectedAnswer) as caught:
        remote.check()
    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    "lie",
    [
        {"full_name": "../../etc"},
        {"full_name": "acme/shop\x00"},
        {"full_name": "acme/\ud800"},
        {"default_branch": "a..b"},
        {"default_branch": ["main"]},
    ],
)
def test_names_that_are_none_are_not_taken_over(remote: GitHub, fake: FakeGitHub, lie: dict):
    fake._always(reply(200, {**fake.repository(), **lie}))
    with pytest.raises(UnexpectedAnswer):
        remote.repository(REPOSITORY)


def test_a_link_is_made_from_the_name_and_never_taken_over(remote: GitHub, fake: FakeGitHub):
    fake._always(reply(200, {**fake.repository(), "html_url": "javascript:alert(1)"}))
    assert remote.repository(REPOSITORY).web_url == "https://github.com/acme/shop"


def test_github_publishes_its_host_keys(remote: GitHub):
    assert remote.ssh_host_keys() == HOST_KEYS


def test_github_publishes_the_networks_of_its_webhooks(remote: GitHub, fake: FakeGitHub):
    assert remote.webhook_networks() == ["140.82.112.0/20", "192.30.252.0/22", "2a0a:a440::/29"]
    fake.meta = {"hooks": ["192.30.252.0/22", "everywhere", None, "192.30.252.0/22"]}
    assert remote.webhook_networks() == ["192.30.252.0/22"]
    fake.meta = {"hooks": ["everywhere"]}
    assert remote.webhook_networks() is None


def test_an_enterprise_server_publishes_no_networks(mock: responses.RequestsMock):
    fake = FakeGitHubEnterprise(mock)
    assert GitHubEnterprise(fake.config).webhook_networks() is None


def test_a_delivery_is_told_as_github_tells_it(remote: GitHub, fake: FakeGitHub):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    taken, lost = remote.recent_deliveries(REPOSITORY, hook.id)
    assert taken == RemoteDelivery(
        id="12345678",
        delivery_id="0b989ba4-242f-11e5-81e1-c7b6966d2516",
        event="push",
        status_code=202,
        delivered_at=datetime(2026, 11, 23, 10, 10, 0, 123000, tzinfo=UTC),
        redelivery=False,
    )
    assert (lost.status_code, lost.succeeded) == (0, False)


def test_deliveries_out_of_the_tokens_reach_are_not_taken_for_gone(remote: GitHub, fake: FakeGitHub):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    fake.forbid_administration()
    with pytest.raises(PermissionMissing):
        remote.recent_deliveries(REPOSITORY, hook.id)
    with pytest.raises(PermissionMissing):
        remote.redeliver(REPOSITORY, hook.id, "12345678")


@pytest.mark.parametrize(
    ("base_url", "api", "ssh"),
    [
        ("https://git.example.com", "https://git.example.com/api/v3", ("git", "git.example.com")),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/api/v3", ("git", "127.0.0.1")),
        ("https://octocorp.ghe.com", "https://api.octocorp.ghe.com", ("octocorp", "octocorp.ghe.com")),
        ("https://a.octocorp.ghe.com", "https://a.octocorp.ghe.com/api/v3", ("git", "a.octocorp.ghe.com")),
    ],
)
def test_where_an_enterprise_answers(base_url: str, api: str, ssh: tuple[str, str]):
    remote = GitHubEnterprise(ProviderConfig(base_url=base_url, credentials={"token": "t"}))
    assert remote.api_url == api
    usual = remote.usual_ssh_address
    assert (usual.user, usual.host, usual.port) == (*ssh, 22)


def test_github_com_stays_github_com_whatever_base_url_says():
    remote = GitHub(ProviderConfig(base_url="https://evil.example", credentials={"token": "t"}))
    assert remote.api_url == "https://api.github.com"
