"""An invited person joins, and somebody signs in with an OpenID Connect provider that runs on this machine."""

from collections.abc import Callable, Iterator

import oidc_provider_mock
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from panel import identity_settings
from panel.environment import Environment
from teams.models import Team, User

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_an_invited_person_joins(
    browser: Browser,
    page: Page,
    live_server: LiveServer,
    admin: User,
    sign_in: Callable[[BrowserContext, User], None],
    watch: Callable[[Page], Page],
) -> None:
    sign_in(page.context, admin)
    page.goto(f"{live_server.url}/members/")
    page.get_by_role("link", name="Invite").click()
    page.get_by_text("Operator: also adds").click()
    page.get_by_role("button", name="Invite", exact=True).click()
    link = page.locator("#invitation-link").inner_text()
    clean(page)
    with browser.new_context() as context:
        theirs = watch(context.new_page())
        theirs.goto(f"{live_server.url}/invitations/{link.rstrip('/').rsplit('/', 1)[-1]}/")
        expect(theirs.get_by_text("ada invites you to the team Acme as Operator")).to_be_visible()
        clean(theirs)
        theirs.get_by_label("User name").fill("kim")
        theirs.get_by_label("Password").fill("a long enough password")
        theirs.get_by_role("button", name="Make an account and join").click()
        expect(theirs.get_by_text("Acme · Operator")).to_be_visible()
    page.goto(f"{live_server.url}/members/")
    expect(page.get_by_role("row").filter(has_text="kim")).to_contain_text("Operator")


def test_signing_in_with_openid_connect(
    page: Page, live_server: LiveServer, team: Team, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with oidc_provider_mock.run_server_in_thread() as server:
        issuer = f"http://localhost:{server.server_port}"
        values = {
            "ISSUER": issuer,
            "CLIENT_ID": "x",
            "CLIENT_SECRET": "y",
            "NAME": "Acme ID",
            "GROUPS": "d=acme:viewer",
        }
        for name, value in values.items():
            monkeypatch.setenv(f"SLUICE_OIDC_{name}", value)
        settings.IDENTITY = identity_settings.read(Environment(), secure=False)
        settings.SOCIALACCOUNT_PROVIDERS = settings.IDENTITY.providers
        claims = {"preferred_username": "kim", "groups": ["d"]}
        requests.put(f"{issuer}/users/kim", json=claims, timeout=10).raise_for_status()
        page.route("https://cdn.jsdelivr.net/**", lambda route: route.fulfill(content_type="text/css", body=""))
        page.goto(f"{live_server.url}/sign-in/")
        clean(page)
        page.get_by_role("button", name="Sign in with Acme ID").click()
        page.locator("input[name=sub]").fill("kim")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_text("Acme · Viewer")).to_be_visible()
