import base64
import hashlib
import hmac
import time
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.errors import BadSignature
from lambdas.common.providers import PROVIDERS
from tests.lambdas import webhooks
from tests.lambdas.webhooks import SIGNING_TOKEN, Webhook

SECRET = "a webhook secret"
OTHER_TOKEN = "whsec_" + base64.b64encode(b"another key of thirty-two bytes.").decode()
KINDS = sorted(PROVIDERS)


def verify(webhook: Webhook, *secrets: str) -> None:
    PROVIDERS[webhook.kind].webhooks.verify(webhook.headers, webhook.body, secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_what_its_provider_signed_is_accepted(kind: str) -> None:
    verify(webhooks.push(kind).signed(SECRET), SECRET)


@pytest.mark.parametrize("kind", KINDS)
def test_both_secrets_are_valid_during_a_rotation(kind: str) -> None:
    for used in ("new", "old"):
        verify(webhooks.push(kind).signed(used), "new", "old")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secrets", [(), ("another",), (SECRET + " ",)])
def test_what_another_secret_signed_is_refused(kind: str, secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadSignature, match="match"):
        verify(webhooks.push(kind).signed(SECRET), *secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_secret_not_even_an_empty_one_is_accepted(kind: str) -> None:
    with pytest.raises(BadSignature):
        verify(webhooks.push(kind).signed(""))


@given(st.sampled_from(KINDS), st.text(max_size=80))
def test_no_made_up_signature_is_accepted_or_crashes_the_check(kind: str, value: str) -> None:
    webhook = webhooks.push(kind).signed(webhooks.secret_of(kind))
    for name in set(webhook.headers) - set(webhooks.push(kind).headers):
        forged = webhook.with_headers(**{name: value})
        with pytest.raises(BadSignature):
            verify(forged, webhooks.secret_of(kind))


@pytest.mark.parametrize(
    ("kind", "header"), [("bitbucket_cloud", "x-hub-signature"), ("github", "x-hub-signature-256")]
)
def test_sha_1_is_no_signature(kind: str, header: str) -> None:
    webhook = webhooks.push(kind)
    digest = hmac.new(SECRET.encode(), webhook.body, hashlib.sha1).hexdigest()

    with pytest.raises(BadSignature, match="not an HMAC-SHA256"):
        verify(webhook.with_headers(**{header: f"sha1={digest}"}), SECRET)


def test_github_signs_the_form_as_it_is_sent_and_gitea_the_json_in_it() -> None:
    for kind in ("github", "gitea"):
        webhook = webhooks.push(kind).with_headers(content_type="application/x-www-form-urlencoded")
        form = urlencode({"payload": webhook.body.decode()}).encode()
        sent = Webhook(kind, "", webhook.headers, form, {})
        signed = sent.signed(SECRET) if kind == "github" else webhook.signed(SECRET)
        verify(Webhook(kind, "", signed.headers, form, {}), SECRET)


def test_forgejo_signs_under_its_own_name() -> None:
    webhook = webhooks.load("gitea", "push__forgejo")
    digest = webhook.signed(SECRET).headers["x-gitea-signature"]

    verify(webhook.with_headers(x_forgejo_signature=digest), SECRET)


@pytest.mark.parametrize("kind", ["github", "gitea"])
def test_a_signature_of_the_other_scheme_is_no_signature(kind: str) -> None:
    other = "gitea" if kind == "github" else "github"
    headers = webhooks.signature(replace(webhooks.push(kind), kind=other), SECRET)

    with pytest.raises(BadSignature, match="not signed"):
        verify(webhooks.push(kind).with_headers(**headers), SECRET)


def test_a_test_connection_of_data_center_is_refused_unless_it_is_signed() -> None:
    ping = webhooks.load("bitbucket_server", "diagnostics_ping__test_connection")

    with pytest.raises(BadSignature, match="Bitbucket reached this address"):
        verify(ping, SECRET)
    verify(ping.signed(SECRET), SECRET)


class TestGitLab:
    push = webhooks.push("gitlab")

    def test_signs_with_a_signing_token(self) -> None:
        verify(self.push.signed(SIGNING_TOKEN), SIGNING_TOKEN)

    def test_may_send_several_signatures(self) -> None:
        signed = self.push.signed(SIGNING_TOKEN)
        signature = signed.headers["webhook-signature"]
        several = f"v1a,{'A' * 86}== v1,{'A' * 43}= {signature}"

        verify(signed.with_headers(webhook_signature=several), OTHER_TOKEN, SIGNING_TOKEN)

    @pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
    def test_signs_the_id_and_the_time_too(self, header: str) -> None:
        signed = self.push.signed(SIGNING_TOKEN)
        for value in ("", str(int(time.time()) + 1)):
            with pytest.raises(BadSignature, match="does not match"):
                verify(signed.with_headers(**{header: value}), SIGNING_TOKEN)

    @pytest.mark.parametrize("seconds", [-400, 400])
    def test_a_signature_of_another_time_is_refused(self, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
        signed = self.push.signed(SIGNING_TOKEN)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + seconds)

        with pytest.raises(BadSignature, match="five minutes"):
            verify(signed, SIGNING_TOKEN)

    def test_a_signed_request_is_never_accepted_for_its_token(self) -> None:
        forged = self.push.signed(OTHER_TOKEN).with_headers(x_gitlab_token=SECRET)

        with pytest.raises(BadSignature, match="does not match"):
            verify(forged, SIGNING_TOKEN, SECRET)
        with pytest.raises(BadSignature, match="no signing token"):
            verify(forged, SECRET)

    def test_a_signing_token_is_never_accepted_as_a_token(self) -> None:
        with pytest.raises(BadSignature, match="not signed"):
            verify(self.push.with_headers(x_gitlab_token=SIGNING_TOKEN), SIGNING_TOKEN)
        with pytest.raises(BadSignature, match="does not match"):
            verify(self.push.with_headers(x_gitlab_token=SIGNING_TOKEN), SIGNING_TOKEN, SECRET)

    def test_a_token_stays_valid_while_a_signing_token_replaces_it(self) -> None:
        verify(self.push.signed(SECRET), SIGNING_TOKEN, SECRET)

    def test_a_signing_token_that_is_no_base64_matches_nothing(self) -> None:
        with pytest.raises(BadSignature):
            verify(self.push.signed(SIGNING_TOKEN), "whsec_%%%")
