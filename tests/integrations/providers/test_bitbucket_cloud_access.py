"""How Bitbucket Cloud is signed in to, and what is told of missing scopes."""

import base64
import re

import pytest
import responses

from integrations.errors import (
    CredentialsRejected,
    InvalidValue,
    PermissionMissing,
    UnexpectedAnswer,
)
from integrations.providers.bitbucket_cloud import BitbucketCloud
from tests.factories import PUBLIC_KEY
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY, SECRET
from tests.integrations.providers.fake_bitbucket_cloud import FakeBitbucketCloud, error
from tests.integrations.providers.test_bitbucket_cloud import ACCESS_TOKEN, API_TOKEN, OAUTH, shown, signed_in


@pytest.fixture
def fake(mock: responses.RequestsMock) -> FakeBitbucketCloud:
    return FakeBitbucketCloud(mock)


@pytest.fixture
def remote(fake: FakeBitbucketCloud) -> BitbucketCloud:
    return signed_in(API_TOKEN)


def test_an_api_token_is_shown_with_its_email(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    remote.check()
    scheme, _, value = shown(fake).partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value).decode() == f"ada@example.com:{API_TOKEN['token']}"
    assert remote.archive_credentials()["git_token"] == f"ada@example.com:{API_TOKEN['token']}"


@pytest.mark.parametrize("email", ["", "left@example.com"])
def test_an_access_token_is_a_bearer_whatever_email_is_left_beside_it(fake: FakeBitbucketCloud, email: str):
    remote = signed_in({"token": ACCESS_TOKEN, "email": email})
    remote.repository(REPOSITORY)
    assert shown(fake) == f"Bearer {ACCESS_TOKEN}"
    assert remote.archive_credentials() == {"git_token": ACCESS_TOKEN, "oauth_key": "", "oauth_secret": ""}


def test_an_oauth_consumer_gets_one_token_for_all_calls(fake: FakeBitbucketCloud):
    remote = signed_in(OAUTH)
    remote.check()
    remote.repository(REPOSITORY)
    asked = [call.request.url for call in fake.mock.calls]
    assert asked[0] == "https://bitbucket.org/site/oauth2/access_token"
    assert len(asked) == 3
    assert shown(fake, 0) == "Basic " + base64.b64encode(b"consumer:its-secret").decode()
    assert {shown(fake, 1), shown(fake, 2)} == {f"Bearer {fake.oauth_token}"}
    assert remote.archive_credentials() == {"git_token": "", **OAUTH}


def test_an_oauth_consumer_that_is_refused_is_told_without_its_secret(fake: FakeBitbucketCloud):
    with pytest.raises(CredentialsRejected, match=r"Invalid OAuth client credentials \*\*\*") as caught:
        signed_in({**OAUTH, "oauth_secret": "mistyped"}).check()
    assert caught.value.field == "oauth_key"
    assert "private consumer" in caught.value.remedy


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"access_token": null}', '{"access_token": "a\\nb: c"}'])
def test_an_oauth_answer_without_a_token_is_unexpected(fake: FakeBitbucketCloud, body: str):
    fake.mock.replace(
        responses.POST, re.compile(r"^https://bitbucket\.org/site/oauth2/access_token(\?.*)?$"), body=body
    )
    with pytest.raises(UnexpectedAnswer):
        signed_in(OAUTH).check()


@pytest.mark.parametrize(
    ("credentials", "field"),
    [
        ({}, "token"),
        ({"email": "ada@example.com"}, "token"),
        ({"oauth_key": "consumer"}, "oauth_secret"),
        ({"oauth_secret": "s"}, "oauth_key"),
        ({"token": "t", **OAUTH}, "token"),
    ],
)
def test_credentials_that_are_for_no_one_way_make_no_call(fake: FakeBitbucketCloud, credentials: dict, field: str):
    for call in (signed_in(credentials).check, signed_in(credentials).archive_credentials):
        with pytest.raises(InvalidValue) as caught:
            call()
        assert caught.value.field == field
    assert len(fake.mock.calls) == 0


@pytest.mark.parametrize(
    ("stored", "entered", "kept"),
    [
        (API_TOKEN, {"token": "ATATT-new"}, {"email": "ada@example.com", "token": "ATATT-new"}),
        (API_TOKEN, {"token": ACCESS_TOKEN}, {"token": ACCESS_TOKEN}),
        (API_TOKEN, OAUTH, OAUTH),
        (OAUTH, {"token": ACCESS_TOKEN}, {"token": ACCESS_TOKEN}),
        (OAUTH, {"oauth_secret": "new"}, {"oauth_key": "consumer", "oauth_secret": "new"}),
        (API_TOKEN, {"email": "new@example.com"}, {**API_TOKEN, "email": "new@example.com"}),
    ],
)
def test_a_new_way_to_sign_in_takes_the_place_of_the_old(stored: dict, entered: dict, kept: dict):
    assert BitbucketCloud.changed_credentials(stored, entered) == kept


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ("repository:admin, webhook", ()),
        ("repository:write webhook repository:admin account", ()),
        ("repository", ("webhook", "repository:admin")),
        ("", ("repository", "webhook", "repository:admin")),
        (
            "read:repository:bitbucket, write:webhook:bitbucket, read:user:bitbucket",
            ("read:webhook:bitbucket", "delete:webhook:bitbucket"),
        ),
    ],
)
def test_missing_scopes_are_named_in_the_words_they_were_given_in(
    remote: BitbucketCloud, fake: FakeBitbucketCloud, scopes: str, missing: tuple
):
    fake.scopes = scopes
    assert remote.check().missing == missing


def test_untold_scopes_are_noted(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake.scopes = None
    identity = remote.check()
    assert identity.missing == ()
    assert "did not tell" in identity.note


def test_an_access_token_is_nobodys_and_proves_itself_otherwise(fake: FakeBitbucketCloud):
    fake.user, fake.scopes = None, "repository:admin, webhook"
    identity = signed_in({"token": ACCESS_TOKEN}).check()
    assert (identity.login, identity.missing, identity.note) == ("access token", (), "")


def test_an_access_token_that_is_taken_for_anybody_is_rejected(fake: FakeBitbucketCloud):
    fake.user, fake.scopes = None, None
    with pytest.raises(CredentialsRejected):
        signed_in({"token": ACCESS_TOKEN}).check()


def test_an_api_token_that_may_not_read_the_account_goes_by_its_email(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    refusal = error(403, "Forbidden", {"required": ["read:user:bitbucket"], "granted": []})
    fake._user = lambda request: refusal
    fake.mock.reset()
    fake.install()
    assert remote.check().login == "ada@example.com"


def test_a_refusal_names_the_scopes_that_it_wants(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake.forbid_administration()
    with pytest.raises(PermissionMissing, match="lack one or more required privilege scopes") as caught:
        remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert caught.value.missing == ("webhook", "repository:admin")


def test_a_refusal_without_scopes_is_of_the_owner(remote: BitbucketCloud, fake: FakeBitbucketCloud):
    fake._administration = lambda answer: lambda request: error(403, "Access denied. You must have admin access.")
    fake.mock.reset()
    fake.install()
    with pytest.raises(PermissionMissing) as caught:
        remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert caught.value.missing == ("repository:admin",)
    assert "admin of acme/shop" in caught.value.remedy
    with pytest.raises(PermissionMissing):
        remote.remove_deploy_key(REPOSITORY, "200")


def test_a_hidden_list_is_a_missing_scope_and_not_a_missing_repository(
    remote: BitbucketCloud, fake: FakeBitbucketCloud
):
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    fake._administration = lambda answer: lambda request: error(404, "Not found")
    fake.mock.reset()
    fake.install()
    with pytest.raises(PermissionMissing) as caught:
        remote.remove_webhook(REPOSITORY, hook.id)
    assert caught.value.missing == ("webhook",)
