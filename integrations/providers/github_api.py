"""GitHub's names and records, as its adapter reads them; and the ways to sign in.

https://docs.github.com/en/rest
"""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from integrations.errors import InvalidValue
from integrations.providers import app_keys, github_app
from integrations.providers.answers import Reader
from integrations.providers.base import CredentialField, SignIn
from integrations.providers.full_names import owner_and_name

READ = Reader("GitHub")
WEBHOOKS, ADMINISTRATION = "Webhooks: read and write", "Administration: read and write"
STATUSES = "Commit statuses: read and write"
FINE_GRAINED = (
    "GitHub does not tell what a fine-grained token may do. On every repository it needs Contents: read-only, "
    f"{WEBHOOKS}, {ADMINISTRATION} (for deploy keys) and {STATUSES}; what is missing shows when "
    "it is first needed."
)
CREDENTIALS = (
    CredentialField(
        name="token",
        label="Personal access token",
        help="A fine-grained token with Contents: read-only, and Webhooks, Administration and Commit statuses: read "
        "and write; or a classic one with the scope repo.",
        required=False,
    ),
    CredentialField(name="app_id", label="App ID", help="A number.", secret=False, required=False),
    CredentialField(
        name="installation_id",
        label="Installation ID",
        help="Where the app is installed; empty where that is one place only.",
        secret=False,
        required=False,
    ),
    CredentialField(
        name="private_key",
        label="Private key",
        help="The .pem file that GitHub made for the app.",
        required=False,
        multiline=True,
    ),
)
SIGN_INS = (
    SignIn(
        "token",
        "Personal access token",
        "Belongs to a person, and may do what its permissions and that person may. Fine-grained: Contents read-only; "
        "Webhooks, Administration (for deploy keys) and Commit statuses read and write. Classic: repo.",
        {"token": ""},
        "",
    ),
    SignIn(
        "app",
        "GitHub App",
        "Belongs to nobody, reaches the repositories that it is installed for, and goes on when people leave. Works "
        "where an organization forbids personal tokens and deploy keys.",
        {"app_id": "", "installation_id": "", "private_key": ""},
        "",
        optional=frozenset({"installation_id"}),
    ),
)


def token_page(root: str) -> str:
    """The page for a fine-grained token with what Sluice needs; a server that knows no parameters shows it empty.

    https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens
    """
    wanted = {"contents": "read", "repository_hooks": "write", "administration": "write", "statuses": "write"}
    return f"{root}/settings/personal-access-tokens/new?{urlencode({'name': 'Sluice', **wanted})}"


def tidied(credentials: Mapping[str, str]) -> dict[str, str]:
    """A token, or an app's id, key and installation, each in its form. Raises InvalidValue."""
    if not github_app.is_app(credentials):
        if not credentials.get("token"):
            raise InvalidValue("Enter a personal access token, or a GitHub App's id and private key.", field="token")
        return dict(credentials)
    if credentials.get("token"):
        raise InvalidValue("Enter a personal access token or a GitHub App, not both.", field="token")
    for name in ("app_id", "private_key"):
        if not credentials.get(name):
            raise InvalidValue("A GitHub App signs in with its id and its private key.", field=name)
    for name in ("app_id", "installation_id"):
        if credentials.get(name):
            github_app.number(credentials, name)
    return {**credentials, "private_key": app_keys.canonical(credentials["private_key"])}


def changed(stored: Mapping[str, str], entered: Mapping[str, str]) -> dict[str, str]:
    """What to store when a person enters some fields anew: a new way takes the place of the old one."""
    if "token" in entered:
        return dict(entered)
    kept = {name: value for name, value in stored.items() if name != "token"} if github_app.is_app(entered) else stored
    # Another app is installed elsewhere.
    if entered.get("app_id", kept.get("app_id")) != kept.get("app_id"):
        kept = {}
    return {**kept, **entered}


def checked(full_name: str) -> str:
    """`full_name`, an owner and a name. Raises InvalidValue."""
    return owner_and_name(full_name, written="owner/name")


def path_of(full_name: str) -> str:
    """Where a repository is below the API's root. Raises InvalidValue."""
    return f"/repos/{quote(checked(full_name), safe='/')}"
