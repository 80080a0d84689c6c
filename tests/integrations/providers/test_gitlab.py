import base64
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from integrations.errors import (
    CredentialsRejected,
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
    WebhookLimitReached,
)
from integrations.providers.base import CommitState, ProviderConfig
from integrations.providers.gitlab import GitLab
from integrations.providers.records import RemoteDelivery
from tests.factories import COMMIT, PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET, ProviderContract
from tests.integrations.providers.fake_github import reply
from tests.integrations.providers.fake_gitlab import FakeGitLab, FakeSelfManagedGitLab

SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeGitLab:
    return FakeGitLab(mock)


@pytest.fixture
def remote(fake: FakeGitLab) -> GitLab:
    return GitLab(fake.config)


class TestSelfManaged(ProviderContract):
    @pytest.fixture
    def fake(self, mock: responses.RequestsMock) -> FakeGitLab:
        return FakeSelfManagedGitLab(mock)


def test_a_project_in_subgroups_is_one_segment_of_the_path(remote: GitLab, fake: FakeGitLab):
    url = f"{fake.api}/projects/acme%2Fweb%2Fshop.io"
    fake.mock.reset()
    fake.mock.get(url, json=fake.project("acme/web/shop.io"))
    found = remote.repository("acme/web/shop.io")
    assert (found.full_name, found.web_url) == ("acme/web/shop.io", "https://gitlab.com/acme/web/shop.io")
    assert fake.mock.calls[0].request.url == url
    assert remote.webhook_page("acme/web/shop.io") == "https://gitlab.com/acme/web/shop.io/-/hooks"


@pytest.mark.parametrize(
    ("visibility", "private"), [("private", True), ("internal", True), ("public", False), (None, True)]
)
def test_only_what_everybody_sees_is_not_private(remote: GitLab, fake: FakeGitLab, visibility, private):
    fake.always(reply(200, {**fake.project(REPOSITORY), "visibility": visibility}))
    assert remote.repository(REPOSITORY).private is private


def test_an_empty_project_has_no_default_branch(remote: GitLab, fake: FakeGitLab):
    fake.always(reply(200, {**fake.project(REPOSITORY), "default_branch": None}))
    assert remote.repository(REPOSITORY).default_branch == ""


@pytest.mark.parametrize(("scopes", "missing"), [(["api"], ()), (["read_api", "read_repository"], ("api",))])
def test_a_token_tells_its_scopes(remote: GitLab, fake: FakeGitLab, scopes: list, missing: tuple):
    fake.scopes = scopes
    identity = remote.check()
    assert (identity.login, identity.scopes, identity.missing) == ("ada", tuple(scopes), missing)


def test_a_token_that_may_not_ask_for_its_scopes_is_noted(remote: GitLab, fake: FakeGitLab):
    fake.scopes = ["read_user"]
    identity = remote.check()
    assert identity.missing == ()
    assert "scope api" in identity.note


def test_a_scope_that_is_missing_is_named(remote: GitLab, fake: FakeGitLab):
    fake.always(fake.insufficient_scope())
    with pytest.raises(PermissionMissing) as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert caught.value.missing == ("api or read_api",)
    assert "scope api" in caught.value.remedy


def test_a_role_that_is_missing_is_named(remote: GitLab, fake: FakeGitLab):
    fake.forbid_administration()
    with pytest.raises(PermissionMissing) as caught:
        remote.deploy_keys(REPOSITORY)
    assert caught.value.missing == ("Maintainer role",)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "401 Unauthorized"},
        {"error": "invalid_token", "error_description": "Token was revoked. You have to re-authorize from the user."},
    ],
)
def test_a_token_that_is_refused_says_why(remote: GitLab, fake: FakeGitLab, body: dict):
    fake.always(reply(401, body))
    with pytest.raises(CredentialsRejected, match=body.get("error_description", body.get("message"))) as caught:
        remote.repository(REPOSITORY)
    assert caught.value.field == "token"


def test_the_token_is_in_no_message(remote: GitLab, fake: FakeGitLab):
    token = fake.config.credentials["token"]
    fake.always(reply(400, {"message": {"token": [f"{token} is odd"]}}))
    with pytest.raises(ProviderRefused) as caught:
        remote.repository(REPOSITORY)
    assert token not in str(caught.value)


def test_a_limit_without_a_time_waits_a_minute(remote: GitLab, fake: FakeGitLab):
    fake.always(reply(429, {"message": {"error": "This endpoint has been requested too many times."}}))
    with pytest.raises(ProviderRateLimited) as caught:
        remote.repository(REPOSITORY)
    assert caught.value.retry_after == 60


def test_all_pages_of_branches_are_read(remote: GitLab, fake: FakeGitLab):
    fake.branches = [f"b{number}" for number in range(250)]
    assert [ref.name for ref in remote.refs(REPOSITORY)] == [*fake.branches, "v1"]
    pages = [parse_qs(urlsplit(call.request.url).query)["page"] for call in fake.mock.calls]
    assert pages == [["1"], ["2"], ["3"], ["1"]]
    assert all(call.request.url.startswith("https://gitlab.com/") for call in fake.mock.calls)


def test_a_list_without_end_is_read_for_a_thousand(remote: GitLab, fake: FakeGitLab):
    fake.branches = [f"b{number}" for number in range(1100)]
    assert len(remote.refs(REPOSITORY)) == 1001


def test_all_pages_of_webhooks_are_searched_for_ours(remote: GitLab, fake: FakeGitLab):
    for number in range(150):
        fake.hooks[str(1000 + number)] = {"url": f"https://ci.example.com/{number}", "secret": "x", "signed": False}
    fake.hooks["7"] = {"url": HOOK_URL, "secret": "old", "signed": False}
    assert remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET).id == "7"


def test_a_search_asks_gitlab_and_reads_on(remote: GitLab, fake: FakeGitLab):
    names = [f"acme/shop-{number:03}" for number in range(120)]
    fake.projects = [fake.project(name) for name in names]
    first = remote.search_repositories("Shop")
    assert ([each.full_name for each in first.items], first.next_page) == (names[:100], 2)
    second = remote.search_repositories("Shop", page=2)
    assert ([each.full_name for each in second.items], second.next_page) == (names[100:], None)


def test_a_short_search_is_done_by_us_as_gitlab_takes_it_for_a_word(remote: GitLab, fake: FakeGitLab):
    assert [each.full_name for each in remote.search_repositories("sh").items] == [REPOSITORY]
    assert "search" not in parse_qs(urlsplit(fake.mock.calls[0].request.url).query)


def test_a_match_in_the_description_only_is_none(remote: GitLab, fake: FakeGitLab):
    fake.always(reply(200, [fake.project("acme/other")]))
    assert remote.search_repositories("shop").items == []


@pytest.mark.parametrize(
    ("version", "signs"), [("19.0.0", True), ("20.3.1-ee", True), ("18.11.2", False), ("?", False)]
)
def test_webhooks_are_signed_by_a_gitlab_that_can(remote: GitLab, fake: FakeGitLab, version: str, signs: bool):
    fake.version = version
    secret = remote.new_webhook_secret()
    assert secret.startswith("whsec_") is signs
    if signs:
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != remote.new_webhook_secret()


def test_a_gitlab_that_hides_its_version_gets_a_plain_secret(remote: GitLab, fake: FakeGitLab):
    fake.always(fake.insufficient_scope())
    assert len(remote.new_webhook_secret()) == 64


def test_a_gitlab_that_is_down_is_not_taken_for_an_old_one(remote: GitLab, fake: FakeGitLab):
    fake.always(reply(500, {"message": "500 Internal Server Error"}))
    with pytest.raises(ProviderUnreachable):
        remote.new_webhook_secret()


def test_a_signing_token_is_never_sent_as_the_plain_one(remote: GitLab, fake: FakeGitLab):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SIGNING)
    assert fake.hooks[hook.id] == {"url": HOOK_URL, "secret": SIGNING, "signed": True}
    assert dict(remote.webhook_fields(url=HOOK_URL, secret=SIGNING))["Signing token"] == SIGNING
    assert dict(remote.webhook_fields(url=HOOK_URL, secret=SECRET))["Secret token"] == SECRET


def test_a_webhook_changes_from_a_plain_to_a_signing_token_in_place(remote: GitLab, fake: FakeGitLab):
    first = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SIGNING).id == first.id
    assert fake.hooks[first.id]["signed"]


def test_a_webhook_that_signs_is_made_anew_for_a_plain_token(remote: GitLab, fake: FakeGitLab):
    remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SIGNING)
    remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert list(fake.hooks.values()) == [{"url": HOOK_URL, "secret": SECRET, "signed": False}]


def test_a_gitlab_that_ignores_the_signing_token_keeps_no_unsigned_webhook(remote: GitLab, fake: FakeGitLab):
    fake.signs = False
    with pytest.raises(ProviderRefused, match="did not take the signing token") as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SIGNING)
    assert "webhook_signing_token" in caught.value.remedy
    assert not fake.hooks


def test_a_webhook_that_gitlab_disabled_is_not_active(remote: GitLab, fake: FakeGitLab):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    fake._hook = lambda id_: {"id": int(id_), "url": HOOK_URL, "alert_status": "disabled"}
    again = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert (again.id, again.active) == (hook.id, False)


@pytest.mark.parametrize(
    "answer",
    [
        reply(422, {"message": "Maximum number of project webhooks (100) exceeded"}),
        reply(
            404, {"message": "404 Project hook {:base=>['Maximum number of project hooks (100) exceeded']} Not Found"}
        ),
    ],
)
def test_the_limit_of_webhooks_is_told(remote: GitLab, fake: FakeGitLab, answer):
    fake._add_hook = lambda request: answer
    fake.mock.reset()
    fake.install()
    with pytest.raises(WebhookLimitReached, match="100"):
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)


def test_an_address_that_gitlab_may_not_call_is_told(remote: GitLab, fake: FakeGitLab):
    fake.always(reply(422, {"message": "Invalid url given"}))
    with pytest.raises(ProviderRefused) as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert "Outbound requests" in caught.value.remedy


def test_a_gitlab_without_tests_by_the_api_has_no_ping(remote: GitLab, fake: FakeGitLab):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    fake.version = "16.10.4"
    assert remote.ping_webhook(REPOSITORY, hook.id) is False


def test_a_key_with_another_comment_is_the_same_key(remote: GitLab, fake: FakeGitLab):
    first = remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    bare = " ".join(PUBLIC_KEY.split()[:2])
    assert remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=bare) == first


def test_a_key_in_use_elsewhere_says_what_to_do(remote: GitLab, fake: FakeGitLab):
    fake.keys_elsewhere.add(PUBLIC_KEY)
    with pytest.raises(KeyInUse) as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert "rotate" in caught.value.remedy


def test_removing_from_a_project_that_is_gone_is_fine(remote: GitLab):
    remote.remove_webhook("acme/gone", "1")
    remote.remove_deploy_key("acme/gone", "1")


def test_adding_to_a_project_that_is_gone_names_it(remote: GitLab):
    with pytest.raises(NotFoundAtProvider, match="acme/gone") as caught:
        remote.install_webhook("acme/gone", url=HOOK_URL, secret=SECRET)
    assert caught.value.field == "full_name"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (CommitState.PENDING, "pending"),
        (CommitState.SUCCESS, "success"),
        (CommitState.FAILURE, "failed"),
        (CommitState.ERROR, "failed"),
    ],
)
def test_states_have_gitlabs_words(remote: GitLab, fake: FakeGitLab, state: CommitState, word: str):
    remote.set_commit_status(
        REPOSITORY, COMMIT, state=state, target_url="https://s.example.com", description="Stored", context="sluice"
    )
    assert fake.statuses == [
        {"state": word, "name": "sluice", "target_url": "https://s.example.com", "description": "Stored"}
    ]


def test_a_status_that_the_commit_has_already_is_fine(remote: GitLab, fake: FakeGitLab):
    fake.transition_refused = True
    remote.set_commit_status(
        REPOSITORY, COMMIT, state=CommitState.PENDING, target_url="", description="", context="sluice"
    )


def test_deliveries_are_told_newest_first(remote: GitLab, fake: FakeGitLab):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert remote.recent_deliveries(REPOSITORY, hook.id) == [
        RemoteDelivery(
            id="2",
            delivery_id="f5ef3e3d-7a7b-4d1f-9c6f-0d8f6bb9b1f0",
            event="Tag Push Hook",
            status_code=0,
            delivered_at=datetime.fromtimestamp(1795428660, UTC),
            redelivery=False,
        ),
        RemoteDelivery(
            id="1",
            delivery_id="3a427872-00df-429c-9bc9-a9475de2efe4",
            event="Push Hook",
            status_code=202,
            delivered_at=datetime(2026, 11, 23, 10, 10, tzinfo=UTC),
            redelivery=False,
        ),
    ]


def test_an_older_gitlab_tells_no_deliveries(remote: GitLab, fake: FakeGitLab):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    fake.version = "17.2.0"
    assert remote.recent_deliveries(REPOSITORY, hook.id) == []


def test_only_gitlab_com_publishes_networks(remote: GitLab, mock: responses.RequestsMock):
    assert remote.webhook_networks() == ["34.74.90.64/28", "34.74.226.0/24"]
    assert GitLab(FakeSelfManagedGitLab.config).webhook_networks() is None


def test_a_gitlab_below_a_path_is_called_there():
    remote = GitLab(ProviderConfig(base_url="https://git.example.com/gitlab/", credentials={"token": "t"}))
    assert remote.api_url == "https://git.example.com/gitlab/api/v4"
    assert str(remote.usual_ssh_address) == "git@git.example.com"


@pytest.mark.parametrize("failure", [requests.ReadTimeout(), requests.ConnectTimeout(), requests.ConnectionError()])
def test_no_answer_may_pass(remote: GitLab, fake: FakeGitLab, failure: Exception):
    fake.mock.reset()
    fake.mock.get(f"{fake.api}/user", body=failure)
    with pytest.raises(ProviderUnreachable) as caught:
        remote.check()
    assert caught.value.retryable


@pytest.mark.parametrize("body", ["", "<html>", "{", "null", "[]", '"x"', '{"username": null}', '{"username": true}'])
def test_an_address_that_is_not_gitlabs_api_is_told(remote: GitLab, fake: FakeGitLab, body: str):
    fake.always((200, {}, body))
    with pytest.raises(UnexpectedAnswer) as caught:
        remote.check()
    assert caught.value.field == "base_url"
