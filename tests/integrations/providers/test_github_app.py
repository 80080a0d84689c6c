"""A GitHub App as a provider's credentials: all that every kind must do, and what is an app's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import responses

from integrations.errors import (
    CredentialsRejected,
    InvalidValue,
    NotFoundAtProvider,
    PermissionMissing,
)
from integrations.providers import github_app
from integrations.providers.base import ProviderConfig, Purpose
from integrations.providers.github import GitHub
from integrations.providers.github_enterprise import GitHubEnterprise
from tests.factories import rsa_key
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET, ProviderContract
from tests.integrations.providers.fake_github_app import (
    APP_ID,
    CONFIG,
    INSTALLATION,
    PERMISSIONS,
    FakeGitHubApp,
    FakeGitHubEnterpriseApp,
    credentials,
)

BEGIN = "-----BEGIN RSA PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def no_tokens_kept() -> None:
    github_app.forget_tokens()


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeGitHubApp:
    return FakeGitHubApp(mock)


@pytest.fixture
def remote(fake: FakeGitHubApp) -> GitHub:
    return GitHub(CONFIG)


def tokens_asked(fake: FakeGitHubApp) -> int:
    return sum(call.request.url.endswith("/access_tokens") for call in fake.mock.calls)


class TestAsEveryKind(ProviderContract):
    def test_credentials_that_work_say_whose_they_are(self, remote: GitHub, fake: FakeGitHubApp):  # type: ignore[override]
        assert remote.check().login == "sluice-acme at acme"
        assert remote.check().missing == ()


class TestStatements:
    def test_it_is_signed_for_nine_minutes_and_a_minute_back(self, remote: GitHub, fake: FakeGitHubApp):
        remote.check()
        token = fake.mock.calls[0].request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        now = datetime.now(UTC).timestamp()
        assert claims["iss"] == str(APP_ID)
        assert claims["iat"] == pytest.approx(now - 60, abs=5)
        assert claims["exp"] == pytest.approx(now + 540, abs=5)
        assert jwt.get_unverified_header(token)["alg"] == "RS256"

    def test_a_clock_that_is_wrong_is_told_as_that(self, remote: GitHub, fake: FakeGitHubApp):
        for clock in (timedelta(minutes=-5), timedelta(minutes=20)):
            fake.clock = clock
            with pytest.raises(CredentialsRejected, match="time of the app's sign-in") as caught:
                remote.check()
            assert "clock" in caught.value.remedy

    def test_the_key_of_another_app(self, fake: FakeGitHubApp):
        with pytest.raises(CredentialsRejected, match="private key") as caught:
            GitHub(ProviderConfig(credentials=credentials(private_key=rsa_key("other")))).check()
        assert caught.value.field == "private_key"

    def test_an_id_that_no_app_has(self, fake: FakeGitHubApp):
        with pytest.raises(CredentialsRejected, match="Integration not found"):
            GitHub(ProviderConfig(credentials=credentials(app_id="1"))).check()


class TestTokens:
    def test_one_is_used_for_all_calls_of_all_clients(self, remote: GitHub, fake: FakeGitHubApp):
        remote.refs(REPOSITORY)
        GitHub(CONFIG).head(REPOSITORY, "refs/heads/main")
        assert tokens_asked(fake) == 1

    def test_it_is_narrowed_to_what_sluice_uses(self, remote: GitHub, fake: FakeGitHubApp):
        more = {**PERMISSIONS, "contents": "write", "secrets": "write", "members": "read"}
        fake.grant(more)
        remote.refs(REPOSITORY)
        assert fake.asked == [{"permissions": PERMISSIONS}]

    def test_what_was_not_granted_is_not_asked_for(self, remote: GitHub, fake: FakeGitHubApp):
        fake.grant({"contents": "read", "metadata": "read"})
        remote.refs(REPOSITORY)
        assert fake.asked == [{"permissions": {"contents": "read", "metadata": "read"}}]
        assert remote.check().missing == ("Webhooks: read and write", "Commit statuses: read and write")

    def test_another_is_asked_for_before_it_expires(self, remote: GitHub, fake: FakeGitHubApp):
        fake.lasts = timedelta(minutes=4)
        remote.refs(REPOSITORY)
        assert tokens_asked(fake) > 1

    def test_one_that_is_refused_is_renewed_once(self, remote: GitHub, fake: FakeGitHubApp):
        remote.refs(REPOSITORY)
        fake.tokens.clear()
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        assert (tokens_asked(fake), hook.url) == (2, HOOK_URL)

    def test_a_provider_that_takes_none_is_not_asked_for_ever(self, remote: GitHub, fake: FakeGitHubApp):
        fake.lasts = timedelta(minutes=-1)
        with pytest.raises(CredentialsRejected, match="token of the app's installation"):
            remote.ssh_host_keys()
        assert tokens_asked(fake) == 2

    def test_another_key_never_finds_the_token(self, remote: GitHub, fake: FakeGitHubApp):
        remote.refs(REPOSITORY)
        with pytest.raises(CredentialsRejected):
            GitHub(ProviderConfig(credentials=credentials(private_key=rsa_key("other")))).refs(REPOSITORY)

    def test_nothing_of_it_is_in_a_message(self, remote: GitHub, fake: FakeGitHubApp):
        remote.refs(REPOSITORY)
        token = next(iter(fake.tokens))
        fake.mock.reset()
        fake.mock.get(f"{fake.api}/meta", status=500, json={"message": f"no {token} today"})
        with pytest.raises(Exception, match=r"no \*\*\* today") as caught:
            remote.ssh_host_keys()
        assert token not in str(caught.value)
        assert token not in repr(remote.config)
        assert "PRIVATE KEY" not in repr(remote.config)


class TestInstallations:
    def test_one_that_was_removed(self, remote: GitHub, fake: FakeGitHubApp):
        fake.installations.clear()
        with pytest.raises(CredentialsRejected, match="not installed there") as caught:
            remote.refs(REPOSITORY)
        assert caught.value.remedy

    def test_one_that_is_suspended(self, remote: GitHub, fake: FakeGitHubApp):
        fake.installations[INSTALLATION]["suspended_at"] = "2026-11-28T10:00:00Z"
        with pytest.raises(CredentialsRejected, match="suspended at acme"):
            remote.refs(REPOSITORY)

    def test_one_of_another_app(self, fake: FakeGitHubApp):
        with pytest.raises(CredentialsRejected, match="not installed there"):
            GitHub(ProviderConfig(credentials=credentials(installation_id="1"))).check()

    def test_the_only_one_need_not_be_entered(self, fake: FakeGitHubApp):
        remote = GitHub(ProviderConfig(credentials=credentials(installation_id="")))
        assert remote.completed_credentials()["installation_id"] == INSTALLATION

    def test_of_several_a_person_chooses(self, fake: FakeGitHubApp):
        fake.installations["5"] = fake.installation("other")
        with pytest.raises(InvalidValue, match=rf"{INSTALLATION} \(acme\), 5 \(other\)"):
            GitHub(ProviderConfig(credentials=credentials(installation_id=""))).completed_credentials()

    def test_one_has_to_be_there(self, fake: FakeGitHubApp):
        fake.installations.clear()
        with pytest.raises(InvalidValue, match="installed nowhere"):
            GitHub(ProviderConfig(credentials=credentials(installation_id=""))).completed_credentials()


def test_a_repository_that_it_is_not_installed_for(remote: GitHub, fake: FakeGitHubApp):
    with pytest.raises(NotFoundAtProvider):
        remote.repository("acme/nothing")


def test_what_it_was_not_granted_is_told_beforehand_and_when_it_is_tried(remote: GitHub, fake: FakeGitHubApp):
    fake.forbid_administration()
    found = remote.obstacles(REPOSITORY, deploy_key=True, commit_statuses=True)
    assert [each.purpose for each in found] == [Purpose.WEBHOOK, Purpose.DEPLOY_KEY]
    assert "Webhooks: read and write" in found[0].message
    with pytest.raises(PermissionMissing, match="GitHub App was not granted"):
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)


def test_an_enterprise_server_is_asked_at_its_own_address(mock: responses.RequestsMock):
    fake = FakeGitHubEnterpriseApp(mock)
    remote = GitHubEnterprise(replace(CONFIG, base_url="https://git.example.com"))
    assert remote.check().login == "sluice-acme at acme"
    assert {call.request.url.split("/app")[0] for call in fake.mock.calls} == {"https://git.example.com/api/v3"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "token"),
        ({"token": "ghp_1", "app_id": "1"}, "token"),
        ({"app_id": "1"}, "private_key"),
        ({"private_key": "x"}, "app_id"),
        ({"app_id": "acme", "private_key": "x"}, "app_id"),
        ({"app_id": "1/../2", "private_key": "x"}, "app_id"),
        ({"app_id": "1", "private_key": "no key"}, "private_key"),
        (
            {"app_id": "1", "private_key": "-----BEGIN RSA PRIVATE KEY-----\nnone\n-----END RSA PRIVATE KEY-----"},
            "private_key",
        ),
    ],
)
def test_credentials_that_are_neither_or_both(given: dict[str, str], field: str):
    with pytest.raises(InvalidValue) as caught:
        GitHub.tidied_credentials(given)
    assert caught.value.field == field
    assert "ghp_1" not in str(caught.value)


def test_a_key_is_kept_in_one_form():
    crumpled = "\r\n" + rsa_key().replace("\n", "\\n")
    tidied = GitHub.tidied_credentials({"app_id": "1", "private_key": crumpled})
    assert tidied["private_key"] == rsa_key()


def test_a_new_way_takes_the_place_of_the_old_one():
    app = credentials()
    assert GitHub.changed_credentials(app, {"token": "ghp_1"}) == {"token": "ghp_1"}
    assert GitHub.changed_credentials({"token": "ghp_1"}, app) == app
    assert GitHub.changed_credentials(app, {"private_key": "new"}) == {**app, "private_key": "new"}
    assert GitHub.changed_credentials(app, {"app_id": "2", "private_key": "new"}) == {
        "app_id": "2",
        "private_key": "new",
    }
