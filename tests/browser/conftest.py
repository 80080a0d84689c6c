"""A real Chromium against a live server. A console error or an uncaught one fails the test that caused it."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from teams.models import User
from tests.browser.get_browser import HELP, find

# Playwright's event loop runs in this thread, while the ORM is called from plain functions.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A busy machine may take several seconds for what takes a moment elsewhere.
expect.set_options(timeout=20_000)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = find()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"There is no Chromium. {HELP}")
    return {**browser_type_launch_args, "executable_path": path, "args": ARGUMENTS}


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings) -> None:
    """Static files from where they are, without the manifest that only collectstatic writes."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def watch() -> Iterator[Callable[[Page], Page]]:
    """Collects what goes wrong in the pages given to it, and fails at the end of the test."""
    problems: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"{message.text} ({message.location.get('url', '')})")

    def watched(page: Page) -> Page:
        page.on("console", console)
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield watched
    assert not problems


@pytest.fixture
def page(page: Page, watch: Callable[[Page], Page]) -> Page:
    return watch(page)


@pytest.fixture
def sign_in(live_server: LiveServer) -> Callable[[BrowserContext, User], None]:
    """Gives a browser the session of a user."""

    def give(context: BrowserContext, user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])

    return give
