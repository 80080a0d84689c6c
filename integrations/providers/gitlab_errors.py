"""What GitLab means by its refusals: tokens, scopes, keys in use, webhooks.

https://docs.gitlab.com/api/rest/troubleshooting/
"""

import json

from integrations.answer import MAX_QUOTE
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

LIMIT_WAIT = 60  # seconds; GitLab counts calls by the minute


def explain(answer: Answer) -> ProviderError | None:
    """The precise error behind an answer of 400 or more, or None where its status says it all."""
    said = words(answer)
    match answer.status:
        case 401:
            return CredentialsRejected(
                f"GitLab does not accept the token: {said or 'no reason given'}.",
                remedy="It may be mistyped, expired or revoked. Make a new one and enter it in the provider.",
                field="token",
            )
        case 403:
            return _forbidden(answer, said)
        case 429:
            # https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom; the body may be plain text.
            wait = retry_after(answer) or LIMIT_WAIT
            return ProviderRateLimited(
                f"GitLab asks for fewer calls; it goes on in {wait} s.",
                remedy="Nothing needs to be done, unless the token is shared with something busy.",
                retry_after=wait,
            )
        case 400 | 404 | 409 | 422:
            return _refused(answer.status, said)
    return None


def words(answer: Answer) -> str:
    """GitLab's own words, in one line: `message` may be text, a list, or an object of fields and their errors."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    said = _flat(body.get("message") or body.get("error_description") or body.get("error"))
    return "".join(filter(str.isprintable, " ".join(said.split())))[:MAX_QUOTE]


def _flat(value: object, depth: int = 3) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return ", ".join(filter(None, (_flat(item, depth - 1) for item in value)))
    if isinstance(value, dict) and depth:
        return "; ".join(f"{key} {_flat(item, depth - 1)}" for key, item in value.items())
    return ""


def _forbidden(answer: Answer, said: str) -> ProviderError:
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and body.get("error") == "insufficient_scope":
        scopes = [scope for scope in str(body.get("scope") or "api").split() if scope.isidentifier()] or ["api"]
        return PermissionMissing(
            f"The token lacks the scope {' or '.join(scopes)}.",
            missing=[" or ".join(scopes)],
            remedy="Make a token with the scope api and enter it in the provider. Or do it by hand.",
        )
    return PermissionMissing(f"GitLab does not let the token do this: {said or 'no reason given'}.")


def _refused(status: int, said: str) -> ProviderError | None:
    lower = said.lower()
    if "fingerprint" in lower and "already been taken" in lower:
        return KeyInUse(
            "GitLab knows this SSH key already, in a project that this token does not administrate, or of an account.",
            remedy="Remove it there, or rotate this integration's key.",
        )
    # https://docs.gitlab.com/administration/instance_limits/#number-of-webhooks; older ones answer 404 with it.
    if "maximum number of" in lower and "hooks" in lower:
        return WebhookLimitReached(
            f"The project has as many webhooks as this GitLab allows: {said}.",
            remedy="Remove one that is no longer used in the project's settings, then try again.",
        )
    if "invalid url given" in lower or ("url" in lower and "is blocked" in lower):
        # https://docs.gitlab.com/security/webhooks/
        return ProviderRefused(
            f"This GitLab may not send webhooks to that address: {said}.",
            remedy="An administrator can allow it under Admin area > Settings > Network > Outbound requests.",
        )
    return None if status == 404 else ProviderRefused(f"GitLab rejected the request: {said or 'no reason given'}.")
