"""What GitHub means by its refusals: limits, single sign-on, permissions, keys and webhooks.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

import time
from email.utils import parsedate_to_datetime

from integrations.errors import (
    CredentialsRejected,
    KeyInUse,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    WebhookLimitReached,
)
from integrations.http import Answer, retry_after

# "If neither header is there, wait for at least one minute before retrying."
SECONDARY_LIMIT_WAIT = 60  # seconds


def explain(answer: Answer) -> ProviderError | None:
    """The precise error behind an answer of 400 or more, or None where its status says it all."""
    said = answer.message
    words = said.lower()
    match answer.status:
        case 401:
            return CredentialsRejected(
                f"GitHub does not accept the token: {said or 'no reason given'}.",
                remedy="It may be mistyped, expired or revoked. Make a new one and enter it in the provider.",
                field="token",
            )
        case 403 | 429:
            return _limit(answer, words) or _permission(answer, said, words)
        case 422:
            return _validation(words)
    return None


def deploy_keys_disabled() -> PermissionMissing:
    """The organization forbids deploy keys, as new ones do until an owner allows them.

    https://docs.github.com/en/organizations/managing-organization-settings/restricting-deploy-keys-in-your-organization
    """
    return PermissionMissing(
        "The organization does not allow deploy keys.",
        missing=["Deploy keys in the organization's settings"],
        remedy="Let git pull use HTTPS, or use zip download; an owner of the organization can also allow them, "
        "under Settings > Deploy keys.",
    )


def _limit(answer: Answer, words: str) -> ProviderRateLimited | None:
    exhausted = answer.headers.get("X-RateLimit-Remaining") == "0"
    told = retry_after(answer)
    if answer.status != 429 and not exhausted and told is None and "rate limit" not in words:
        return None
    wait = told or (_until_reset(answer) if exhausted else None) or SECONDARY_LIMIT_WAIT
    return ProviderRateLimited(
        f"GitHub asks for fewer calls; it goes on in {wait} s.",
        remedy="Nothing needs to be done, unless the token is shared with something busy.",
        retry_after=wait,
    )


def _until_reset(answer: Answer) -> int | None:
    reset = answer.headers.get("X-RateLimit-Reset", "")
    if not (reset.isascii() and reset.isdigit()):
        return None
    try:
        # By GitHub's clock, as ours may be wrong.
        now = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        now = time.time()
    return max(1, int(int(reset) - now))


def _permission(answer: Answer, said: str, words: str) -> ProviderError:
    sso = answer.headers.get("X-GitHub-SSO", "")
    if sso.startswith("required"):
        page = sso.partition("url=")[2]
        return PermissionMissing(
            "The organization requires single sign-on for this token.",
            missing=["SSO authorization"],
            remedy=f"Authorize the token for the organization: {page}" if page else "Authorize the token for it.",
        )
    if "archived" in words:
        return ProviderRefused(f"GitHub rejected the request: {said}.", remedy="Unarchive the repository first.")
    missing = _missing(answer)
    wanted = f" It needs {' or '.join(missing)}." if missing else ""
    return PermissionMissing(
        f"GitHub does not let the token do this: {said or 'no reason given'}.{wanted}",
        missing=missing,
        remedy="Give the token this permission, or have its owner made an admin of the repository. Or do it by hand.",
    )


def _missing(answer: Answer) -> list[str]:
    """What would have sufficed: sets of permissions for fine-grained tokens, scopes for classic ones."""
    permissions = answer.headers.get("X-Accepted-GitHub-Permissions", "")
    if permissions:
        return [
            " and ".join(part.strip() for part in each.split(",")) for each in permissions.split(";") if each.strip()
        ]
    held = {scope.strip() for scope in answer.headers.get("X-OAuth-Scopes", "").split(",")}
    accepted = [scope.strip() for scope in answer.headers.get("X-Accepted-OAuth-Scopes", "").split(",")]
    return [] if held & set(accepted) else [scope for scope in accepted if scope]


def _validation(words: str) -> ProviderError | None:
    if "key is already in use" in words:
        return KeyInUse(
            "GitHub knows this SSH key already, on another repository or account.",
            remedy="A deploy key belongs to one repository only: remove it there, or rotate this integration's key.",
        )
    if "deploy keys are disabled" in words:
        return deploy_keys_disabled()
    if "cannot have more than" in words and "hooks" in words:
        return WebhookLimitReached(
            "The repository has as many webhooks for pushes as GitHub allows (20).",
            remedy="Remove one that is no longer used in the repository's settings, then try again.",
        )
    return None
