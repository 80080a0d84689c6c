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
)
from integrations.providers.base import CommitState
from integrations.providers.bitbucket_server import BitbucketServer
from tests.factories import COMMIT, PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET
from tests.integrations.providers.fake_bitbucket_server import FakeBitbucketServer, error, not_permitted, reply


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeBitbucketServer:
    return FakeBitbucketServer(mock)


@pytest.fixture
def remote(fake: FakeBitbucketServer) -> BitbucketServer:
    return BitbucketServer(fake.config)


def test_every_call_carries_the_token(remote: BitbucketServer, fake: FakeBitbucketServer):
    remote.check()
    remote.deploy_keys(REPOSITORY)
    shown = {call.request.headers["Authorization"] for call in fake.mock.calls}
    assert shown == {f"Bearer {fake.config.credentials['token']}"}


def test_a_token_that_administers_nothing_is_told_so(remote: BitbucketServer, fake: FakeBitbucketServer):
    assert remote.check().missing == ()
    fake.forbid_administration()
    assert remote.check().missing == ("Repository admin",)


def test_a_name_that_is_not_ascii_comes_encoded(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.user = "zo%C3%AB"
    assert remote.check().login == "zoë"


def test_a_login_that_a_proxy_hides_is_asked_for(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake._list_repositories = lambda request: fake._listed(request, [])
    fake.mock.reset()
    fake.install()
    assert remote.check().login == "ada"


@pytest.mark.parametrize("answer", ["", "\n", "<html>Log in</html>", "a\x00b"])
def test_an_answer_to_anybody_proves_nothing(remote: BitbucketServer, fake: FakeBitbucketServer, answer: str):
    fake.user = ""
    fake.mock.reset()
    fake.install()
    fake.mock.replace(responses.GET, _pattern(fake, "/plugins/servlet/applinks/whoami"), body=answer)
    with pytest.raises(CredentialsRejected, match="not signed in"):
        remote.check()


def _pattern(fake: FakeBitbucketServer, path: str) -> object:
    (found,) = [each.url for each in fake.mock.registered() if each.url.match(f"{fake.web}{path}")]
    return found


def test_paging_goes_by_the_next_start_that_is_told(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.mock.reset()
    pages = {"0": (["acme/a", "acme/b"], 37), "37": (["acme/c"], 40), "40": (["~ada/d"], None)}
    for start, (names, following) in pages.items():
        values = [{"slug": name.split("/")[1], "project": {"key": name.split("/")[0]}} for name in names]
        body = {"values": values, "isLastPage": following is None, "nextPageStart": following}
        match = [responses.matchers.query_param_matcher({"limit": "100", "start": start})]
        fake.mock.get(f"{fake.api}/repos", json=body, match=match)
    found, page = [], 1
    while page is not None:
        result = remote.search_repositories("", page)
        found.append([each.full_name for each in result.items])
        page = result.next_page
    assert found == [["acme/a", "acme/b"], ["acme/c"], ["~ada/d"]]
    assert [each.full_name for each in remote.search_repositories("/D").items] == ["~ada/d"]


def test_all_pages_of_refs_are_read(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.page_limit = 1
    names = [ref.ref for ref in remote.refs(REPOSITORY)]
    assert names == ["refs/heads/main", "refs/heads/release/1", "refs/heads/topic", "refs/tags/v1"]


def test_a_list_without_an_end_is_left_at_some_point(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake._always(reply(200, {"values": [], "isLastPage": False, "nextPageStart": 1}))
    assert remote.deploy_keys(REPOSITORY) == []
    assert len(fake.mock.calls) == 10


@pytest.mark.parametrize(
    ("full_name", "path", "page"),
    [
        ("ACME/shop", "/projects/ACME/repos/shop", "/projects/ACME/repos/shop"),
        ("~ada/dot.files", "/projects/~ada/repos/dot.files", "/users/ada/repos/dot.files"),
    ],
)
def test_projects_and_people_have_repositories(
    remote: BitbucketServer, fake: FakeBitbucketServer, full_name: str, path: str, page: str
):
    key, slug = full_name.split("/")
    body = {"slug": slug, "project": {"key": key}, "public": True}
    fake.mock.reset()
    fake.mock.get(f"{fake.api}{path}", json=body)
    fake.mock.get(f"{fake.api}{path}/default-branch", json={"id": "refs/heads/a/b", "displayId": "a/b"})
    found = remote.repository(full_name)
    assert (found.full_name, found.default_branch, found.private) == (full_name, "a/b", False)
    assert found.web_url == f"{fake.web}{page}"
    assert remote.webhook_page(full_name) == f"{fake.web}/plugins/servlet/webhooks{path}"
    assert remote.deploy_key_page(full_name) == f"{fake.web}/plugins/servlet/ssh{path}/keys"


@pytest.mark.parametrize("status", [204, 404])
def test_an_empty_repository_has_neither_default_branch_nor_head(
    remote: BitbucketServer, fake: FakeBitbucketServer, status: int
):
    here = f"{fake.api}/projects/acme/repos/shop"
    fake.mock.reset()
    fake.mock.get(here, json=fake.repository())
    fake.mock.get(f"{here}/default-branch", status=status)
    fake.mock.get(f"{here}/commits", json={"values": [], "isLastPage": True})
    assert remote.repository(REPOSITORY).default_branch == ""
    assert remote.head(REPOSITORY, "refs/heads/main") is None


def test_the_head_of_a_repository_that_is_gone_is_not_found(remote: BitbucketServer):
    with pytest.raises(NotFoundAtProvider):
        remote.head("acme/nothing", "refs/heads/main")


@pytest.mark.parametrize(
    "lie",
    [
        {"slug": "../../etc"},
        {"slug": "shop\x00"},
        {"slug": None},
        {"project": None},
        {"project": {"key": "a b"}},
        {"project": {"key": ["acme"]}},
    ],
)
def test_names_that_are_none_are_not_taken_over(remote: BitbucketServer, fake: FakeBitbucketServer, lie: dict):
    fake._always(reply(200, {**fake.repository(), **lie, "id": "refs/heads/main"}))
    with pytest.raises(UnexpectedAnswer):
        remote.repository(REPOSITORY)


def test_a_webhook_is_for_pushes_with_a_secret(remote: BitbucketServer, fake: FakeBitbucketServer):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    stored = fake.hooks[hook.id]
    assert stored["events"] == ["repo:refs_changed"]
    assert stored["configuration"] == {"secret": SECRET}
    assert stored["active"] is True


def test_a_webhook_of_the_project_is_not_ours(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.hooks["5"] = {"url": HOOK_URL, "scopeType": "project", "active": True, "events": []}
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert hook.id != "5"
    assert "configuration" not in fake.hooks["5"]


def test_a_key_that_is_there_already_is_found_on_any_page(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.page_limit = 1
    fake.keys = {"1": "ssh-rsa AAAA", "2": "no key at all", "3": PUBLIC_KEY}
    assert remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY).id == "3"


def test_a_key_that_an_account_uses_quotes_bitbucket(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.keys_elsewhere.add(PUBLIC_KEY)
    with pytest.raises(KeyInUse, match="already in use by another user"):
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)


def test_who_is_signed_in_and_may_not_gets_401_and_is_not_rejected(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake.forbid_administration()
    with pytest.raises(PermissionMissing) as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert caught.value.missing == ("Repository admin",)
    assert REPOSITORY in str(caught.value)


def test_a_repository_that_the_token_may_not_see_is_not_found(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake._always(not_permitted())
    with pytest.raises(NotFoundAtProvider, match="may not see it") as caught:
        remote.repository(REPOSITORY)
    assert caught.value.field == "full_name"


def test_removing_from_a_repository_that_is_gone_is_fine(remote: BitbucketServer):
    remote.remove_webhook("acme/gone", "1")
    remote.remove_deploy_key("acme/gone", "1")


@pytest.mark.parametrize("id_", ["", "1/../2", "one", "-1", "¹"])
def test_an_id_that_is_none_makes_no_call(remote: BitbucketServer, fake: FakeBitbucketServer, id_: str):
    for call in (remote.remove_webhook, remote.remove_deploy_key, remote.ping_webhook):
        with pytest.raises(InvalidValue):
            call(REPOSITORY, id_)
    assert len(fake.mock.calls) == 0


def test_every_state_is_one_of_bitbuckets(remote: BitbucketServer, fake: FakeBitbucketServer):
    for state in CommitState:
        remote.set_commit_status(
            REPOSITORY, COMMIT, state=state, target_url="https://s.example/x", description="d", context="c" * 300
        )
    assert [status["state"] for status in fake.statuses] == ["INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED"]
    assert fake.mock.calls[-1].request.url == f"{fake.api}/projects/acme/repos/shop/commits/{COMMIT}/builds"


def test_ssh_is_where_the_clone_links_say(remote: BitbucketServer):
    assert str(remote.ssh_address()) == str(remote.ssh_address(REPOSITORY)) == "git@ssh.git.example.com:7999"


def test_what_a_person_gave_comes_before_what_the_links_say(fake: FakeBitbucketServer):
    assert str(BitbucketServer(replace(fake.config, ssh_port=2222)).ssh_address()) == "git@ssh.git.example.com:2222"
    assert str(BitbucketServer(replace(fake.config, ssh_host="ssh.example.com")).ssh_address()) == "git@ssh.example.com"
    fake.mock.calls.reset()
    remote = BitbucketServer(replace(fake.config, ssh_host="ssh.example.com", ssh_user="bit", ssh_port=2222))
    assert str(remote.ssh_address()) == "bit@ssh.example.com:2222"
    assert len(fake.mock.calls) == 0


@pytest.mark.parametrize(
    "clone",
    [None, {}, [], ["ssh://git@a.example"], [{"href": 1}], [{"href": "https://git.example.com/scm/acme/shop.git"}]]
    + [[{"href": link}] for link in ("ssh://git@[::1", "ssh://", "ssh://git@a.example:99999/x", "git@a.example:x")],
)
def test_without_a_usable_link_ssh_is_where_the_pages_are(
    remote: BitbucketServer, fake: FakeBitbucketServer, clone: object
):
    fake._always(reply(200, {"values": [{**fake.repository(), "links": {"clone": clone}}]}))
    assert str(remote.ssh_address()) == "git@git.example.com"


def test_a_server_below_a_path_answers_there(mock: responses.RequestsMock):
    remote = BitbucketServer(replace(FakeBitbucketServer.config, base_url="https://example.com/bitbucket/"))
    assert remote.api_url == "https://example.com/bitbucket/rest/api/latest"
    mock.get(
        "https://example.com/bitbucket/rest/keys/1.0/projects/acme/repos/shop/ssh",
        json={"values": [], "isLastPage": True},
    )
    assert remote.deploy_keys(REPOSITORY) == []
    assert remote.credentials_url("https://example.com/bitbucket/").startswith("https://example.com/bitbucket/plugins/")


def test_a_limit_without_a_time_is_short(remote: BitbucketServer, fake: FakeBitbucketServer):
    fake._always(error(429, "You have been rate limited.", "RateLimitedException"))
    with pytest.raises(ProviderRateLimited) as caught:
        remote.check()
    assert caught.value.retry_after == 10


def said(exception: str) -> str:
    return json.dumps({"errors": [{"context": None, "message": "no", "exceptionName": f"com.atlassian.{exception}"}]})


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, said("bitbucket.auth.IncorrectPasswordAuthenticationException"), CredentialsRejected),
        (401, said("bitbucket.AuthorisationException"), PermissionMissing),
        (401, "<html>", CredentialsRejected),
        (401, '{"errors": [{"exceptionName": 1}, "x"]}', CredentialsRejected),
        (403, said("bitbucket.xsrf.XsrfCheckFailed"), PermissionMissing),
        (404, said("bitbucket.repository.NoSuchRepositoryException"), NotFoundAtProvider),
        (409, said("bitbucket.IntegrityException"), ProviderRefused),
        (422, said("bitbucket.validation.ArgumentValidationException"), ProviderRefused),
        (429, "", ProviderRateLimited),
        (500, "", ProviderUnreachable),
        (503, said("bitbucket.ServerMaintenance"), ProviderUnreachable),
        (200, "", UnexpectedAnswer),
        (200, "{", UnexpectedAnswer),
        (200, "[]", UnexpectedAnswer),
        (200, '{"values": {}}', UnexpectedAnswer),
        (200, '{"values": [{"id": "refs/heads/main"}]}', UnexpectedAnswer),
        (200, "[" * 100_000, UnexpectedAnswer),
    ],
)
def test_every_failure_is_one_of_the_typed_errors(
    remote: BitbucketServer, fake: FakeBitbucketServer, status: int, body: str, expected: type[ProviderError]
):
    fake._always((status, {}, body))
    with pytest.raises(expected):
        remote.refs(REPOSITORY)


@pytest.mark.parametrize("failure", [requests.exceptions.ReadTimeout(), requests.exceptions.ConnectionError("gone")])
def test_no_answer_may_be_one_later(remote: BitbucketServer, fake: FakeBitbucketServer, failure: Exception):
    fake.mock.reset()
    fake.mock.get(f"{fake.api}/repos", body=failure)
    with pytest.raises(ProviderUnreachable) as caught:
        remote.search_repositories("shop")
    assert caught.value.retryable
