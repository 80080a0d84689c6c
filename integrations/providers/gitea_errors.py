"""What Gitea and Forgejo mean by their refusals: scopes, roles, keys in use, what an administrator turned off.

https://docs.gitea.com/development/oauth2-provider#scopes, https://forgejo.org/docs/latest/user/token-scope/
"""

import re

from integrations.errors import (
    CredentialsRejected,
    KeyInUse,
    PermissionMissing,
    ProviderError,
    ProviderRefused,
)
from integrations.http import Answer

# "token does not have at least one of required scope(s): [write:repository]", later "... scope(s), required=[...], ..."
_SCOPES = re.compile(r"required scope\(s\)[:,]\s*(?:required=)?\[([a-z:, ]+)\]")


def explain(answer: Answer) -> ProviderError | None:
    """The precise error behind an answer of 400 or more, or None where its status says it all."""
    said = answer.message
    match answer.status:
        case 401:
            return CredentialsRejected(
                f"The server does not accept the token: {said or 'no reason given'}.",
                remedy="It may be mistyped, expired or revoked. Make a new one and enter it in the provider.",
                field="token",
            )
        case 403:
            return _forbidden(said)
        case 422:
            return _invalid(said)
    return None


def _forbidden(said: str) -> ProviderError:
    scopes = _SCOPES.search(said)
    if scopes:
        missing = sorted(set(re.split(r"[, ]+", scopes[1].strip())))
        return PermissionMissing(
            f"The token lacks the scope {' or '.join(missing)}.",
            missing=[" or ".join(missing)],
            remedy="Make a token with write:repository and read:user and enter it in the provider. Or do it by hand.",
        )
    if "disabled by administrator" in said.lower():
        return ProviderRefused(
            f"The server rejected the request: {said}.", remedy="An administrator of the server can change it."
        )
    return PermissionMissing(f"The server does not let the token do this: {said or 'no reason given'}.")


def _invalid(said: str) -> ProviderError:
    words = said.lower()
    if "already been added" in words or "used as non-deploy key" in words:
        return KeyInUse(
            f"The server knows this SSH key already: {said}.",
            remedy="Remove it from the account that has it, or rotate this integration's key.",
        )
    if "ssh is disabled" in words:
        return ProviderRefused("The server has SSH turned off.", remedy="Use zip download, which needs no SSH key.")
    return ProviderRefused(f"The server rejected the request: {said or 'no reason given'}.")
