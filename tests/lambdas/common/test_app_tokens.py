"""Tokens of a GitHub App, from an API that checks the signature with the app's public key."""

import base64
import http.server
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lambdas.common.app_tokens import DRIFT, LIFETIME, AppTokens, jwt
from lambdas.common.errors import BadCredentials, FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import ProviderSecret
from tests.lambdas.https_server import Server, respond, serving

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(form: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL) -> str:
    return KEY.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def secret(**values: str) -> ProviderSecret:
    return ProviderSecret(**{"app_id": "1234", "installation_id": "77", "private_key": pem(), **values})


def parts(text: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a JWT that the app's key signed. Raises InvalidSignature."""
    first, second, signature = text.split(".")
    KEY.public_key().verify(decoded(signature), f"{first}.{second}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return json.loads(decoded(first)), json.loads(decoded(second))


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("form", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_the_jwt_is_signed_by_the_app_and_good_for_less_than_ten_minutes(form: serialization.PrivateFormat) -> None:
    header, claims = parts(jwt(secret(private_key=pem(form)), now=1_000_000))
    assert header == {"alg": "RS256", "typ": "JWT"}
    assert claims == {"iat": 1_000_000 - DRIFT, "exp": 1_000_000 + LIFETIME, "iss": "1234"}
    assert LIFETIME + DRIFT <= 600


def test_a_changed_jwt_is_refused_by_what_checks_it_here() -> None:
    first, _, signature = jwt(secret(), now=1_000_000).split(".")
    other = base64.urlsafe_b64encode(b'{"iss":"9"}').rstrip(b"=").decode()
    with pytest.raises(InvalidSignature):
        parts(f"{first}.{other}.{signature}")


@pytest.mark.parametrize("key", ["", "no key", pem().replace("MII", "XII"), "-----BEGIN EC PRIVATE KEY-----"])
def test_a_key_that_cannot_be_read_is_told_without_it(key: str) -> None:
    with pytest.raises(BadCredentials, match="private key cannot be read") as caught:
        jwt(secret(private_key=key), now=1_000_000)
    assert not key or key not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


class GitHub:
    """Hands out tokens for an hour, to who signs as the app."""

    def __init__(self, server: Server) -> None:
        self.now, self.given = 1_000_000.0, 0
        server.answer = self.answer
        self.tokens = AppTokens(server.url, tls_context(server.ca_pem), clock=lambda: self.now)

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        scheme, _, text = request.headers["Authorization"].partition(" ")
        header, claims = parts(text)
        good = scheme == "Bearer" and header["alg"] == "RS256" and claims["iss"] == "1234"
        if not good or request.command != "POST" or request.path != "/app/installations/77/access_tokens":
            respond(404)(request)
            return
        self.given += 1
        until = datetime.fromtimestamp(self.now, UTC) + timedelta(hours=1)
        body = {"token": f"ghs_{self.given}", "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        respond(201, json.dumps(body).encode())(request)


def test_a_token_is_kept_until_five_minutes_before_it_ends(server: Server) -> None:
    github = GitHub(server)
    assert github.tokens.completed(secret()).git_token == "ghs_1"
    github.now += 3600 - 301
    assert github.tokens.completed(secret()).git_token == "ghs_1"
    github.now += 2
    assert github.tokens.completed(secret()).git_token == "ghs_2"
    github.tokens.forget()
    assert github.tokens.completed(secret()).git_token == "ghs_3"


def test_another_key_or_installation_gets_a_token_of_its_own(server: Server) -> None:
    github = GitHub(server)
    github.tokens.completed(secret())
    with pytest.raises(PermanentFailure, match="not installed there any more"):
        github.tokens.completed(secret(installation_id="78"))


def test_a_plain_token_is_left_alone(server: Server) -> None:
    given = ProviderSecret(git_token="ghp_1", webhook_secret="w")
    assert AppTokens(server.url, tls_context(server.ca_pem)).completed(given) is given
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "body", "headers", "failure", "reason"),
    [
        (401, b"", {}, BadCredentials, "ID or private key is not valid"),
        (403, b"", {}, PermanentFailure, "suspended"),
        (403, b"", {"Retry_After": "9"}, TemporaryFailure, "answered 403"),
        (404, b"", {}, PermanentFailure, "not installed"),
        (422, b"", {}, PermanentFailure, "lacks a permission"),
        (429, b"", {"Retry_After": "9"}, TemporaryFailure, "answered 429"),
        (500, b"", {}, TemporaryFailure, "answered 500"),
        (302, b"", {"Location": "https://evil.example"}, TemporaryFailure, "answered 302"),
        (201, b"<html>", {}, TemporaryFailure, "did not answer with an installation token"),
        (201, b"[]", {}, TemporaryFailure, "did not answer with an installation token"),
        (201, b'{"token": 7, "expires_at": "2026-01-01T00:00:00Z"}', {}, TemporaryFailure, "did not answer with"),
        (201, b'{"token": "a\\nb", "expires_at": "2026-01-01T00:00:00Z"}', {}, TemporaryFailure, "did not answer"),
        (201, b'{"token": "t", "expires_at": "soon"}', {}, TemporaryFailure, "did not answer with"),
    ],
)
def test_answers_that_are_no_token(
    server: Server, status: int, body: bytes, headers: dict[str, str], failure: type[FetchError], reason: str
) -> None:
    server.answer = respond(status, body, **headers)
    tokens = AppTokens(server.url, tls_context(server.ca_pem))
    with pytest.raises(failure, match=reason) as caught:
        tokens.completed(secret())
    assert "PRIVATE KEY" not in repr(caught.value)
    if isinstance(caught.value, TemporaryFailure) and "Retry_After" in headers:
        assert caught.value.retry_after == 9


def test_no_secret_is_in_a_repr() -> None:
    assert "PRIVATE KEY" not in repr(secret())
