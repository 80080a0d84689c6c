"""Signing in to Bitbucket Cloud, in its three ways, and what it means by its refusals.

- An API token of a person, with the email of their Atlassian account: Basic.
  https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/
- An access token of a repository, project or workspace: Bearer.
  https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/
- An OAuth consumer's key and secret, exchanged for a token that lasts an hour or two: Bearer.
  https://developer.atlassian.com/cloud/bitbucket/oauth-2/ (client credentials grant)
"""

import base64
import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from integrations.errors import (
    CredentialsRejected,
    InvalidValue,
    KeyInUse,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
    WebhookLimitReached,
)
from integrations.http import Answer, HttpClient, retry_after
from integrations.providers.base import ProviderConfig, SignIn
from integrations.providers.bitbucket_cloud_api import READ
from integrations.providers.records import Identity

SCOPES_UNTOLD = (
    "Bitbucket did not tell what these credentials may do. They need to read repositories and to administer webhooks "
    "and access keys; what is missing shows when it is first needed."
)
KEYS_NOTE = (
    "Bitbucket's reference lists no scope with which an API token may add access keys (deploy keys): if it refuses, "
    "add the key by hand, or use an access token with repository:admin."
)
LIMIT_WAIT = 60  # seconds; limits are per rolling hour, and the answer does not always tell
ACCESS_TOKEN_PREFIX = "ATCTT"  # noqa: S105 - of access tokens; API tokens begin with ATATT
_TAKEN = re.compile(r"already (been )?(registered|added|in use|used|exists|has)")


SIGN_INS = (
    SignIn(
        "api-token",
        "API token",
        "Belongs to a person, and may do what its scopes and that person may. Bitbucket names no scope that lets it "
        "add deploy keys: for git pull they may have to be added by hand.",
        {"email": "", "token": "API token"},
        "https://id.atlassian.com/manage-profile/security/api-tokens",
    ),
    SignIn(
        "access-token",
        "Access token",
        "Belongs to one repository, project or workspace, and to nobody. The best choice where your plan has them.",
        {"token": "Access token"},
        "https://support.atlassian.com/bitbucket-cloud/docs/access-tokens/",
    ),
    SignIn(
        "oauth-consumer",
        "OAuth consumer",
        'Belongs to a workspace. Tick "This is a private consumer", which signing in without a person needs.',
        {"oauth_key": "Key", "oauth_secret": "Secret"},
        "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
    ),
)


class Way(Enum):
    """How the credentials sign in."""

    API_TOKEN = "API token"  # noqa: S105
    ACCESS_TOKEN = "access token"  # noqa: S105
    OAUTH = "OAuth consumer"


def way(credentials: Mapping[str, str]) -> Way:
    """The way that these credentials are for. Raises InvalidValue when they are for none, or for several."""
    token, email = credentials.get("token", ""), credentials.get("email", "")
    key, secret = credentials.get("oauth_key", ""), credentials.get("oauth_secret", "")
    if token and (key or secret):
        raise InvalidValue("Enter a token or an OAuth consumer, not both.", field="token")
    if token:
        return Way.API_TOKEN if email and not token.startswith(ACCESS_TOKEN_PREFIX) else Way.ACCESS_TOKEN
    if key and secret:
        return Way.OAUTH
    if key or secret:
        raise InvalidValue("An OAuth consumer has a key and a secret.", field="oauth_secret" if key else "oauth_key")
    raise InvalidValue(
        "Enter an API token with its account's email, an access token, or the key and secret of an OAuth consumer.",
        field="token",
    )


def changed(stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
    """What to store when a person enters some fields anew: a new way takes the place of the old one."""
    kept = dict(stored)
    if "token" in entered:
        kept = {name: value for name, value in kept.items() if not name.startswith("oauth_")}
        if entered["token"].startswith(ACCESS_TOKEN_PREFIX):
            kept.pop("email", None)
    elif "oauth_key" in entered or "oauth_secret" in entered:
        kept = {name: value for name, value in kept.items() if name.startswith("oauth_")}
    return {**kept, **entered}


def archive_credentials(credentials: Mapping[str, str]) -> dict[str, str]:
    """What the stack's functions sign in with: a colon in `git_token` means Basic. Raises InvalidValue."""
    found = {"git_token": "", "oauth_key": "", "oauth_secret": ""}
    match way(credentials):
        case Way.API_TOKEN:
            found["git_token"] = f"{credentials['email']}:{credentials['token']}"
        case Way.ACCESS_TOKEN:
            found["git_token"] = credentials["token"]
        case Way.OAUTH:
            found |= {"oauth_key": credentials["oauth_key"], "oauth_secret": credentials["oauth_secret"]}
    return found


def authorization(config: ProviderConfig, web_url: str) -> str:
    """The Authorization header. Asks for a token where an OAuth consumer signs in; raises what that may raise."""
    credentials = config.credentials
    match way(credentials):
        case Way.API_TOKEN:
            return _basic(credentials["email"], credentials["token"])
        case Way.ACCESS_TOKEN:
            return f"Bearer {credentials['token']}"
        case Way.OAUTH:
            return f"Bearer {_oauth_token(config, web_url)}"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _oauth_token(config: ProviderConfig, web_url: str) -> str:
    key, secret = config.credentials["oauth_key"], config.credentials["oauth_secret"]
    http = HttpClient(
        web_url,
        headers={"Authorization": _basic(key, secret), "Accept": "application/json"},
        ca_bundle=config.ca_bundle,
        allowed_networks=config.allowed_networks,
        patience=config.patience,
        explain=_explain_oauth,
        secrets=[secret],
    )
    answer = http.post_form("/site/oauth2/access_token", {"grant_type": "client_credentials"})
    token = READ.text(READ.record(answer), "access_token")
    if not (token.isascii() and token.isprintable()):
        raise READ.unexpected("access_token is no token")
    return token


def _explain_oauth(answer: Answer) -> ProviderError | None:
    if answer.status not in {400, 401, 403}:
        return None
    return CredentialsRejected(
        f"Bitbucket does not accept the OAuth consumer: {answer.message or 'no reason given'}.",
        remedy='Check its key and secret, and that "This is a private consumer" is ticked, which this grant needs.',
        field="oauth_key",
    )


def identity(http: HttpClient, credentials: Mapping[str, str]) -> Identity:
    """Whose the credentials are, and their scopes. Raises CredentialsRejected, ProviderUnreachable."""
    used = way(credentials)
    try:
        answer = http.get("/user")
        body = READ.record(answer)
        name = next((key for key in ("nickname", "username", "display_name") if body.get(key)), "nickname")
        login = READ.text(body, name)
    except (CredentialsRejected, PermissionMissing) as error:
        if used is Way.API_TOKEN and isinstance(error, CredentialsRejected):
            raise
        # Access tokens are nobody's, and others may lack the scope to read the account. Then anything that is answered
        # with what the token is proves it: https://support.atlassian.com/bitbucket-cloud/kb/
        # how-to-fetch-the-scope-of-a-token-via-command-line/
        answer = http.get("/hook_events")
        if all(answer.headers.get(name) is None for name in ("X-OAuth-Scopes", "X-Credential-Type")):
            raise
        login = credentials["email"] if used is Way.API_TOKEN else used.value
    notes = [KEYS_NOTE] if used is Way.API_TOKEN else []
    listed = answer.headers.get("X-OAuth-Scopes")
    if listed is None:
        return Identity(login=login, note=" ".join([SCOPES_UNTOLD, *notes]))
    scopes = tuple(scope for scope in re.split(r"[\s,]+", listed) if scope)
    return Identity(login=login, scopes=scopes, missing=missing_scopes(scopes), note=" ".join(notes))


def missing_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """What Sluice needs and these scopes do not hold, in the words of whichever of the two vocabularies they use.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#authentication lists both: OAuth consumers and access
    tokens have `repository`, where writing implies reading; API tokens have `read:repository:bitbucket`, where it does
    not. Deploy keys need `repository:admin`; the reference names no scope of API tokens for them.
    """
    held = set(scopes)
    if any(scope.endswith(":bitbucket") for scope in held):
        needed = ("read:repository", "read:webhook", "write:webhook", "delete:webhook")
        return tuple(f"{scope}:bitbucket" for scope in needed if f"{scope}:bitbucket" not in held)
    sufficient = {
        "repository": {"repository", "repository:write", "repository:admin"},
        "webhook": {"webhook"},
        "repository:admin": {"repository:admin"},
    }
    return tuple(scope for scope, any_of in sufficient.items() if not held & any_of)


def explain(answer: Answer) -> ProviderError | None:
    """The precise error behind an answer of 400 or more, or None where its status says it all.

    The form of errors: https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses
    """
    said = answer.message
    match answer.status:
        case 401:
            return CredentialsRejected(
                f"Bitbucket does not accept the credentials: {said or 'no reason given'}.",
                remedy="They may be mistyped, expired or revoked. An API token needs scopes for Bitbucket, and the "
                "email of its account beside it; app passwords ended in 2026. Enter new credentials in the provider.",
                field="token",
            )
        case 403:
            missing = _required(answer)
            return PermissionMissing(
                f"Bitbucket does not let these credentials do this: {said or 'no reason given'}.",
                missing=missing,
                remedy="Make new credentials with these scopes." if missing else "Its owner must be an admin of it.",
            )
        case 400 | 409 if "hook" in answer.url.rpartition("/")[2] and "limit" in said.lower():
            return WebhookLimitReached(
                f"The repository has as many webhooks as Bitbucket allows: {said}.",
                remedy="Remove one that is no longer used in the repository's settings, then try again.",
            )
        case 400 | 409 if _TAKEN.search(answer.content.decode("utf-8", "replace").lower()):
            if answer.url.endswith("/deploy-keys"):
                return KeyInUse(
                    "Bitbucket knows this SSH key already, on an account or as an access key.",
                    remedy="Remove it there, or rotate this integration's key.",
                )
        case 429:
            wait = retry_after(answer) or LIMIT_WAIT
            return ProviderRateLimited(
                f"Bitbucket asks for fewer calls; it goes on in {wait} s.",
                remedy="Nothing needs to be done, unless the credentials are shared with something busy.",
                retry_after=wait,
            )
    return None


def _required(answer: Answer) -> list[str]:
    """The scopes that would have sufficed, which `error.detail` names beside those that were granted."""
    try:
        body: Any = json.loads(answer.content)
    except (ValueError, RecursionError):
        return []
    for key in ("error", "detail", "required"):
        body = body.get(key) if isinstance(body, dict) else None
    return [scope for scope in body if isinstance(scope, str)] if isinstance(body, list) else []
