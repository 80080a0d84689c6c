"""What Bitbucket Data Center means by its refusals.

https://developer.atlassian.com/server/bitbucket/rest/ (errors): `errors[].{context,message,exceptionName}`.
"""

import json
from typing import Any

from integrations.errors import (
    CredentialsRejected,
    KeyInUse,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
)
from integrations.http import Answer, retry_after

# Tokens are handed out by the second, a handful at once:
# https://confluence.atlassian.com/bitbucketserver/improving-instance-stability-with-rate-limiting-976171954.html
LIMIT_WAIT = 10  # seconds, where the answer does not tell


def exceptions(answer: Answer) -> set[str]:
    """The names of the exceptions behind an error, without their packages."""
    try:
        body: Any = json.loads(answer.content)
    except (ValueError, RecursionError):
        return set()
    errors = body.get("errors") if isinstance(body, dict) else None
    names = (
        [error.get("exceptionName") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )
    return {name.rpartition(".")[2] for name in names if isinstance(name, str)}


def explain(answer: Answer) -> ProviderError | None:
    """The precise error behind an answer of 400 or more, or None where its status says it all."""
    said = answer.message
    match answer.status:
        # Who is signed in and may not do it gets 401 as well.
        case 401 | 403 if answer.status == 403 or "AuthorisationException" in exceptions(answer):
            return PermissionMissing(
                f"Bitbucket does not let the token do this: {said or 'no reason given'}.",
                remedy="Make a token with this permission, or have its owner made an admin of the repository.",
            )
        case 401:
            return CredentialsRejected(
                f"Bitbucket does not accept the token: {said or 'no reason given'}.",
                remedy="It may be mistyped, expired or revoked. Make a new one and enter it in the provider.",
                field="token",
            )
        case 409 if "/ssh" in answer.url:
            return KeyInUse(
                f"Bitbucket uses this SSH key for something else already: {said or 'no reason given'}.",
                remedy="Remove it there, or rotate this integration's key.",
            )
        case 429:
            wait = retry_after(answer) or LIMIT_WAIT
            return ProviderRateLimited(
                f"Bitbucket asks for fewer calls; it goes on in {wait} s.",
                remedy="An administrator of Bitbucket can exempt the token's owner from rate limiting.",
                retry_after=wait,
            )
    return None
