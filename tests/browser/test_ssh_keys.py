"""SSH keys rotated and revoked by an admin in Chromium, on the running sandbox."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_journey import check
from tests.e2e.world import World, until

pytestmark = [pytest.mark.browser, pytest.mark.sandbox]

ROTATED_WITHIN = 90_000  # milliseconds


def add_deploy_key(world: World, full_name: str, public_key: str) -> None:
    """What a person does on the provider's page."""
    store = world.sandbox.git.store
    row = store.repository(*full_name.split("/"))
    assert row is not None
    store.add_deploy_key(row, title="by hand", key=public_key, read_only=True, added_by="ada")


def keys(world: World, integration: dict[str, Any], state: str) -> list[str]:
    rows = world.get(f"/ssh-keys/?integration={integration['id']}&state={state}")["results"]
    return [row["public_key"] for row in rows]


def fingerprints(world: World, full_name: str) -> list[str]:
    return [key.fingerprint for key in world.sandbox.git.deploy_keys(full_name)]


@pytest.fixture
def by_hand(world: World) -> dict[str, Any]:
    """An integration whose provider's token may not add deploy keys: a person added the first one."""
    permissions = {"metadata": "read", "contents": "read", "repository_hooks": "write"}
    token = world.sandbox.git.create_token(world.env["git_user"], permissions=permissions)
    provider = world.add_provider(name=f"Limited {token[-6:]}", credentials={"token": token})
    full_name = world.make_repository()
    world.clone(full_name)
    integration = world.provisioned(full_name, provider=provider, method="git_pull")
    [first] = keys(world, integration, "current")
    add_deploy_key(world, full_name, first)
    return integration | {"full_name": full_name}


def test_keys_are_rotated_pasted_and_revoked(page: Page, world: World, by_hand: dict[str, Any]) -> None:
    panel = world.env["panel_url"]
    full_name = world.make_repository()
    clone = world.clone(full_name)
    integration = world.provisioned(full_name, method="git_pull")
    before = fingerprints(world, full_name)

    page.goto(panel)
    page.locator("input[name=username]").fill("admin")
    page.get_by_label("Password").fill(world.admin_password)
    page.get_by_role("button", name="Sign in", exact=True).click()

    # A selection: one goes through, one waits for a person.
    page.get_by_role("link", name="SSH keys").click()
    for each in (integration, by_hand):
        page.get_by_label(f"Select the key of {each['name']}").check()
    check(page)
    page.get_by_role("button", name="Rotate selected").click()
    expect(page.get_by_role("heading", name="Rotations of 2 SSH keys")).to_be_visible()
    expect(page.get_by_text("1 rotated, 0 not, 1 to go")).to_be_visible(timeout=ROTATED_WITHIN)
    check(page)
    batch = page.url
    assert fingerprints(world, full_name) != before

    page.get_by_role("link", name="Waiting until the new key is added").click()
    expect(page.get_by_text("The rotation goes on by itself once it is there.")).to_be_visible()
    check(page)
    [pending] = keys(world, by_hand, "pending")
    expect(page.get_by_text(pending, exact=True)).to_be_visible()
    add_deploy_key(world, by_hand["full_name"], pending)
    page.goto(batch)
    expect(page.get_by_text("2 rotated, 0 not, 0 to go")).to_be_visible(timeout=ROTATED_WITHIN)
    assert keys(world, by_hand, "current") == [pending]

    # One, from its own page.
    [second] = keys(world, integration, "current")
    page.goto(f"{panel}/integrations/{integration['id']}/")
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.get_by_role("heading", name="Rotation of the SSH key")).to_be_visible()
    until(lambda: keys(world, integration, "current") != [second], "another key")
    expect(page.locator("#integration-status")).to_have_text("Ready", timeout=ROTATED_WITHIN)

    # One that leaked.
    [leaked] = fingerprints(world, full_name)
    page.goto(f"{panel}/ssh-keys/?q={integration['name']}")
    page.get_by_role("link", name="Revoke…").click()
    page.get_by_label(f"Type {integration['name']} to confirm").fill(integration["name"])
    check(page)
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text(f"The key {leaked} was revoked")).to_be_visible()
    check(page)
    assert fingerprints(world, full_name) == []
    commit = clone.commit("While there is no key", data="1")
    clone.push()
    failed = world.ended(integration, commit=commit)
    assert (failed["status"], "revoked" in failed["reason"]) == ("failed", True), failed["reason"]

    page.get_by_role("button", name="Rotate", exact=True).click()
    until(lambda: keys(world, integration, "current"), "a key again")
    world.post(f"/deliveries/{failed['id']}/redeliver/")
    until(lambda: world.get(f"/deliveries/{failed['id']}/")["status"] == "stored", "the push to be fetched")
