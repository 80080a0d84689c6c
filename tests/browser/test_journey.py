"""The whole way in Chromium, on the running sandbox: from sign-in to an artifact of a commit that was really pushed."""

import secrets
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from sandbox import connecting
from tests.e2e.world import Clone, World

pytestmark = [pytest.mark.browser, pytest.mark.sandbox]

PROVISIONED_WITHIN, STORED_WITHIN = 120_000, 60_000  # milliseconds


def check(page: Page) -> None:
    """Fails for anything that axe finds on the page as it is now."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_from_sign_in_to_an_artifact(page: Page, world: World, repository: str, clone: Clone) -> None:
    panel, stamp = world.env["panel_url"], secrets.token_hex(3)

    page.goto(panel)
    page.locator("input[name=username]").fill("admin")
    page.get_by_label("Password").fill(world.admin_password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()

    page.goto(f"{panel}/providers/add/?kind=github_enterprise")
    page.get_by_label("Name", exact=True).fill(f"Git host {stamp}")
    page.get_by_label("Address").fill(world.env["git_url"])
    page.get_by_label("Personal access token").fill(world.git_token)
    page.get_by_text("Advanced").click()
    page.get_by_label("CA certificates").fill(Path(world.env["git_ca_file"]).read_text())
    page.get_by_label("SSH port").fill(str(world.env["git_ssh_port"]))
    check(page)
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_role("heading", name=f"Git host {stamp}")).to_be_visible()
    assert world.git_token not in page.content()

    page.goto(f"{panel}/repositories/add/?provider={page.url.rstrip('/').rsplit('/', 1)[-1]}")
    page.get_by_label("Name contains").fill(repository.split("/")[1])
    page.get_by_role("button", name=f"Add {repository}").click()
    expect(page.get_by_role("heading", name=repository)).to_be_visible()
    repository_id = page.url.rstrip("/").rsplit("/", 1)[-1]

    page.goto(f"{panel}/aws-accounts/add/?method=role")
    page.get_by_label("Name", exact=True).fill(f"Local AWS {stamp}")
    page.get_by_label("Account id, or role ARN").fill(f"arn:aws:iam::111122223333:role/SluiceAccess{stamp}")
    page.get_by_role("button", name="Add", exact=True).click()
    check(page)
    account = page.url.rstrip("/").rsplit("/", 1)[-1]
    connecting.launch(world.env["aws"], world.get(f"/aws-accounts/{account}/access-template/"))
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("all that it needs").first).to_be_visible()
    expect(page.get_by_text("111122223333").first).to_be_visible()

    page.goto(f"{panel}/integrations/add/?repository={repository_id}")
    page.get_by_label("Name", exact=True).fill(f"shop-{stamp}")
    page.get_by_label("AWS account", exact=True).select_option(label=f"Local AWS {stamp} (111122223333)")
    page.get_by_role("radio", name="Git pull").check()
    check(page)
    page.get_by_role("button", name="Add and provision").click()
    expect(page.get_by_role("heading", name=f"shop-{stamp}")).to_be_visible()
    expect(page.get_by_text("Receiving")).to_be_visible(timeout=PROVISIONED_WITHIN)
    expect(page.get_by_text("ssh-ed25519").first).to_be_visible()

    message = f"Deliver {stamp}"
    clone.commit(message, data="from the browser test")
    clone.push()
    row = page.get_by_role("row").filter(has_text=message)
    expect(row.get_by_text("Stored").first).to_be_visible(timeout=STORED_WITHIN)
    check(page)

    page.get_by_role("link", name="Artifacts").click()
    expect(page.get_by_text(message)).to_be_visible()
    check(page)
    with page.expect_download() as download:
        page.get_by_role("row").filter(has_text=message).get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes().startswith(b"PK")
