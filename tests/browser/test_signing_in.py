"""Signing in as people do it: with an app, with a passkey of Chromium's virtual authenticator, with a recovery code."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from teams.models import Team, User
from tests.second_factors import code_of, make_app, recovery_codes

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"
SignIn = Callable[[BrowserContext, User], None]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def authenticator(page: Page) -> str:
    """A platform authenticator, as a laptop with a fingerprint reader has one (WebAuthn, section 11)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return str(session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"])


def clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def give_password(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/providers/")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_text("Acme · Admin").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_an_app_is_set_up_and_asked_for(page: Page, live_server: LiveServer, admin: User) -> None:
    give_password(page, live_server)
    page.get_by_text("Acme · Admin").click()
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("link", name="Set one up").click()
    page.get_by_role("link", name="Set up an app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("#totp-secret").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text(recovery_codes(admin)[0])).to_be_visible()
    clean(page)
    sign_out(page)

    cache.clear()  # or the code, which stands for 30 seconds, was used already
    give_password(page, live_server)
    clean(page)
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Providers", exact=True)).to_be_visible()


def test_a_passkey_signs_in_without_a_password(
    page: Page, live_server: LiveServer, admin: User, authenticator: str
) -> None:
    give_password(page, live_server)
    page.goto(f"{live_server.url}/profile/passkeys/add/")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Recovery codes", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("row").filter(has_text="Laptop")).to_contain_text("signs in alone")
    clean(page)
    sign_out(page)

    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_a_passkey_is_a_second_factor_and_confirms(
    page: Page, live_server: LiveServer, admin: User, authenticator: str
) -> None:
    give_password(page, live_server)
    page.goto(f"{live_server.url}/profile/passkeys/add/")
    page.get_by_label("Sign in with it alone").uncheck()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("row").filter(has_text="after the password")).to_be_visible()
    sign_out(page)

    give_password(page, live_server)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Providers", exact=True)).to_be_visible()
    page.goto(f"{live_server.url}/confirm-password/passkey/?next=/tokens/")
    clean(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="API tokens")).to_be_visible()


def test_without_a_passkey_the_page_says_so(
    page: Page, live_server: LiveServer, admin: User, authenticator: str
) -> None:
    page.goto(f"{live_server.url}/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser gave no passkey")
    clean(page)


def test_a_lost_phone_is_replaced_by_a_recovery_code_without_javascript(
    browser: Browser, live_server: LiveServer, admin: User, team: Team
) -> None:
    make_app(admin)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        give_password(page, live_server)
        expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
        page.get_by_label("Code").fill(recovery_codes(admin)[0])
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Providers", exact=True)).to_be_visible()
        page.goto(f"{live_server.url}/profile/app/remove/")
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("link", name="Set up an app").click()
        page.get_by_label("Authenticator code").fill(code_of(page.locator("#totp-secret").inner_text()))
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_text("Recovery codes", exact=True).first).to_be_visible()
        expect(page.get_by_text(recovery_codes(admin)[0])).to_be_visible()
