"""What GitHub means when it refuses a GitHub App, or one of its installations.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from collections.abc import Sequence

from integrations.errors import CredentialsRejected, NotFoundAtProvider, PermissionMissing, ProviderError
from integrations.http import Answer
from integrations.providers import github_errors

ACCEPT = "Give the app this permission in its settings at GitHub, and have the change accepted at the installation."


def not_installed() -> CredentialsRejected:
    """The installation was removed, or is another app's."""
    return CredentialsRejected(
        "The GitHub App is not installed there (any more).",
        remedy="An owner of the account can install it again; then choose that installation in the provider.",
        field="installation_id",
    )


def suspended(account: str) -> CredentialsRejected:
    """An owner, or GitHub, suspended the installation."""
    return CredentialsRejected(
        f"The GitHub App is suspended at {account}.",
        remedy="An owner of the account can let it go on: Settings > GitHub Apps > Configure.",
        field="installation_id",
    )


def not_granted(missing: Sequence[str]) -> PermissionMissing:
    """The installation was not granted what is needed."""
    return PermissionMissing(
        f"The GitHub App was not granted {', '.join(missing)}.", missing=list(missing), remedy=ACCEPT
    )


def explain_app(answer: Answer) -> ProviderError | None:
    """What is refused to the app itself, signed in by its key."""
    said = answer.message
    if answer.status == 401:
        words = said.lower()
        if "'exp'" in words or "'iat'" in words:
            return CredentialsRejected(
                f"GitHub does not accept the time of the app's sign-in: {said}.",
                remedy="The clock of the panel's machine is wrong: set it by a time server.",
                field="app_id",
            )
        return CredentialsRejected(
            f"GitHub does not accept the app's private key: {said or 'no reason given'}.",
            remedy="The key may belong to another app, or was deleted in the app's settings. Make a new one there and "
            "enter it.",
            field="private_key",
        )
    if answer.status == 404 and answer.url.endswith("/app"):
        return _no_such_app()
    if answer.status == 404 and "integration not found" in said.lower():
        return _no_such_app()
    if answer.status == 403 and "suspended" in said.lower():
        return suspended("this account")
    return github_errors.explain(answer)


def explain_installation(answer: Answer) -> ProviderError | None:
    """What is refused to an installation, signed in by a token of an hour."""
    said = answer.message
    if answer.status == 401:
        return CredentialsRejected(
            f"GitHub does not accept the token of the app's installation: {said or 'no reason given'}.",
            remedy="Check the provider: the app may have been removed from the account or suspended there.",
            field="installation_id",
        )
    if answer.status == 403 and "suspended" in said.lower():
        return suspended("this account")
    found = github_errors.explain(answer)
    if answer.status == 403 and "not accessible by integration" in said.lower():
        return not_granted(found.missing if isinstance(found, PermissionMissing) and found.missing else ["this"])
    return found


def _no_such_app() -> NotFoundAtProvider:
    return NotFoundAtProvider(
        "GitHub knows no app of this id.",
        remedy="It may have been deleted, or its id mistyped: its settings at GitHub show the App ID.",
        field="app_id",
    )
