"""Making a GitHub App from a manifest: what GitHub is sent, where, and what it answers.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from integrations.errors import InvalidValue, NotFoundAtProvider, ProviderRefused
from integrations.http import HttpClient
from integrations.providers.answers import Reader
from integrations.providers.app_keys import canonical
from integrations.providers.base import ProviderConfig
from integrations.providers.github_app import HEADERS, NEEDED, OPTIONAL

MOST_OF_A_NAME = 34
"""Characters that GitHub takes of an app's name."""
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,78}[A-Za-z0-9])?")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_READ = Reader("GitHub")


@dataclass(frozen=True, slots=True)
class MadeApp:
    """An app that GitHub just made."""

    id: str
    slug: str
    owner: str
    private_key: str = field(repr=False)


def check_organization(name: str) -> str:
    """The login of an organization, as it may stand in an address. Raises InvalidValue."""
    if name and not _LOGIN.fullmatch(name):
        raise InvalidValue(
            "Write the organization as in its address: letters, digits and hyphens.", field="organization"
        )
    return name


def form_url(web_url: str, organization: str, state: str) -> str:
    """Where the browser sends the manifest to, by POST. Raises InvalidValue."""
    owner = f"/organizations/{quote(check_organization(organization), safe='')}" if organization else ""
    return f"{web_url}{owner}/settings/apps/new?state={quote(state, safe='')}"


def manifest(*, name: str, panel_url: str, made_url: str, installed_url: str, deploy_keys: bool) -> str:
    """The app as it is asked for, in JSON: private, without a webhook of its own, with what Sluice uses alone.

    GitHub sends the browser to `made_url` once the app is made, and to `installed_url` once it is installed.
    """
    return json.dumps(
        {
            "name": name[:MOST_OF_A_NAME].strip(),
            "url": panel_url,
            # It has to have an address, even where nothing is sent.
            "hook_attributes": {"url": panel_url, "active": False},
            "redirect_url": made_url,
            "setup_url": installed_url,
            "setup_on_update": False,
            "public": False,
            "request_oauth_on_install": False,
            "default_permissions": NEEDED | (OPTIONAL if deploy_keys else {}),
            "default_events": [],
        }
    )


def convert(config: ProviderConfig, *, api_url: str, web_url: str, code: str) -> MadeApp:
    """Get the app that a code stands for, which works once and within an hour.

    Raises InvalidValue for what is no code, NotFoundAtProvider for one that is used up, ProviderRefused for an app of
    another host.
    """
    if not _CODE.fullmatch(code):
        raise InvalidValue("GitHub sent no code. Start again.")
    http = HttpClient(
        api_url,
        headers=HEADERS,
        ca_bundle=config.ca_bundle,
        allowed_networks=config.allowed_networks,
        patience=config.patience,
        secrets=[code],
    )
    try:
        body = _READ.record(http.post(f"/app-manifests/{code}/conversions"))
    except NotFoundAtProvider:
        raise NotFoundAtProvider(
            "GitHub does not know this code (any more): it works once, and for an hour.", remedy="Start again."
        ) from None
    page = str(body.get("html_url") or "")
    if urlsplit(page)[:2] != urlsplit(web_url)[:2]:
        raise ProviderRefused("The app that GitHub made is at another address than this provider.", field="base_url")
    owner = body.get("owner")
    return MadeApp(
        id=str(_READ.number(_READ.text(body, "id"))),
        slug=_READ.text(body, "slug"),
        owner=_READ.text(owner, "login") if isinstance(owner, dict) else "",
        private_key=canonical(_READ.text(body, "pem")),
    )


def install_url(web_url: str, slug: str, *, own_server: bool) -> str:
    """The page on which a person chooses where the app is installed.

    An Enterprise Server has its apps' pages below /github-apps:
    https://docs.github.com/en/enterprise-server@latest/apps/using-github-apps/installing-your-own-github-app
    """
    return f"{web_url}/{'github-apps' if own_server else 'apps'}/{quote(slug, safe='')}/installations/new"
