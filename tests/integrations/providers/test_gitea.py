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
)
from integrations.providers.base import ProviderConfig
from integrations.providers.gitea import Gitea
from tests.factories import COMMIT, PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET
from tests.integrations.providers.fake_gitea import FakeGitea, refusal
from tests.integrations.providers.fake_github import reply

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl sluice"


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeGitea:
    return FakeGitea(mock)


@pytest.fixture
def remote(fake: FakeGitea) -> Gitea:
    return Gitea(fake.config)


def test_a_token_is_told_what_it_needs_as_the_server_does_not_tell_its_scopes(remote: Gitea):
    identity = remote.check()
    assert (identity.login, identity.missing) == ("ada", ())
    assert "write:repository and read:user" in identity.note


def test_a_token_that_may_not_read_repositories_lacks_a_scope(remote: Gitea, fake: FakeGitea):
    fake.missing_scope = "read:repository"
    assert remote.check().missing == ("read:repository",)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("token does not have at least one of required scope(s): [write:repository]", ("write:repository",)),
        (
            "token does not have at least one of required scope(s), required=[read:user read:admin], token scope=all",
            ("read:admin or read:user",),
        ),
    ],
)
def test_a_scope_that_is_missing_is_named_as_old_and_new_servers_say_it(
    remote: Gitea, fake: FakeGitea, words: str, missing: tuple
):
    fake.always(refusal(403, words))
    with pytest.raises(PermissionMissing) as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert caught.value.missing == missing


def test_an_account_that_is_no_administrator_is_told_so(remote: Gitea, fake: FakeGitea):
    fake.forbid_administration()
    with pytest.raises(PermissionMissing, match="collaborator with admin write") as caught:
        remote.deploy_keys(REPOSITORY)
    assert caught.value.missing == ("Administrator access",)


def test_webhooks_that_an_administrator_turned_off_are_no_question_of_permissions(remote: Gitea, fake: FakeGitea):
    fake.always(refusal(403, "webhooks disabled by administrator"))
    with pytest.raises(ProviderRefused, match="webhooks disabled") as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert not isinstance(caught.value, PermissionMissing)


def test_a_token_that_is_refused_says_why(remote: Gitea, fake: FakeGitea):
    fake.always(refusal(401, "invalid username, password or token"))
    with pytest.raises(CredentialsRejected, match="invalid username, password or token") as caught:
        remote.repository(REPOSITORY)
    assert caught.value.field == "token"


def test_the_token_is_in_no_message(remote: Gitea, fake: FakeGitea):
    token = fake.config.credentials["token"]
    fake.always(refusal(422, f"{token} is odd"))
    with pytest.raises(ProviderRefused) as caught:
        remote.repository(REPOSITORY)
    assert token not in str(caught.value)


def test_a_limit_without_a_time_waits_a_minute(remote: Gitea, fake: FakeGitea):
    fake.always((429, {}, "Too Many Requests"))
    with pytest.raises(ProviderRateLimited) as caught:
        remote.repository(REPOSITORY)
    assert caught.value.retry_after == 60


@pytest.mark.parametrize("most", [50, 20])
def test_all_pages_are_read_and_links_to_the_servers_own_address_never_followed(
    remote: Gitea, fake: FakeGitea, most: int
):
    fake.most_items = most
    fake.branches = [f"b{number}" for number in range(120)]
    assert [ref.name for ref in remote.refs(REPOSITORY)] == [*fake.branches, "v1"]
    assert all(call.request.url.startswith("https://git.example.com/") for call in fake.mock.calls)


def test_lists_with_a_total_only_are_read_to_their_end(remote: Gitea, fake: FakeGitea):
    for number in range(120):
        fake.hooks[str(1000 + number)] = {"url": f"https://ci.example.com/{number}", "secret": "x", "active": True}
    fake.hooks["7"] = {"url": HOOK_URL, "secret": "old", "active": False}
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert (hook.id, hook.active) == ("7", True)


def test_a_list_without_end_is_read_for_a_thousand(remote: Gitea, fake: FakeGitea):
    fake.branches = [f"b{number}" for number in range(1100)]
    assert len(remote.refs(REPOSITORY)) == 1001


def test_a_search_reads_on_until_it_has_found_enough(remote: Gitea, fake: FakeGitea):
    fake.repositories = [
        fake.repository(f"acme/{'shop' if number > 590 else 'other'}-{number}") for number in range(600)
    ]
    first = remote.search_repositories("SHOP")
    assert (first.items, first.next_page) == ([], 11)
    second = remote.search_repositories("SHOP", page=11)
    assert (second.items[0].full_name, second.next_page) == ("acme/shop-591", None)


def test_a_tag_points_at_its_commit_not_at_its_own_object(remote: Gitea):
    assert remote.head(REPOSITORY, "refs/tags/v1") == COMMIT


def test_an_empty_repository_has_no_default_branch(remote: Gitea, fake: FakeGitea):
    fake.always(reply(200, {**fake.repository(REPOSITORY), "empty": True, "default_branch": ""}))
    assert remote.repository(REPOSITORY).default_branch == ""


def test_a_link_is_made_from_the_name_and_never_taken_over(remote: Gitea):
    assert remote.repository(REPOSITORY).web_url == "https://git.example.com/acme/shop"


def test_a_name_that_another_key_has_gets_the_fingerprint_to_it(remote: Gitea, fake: FakeGitea):
    remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=OTHER_KEY)
    key = remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)
    assert fake.titles == {"Sluice: shop", "Sluice: shop (oMgQTQLd)"}
    assert len(remote.deploy_keys(REPOSITORY)) == 2
    assert remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY) == key


def test_a_key_of_an_account_says_what_to_do(remote: Gitea, fake: FakeGitea):
    fake.keys_elsewhere.add(PUBLIC_KEY)
    with pytest.raises(KeyInUse, match="non-deploy key") as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert "rotate" in caught.value.remedy


def test_a_server_without_ssh_says_to_use_zip_download(remote: Gitea, fake: FakeGitea):
    fake.always(refusal(422, "SSH is disabled"))
    with pytest.raises(ProviderRefused) as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert "zip download" in caught.value.remedy


def test_removing_from_a_repository_that_is_gone_is_fine(remote: Gitea):
    remote.remove_webhook("acme/gone", "1")
    remote.remove_deploy_key("acme/gone", "1")


def test_adding_to_a_repository_that_is_gone_names_it(remote: Gitea):
    with pytest.raises(NotFoundAtProvider, match="acme/gone") as caught:
        remote.add_deploy_key("acme/gone", title="Sluice", public_key=PUBLIC_KEY)
    assert caught.value.field == "full_name"


def test_the_ping_of_a_webhook_that_is_gone_is_not_found(remote: Gitea):
    with pytest.raises(NotFoundAtProvider):
        remote.ping_webhook(REPOSITORY, "999")


@pytest.mark.parametrize("status", [409, 413, 423])
def test_refusals_of_other_kinds_are_quoted(remote: Gitea, fake: FakeGitea, status: int):
    fake.always(refusal(status, "Repository is archived"))
    with pytest.raises(ProviderRefused, match="Repository is archived"):
        remote.repository(REPOSITORY)


def test_a_server_below_a_path_is_called_there():
    remote = Gitea(ProviderConfig(base_url="https://git.example.com/code/", credentials={"token": "t"}))
    assert remote.api_url == "https://git.example.com/code/api/v1"
    assert remote.credentials_url(remote.config.base_url) == "https://git.example.com/code/user/settings/applications"
    assert str(remote.usual_ssh_address) == "git@git.example.com"


@pytest.mark.parametrize("failure", [requests.ReadTimeout(), requests.ConnectTimeout(), requests.ConnectionError()])
def test_no_answer_may_pass(remote: Gitea, fake: FakeGitea, failure: Exception):
    fake.mock.reset()
    fake.mock.get(f"{fake.api}/user", body=failure)
    with pytest.raises(ProviderUnreachable) as caught:
        remote.check()
    assert caught.value.retryable


@pytest.mark.parametrize("body", ["", "<html>", "{", "null", "[]", '"x"', '{"login": null}'])
def test_an_address_that_is_not_giteas_api_is_told(remote: Gitea, fake: FakeGitea, body: str):
    fake.always((200, {}, body))
    with pytest.raises(UnexpectedAnswer) as caught:
        remote.check()
    assert caught.value.field == "base_url"
