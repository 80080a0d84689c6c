"""GitLab's names and records, as its adapter reads them.

https://docs.gitlab.com/api/rest/
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from integrations.errors import InvalidValue
from integrations.providers.answers import Reader
from integrations.providers.records import RemoteRepository, RemoteWebhook
from lambdas.common.errors import InvalidName
from lambdas.common.keys import check_full_name

READ = Reader("GitLab")


def checked(full_name: str) -> str:
    """`full_name`, of a group or more and a name. Raises InvalidValue."""
    try:
        return check_full_name(full_name)
    except InvalidName:
        raise InvalidValue("A project is written group/name or group/subgroup/name.", field="full_name") from None


def path_of(full_name: str) -> str:
    """Where a project is below the API's root. Raises InvalidValue."""
    # https://docs.gitlab.com/api/rest/#namespaced-paths
    return f"/projects/{quote(checked(full_name), safe='')}"


def described(web_url: str, body: Mapping[str, Any]) -> RemoteRepository:
    """A project as the API describes it; `web_url` is the provider's. Raises UnexpectedAnswer."""
    full_name = READ.full_name(READ.text(body, "path_with_namespace"))
    # The address is made here, not read: it becomes a link on our pages.
    return RemoteRepository(
        full_name=full_name,
        default_branch=READ.branch(body.get("default_branch")),
        private=body.get("visibility") != "public",
        web_url=f"{web_url}/{full_name}",
        ssh_url=READ.optional(body.get("ssh_url_to_repo")),
        id=READ.identity(body, "id"),
    )


def commit_of(item: Mapping[str, Any]) -> str:
    """The commit that a branch or a tag points at. Raises UnexpectedAnswer."""
    return READ.text(item, "commit", "id")


def webhook_of(hook: Mapping[str, Any]) -> RemoteWebhook:
    """A webhook as the API describes it. Raises UnexpectedAnswer."""
    return RemoteWebhook(
        id=READ.text(hook, "id"),
        url=str(hook.get("url") or ""),
        # https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks
        active=hook.get("alert_status", "executable") == "executable",
    )
