"""What the scripts do, and that pages work without them."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from moto import mock_aws
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from deployers.aws import session
from deployers.models import Operation, OperationKind, Stack
from deployers.states import OperationStatus, Step
from integrations.models import DeliveryStatus, Provider
from teams.models import Team, User
from tests import factories
from tests.web.scene import OUTPUTS, Scene, make_scene

pytestmark = pytest.mark.browser
SignIn = Callable[[BrowserContext, User], None]


@pytest.fixture
def scene(live_server: LiveServer, team: Team) -> Scene:
    return make_scene(team)


@pytest.fixture
def mine(page: Page, admin: User, sign_in: SignIn) -> Page:
    """A page of an admin."""
    sign_in(page.context, admin)
    return page


def address(live_server: LiveServer, name: str, *args: object) -> str:
    return f"{live_server.url}{reverse(name, args=args)}"


def test_signing_in_and_out_by_keyboard(page: Page, live_server: LiveServer, admin: User) -> None:
    page.goto(address(live_server, "provider-list"))
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Providers", exact=True)).to_be_visible()
    page.get_by_text("Acme · Admin").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_progress_arrives_without_loading_the_page_again(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    Stack.objects.filter(pk=scene.stack.pk).update(aws_status="CREATE_IN_PROGRESS", resources_done=3, outputs={})
    operation = factories.make_operation(
        stack=scene.stack, status=OperationStatus.RUNNING, step=Step.WATCH, started_at=timezone.now()
    )
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    mine.evaluate("window.stillHere = true")
    log = mine.get_by_role("log")
    before = log.locator("tr").count()
    mine.get_by_role("searchbox", name="Find in the events").focus()
    factories.make_stack_event(stack=scene.stack, logical_id="FreshlyMade")
    Stack.objects.filter(pk=scene.stack.pk).update(resources_done=17)
    expect(mine.get_by_text("17 of 46 resources")).to_be_visible()
    expect(log.locator("tr")).to_have_count(before + 1)
    expect(log.get_by_text("FreshlyMade")).to_be_visible()
    expect(mine.get_by_role("searchbox", name="Find in the events")).to_be_focused()
    Stack.objects.filter(pk=scene.stack.pk).update(aws_status="CREATE_COMPLETE", outputs=OUTPUTS)
    Operation.objects.filter(pk=operation.pk).update(status=OperationStatus.SUCCEEDED, finished_at=timezone.now())
    expect(mine.get_by_text(OUTPUTS["GitPullWebHookApi"])).to_be_visible()
    expect(mine.locator("#integration-status")).to_have_text("Ready")
    expect(mine.locator("#live-mark")).to_be_empty()
    assert log.locator("tr").count() == before + 1, "no line came twice"
    assert mine.evaluate("window.stillHere")


def test_an_unchanged_page_is_polled_with_304_and_not_touched(
    mine: Page, live_server: LiveServer, scene: Scene
) -> None:
    factories.make_operation(
        stack=scene.stack, status=OperationStatus.RUNNING, step=Step.WATCH, started_at=timezone.now()
    )
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    mine.locator("#cancel-operation").evaluate("element => { element.dataset.kept = 'yes' }")
    for _ in range(2):
        with mine.expect_response(lambda answer: "set-up" in answer.url) as poll:
            pass
        assert poll.value.status == 304
    assert mine.locator("#cancel-operation").get_attribute("data-kept") == "yes"


def test_a_delivery_appears_by_itself(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.goto(address(live_server, "integration-deliveries", scene.integration.pk))
    delivery = factories.make_delivery(
        integration=scene.integration, message="Fix the checkout", status=DeliveryStatus.FETCHING
    )
    row = mine.locator("tr", has_text="Fix the checkout")
    expect(row).to_contain_text("Fetching")
    delivery.status, delivery.updated_at = DeliveryStatus.STORED, timezone.now()
    delivery.save()
    expect(row).to_contain_text("Stored")


def test_the_page_of_a_delivery_follows_it_to_its_end(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    delivery = factories.make_delivery(integration=scene.integration, status=DeliveryStatus.FETCHING)
    mine.goto(address(live_server, "delivery-detail", delivery.pk))
    expect(mine.locator("#delivery-status")).to_have_text("Fetching")
    mine.get_by_text("Raw").click()
    delivery.status, delivery.updated_at = DeliveryStatus.FAILED, timezone.now()
    delivery.reason = "the repository is gone"
    delivery.save()
    expect(mine.get_by_text("The repository is gone")).to_be_visible()
    expect(mine.locator("#delivery-status")).to_have_text("Failed")
    expect(mine.get_by_role("button", name="Redeliver")).to_be_visible()
    expect(mine.get_by_text("It was empty.")).to_be_visible()


def test_what_only_git_pull_can_do_is_shown_with_git_pull(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.goto(address(live_server, "integration-edit", scene.integration.pk))
    mine.get_by_text("Advanced").click()
    box = mine.get_by_label("Fetch submodules too")
    expect(box).to_be_visible()
    mine.get_by_text("Zip download: the provider's own archive").click()
    expect(box).to_be_hidden()
    expect(mine.get_by_label("Skip commits that say")).to_be_visible()


def test_the_page_of_an_integration_asks_by_itself_what_was_given_up(
    mine: Page, live_server: LiveServer, scene: Scene
) -> None:
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    expect(mine.get_by_text("No failed pushes.")).to_be_visible()


def test_copying_says_so(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    button = mine.get_by_role("button", name="Copy webhook URL")
    button.click()
    expect(button).to_contain_text("Copied")
    expect(mine.locator("#announcer")).to_have_text("Copied to the clipboard")
    assert mine.evaluate("navigator.clipboard.readText()") == OUTPUTS["GitPullWebHookApi"]
    expect(button).not_to_contain_text("Copied")


def test_deleting_asks_in_a_dialog_that_stays_on_a_wrong_name_and_closes_on_escape(
    mine: Page, live_server: LiveServer, scene: Scene
) -> None:
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    dialog = mine.get_by_role("dialog")
    mine.get_by_role("link", name="Delete…").click()
    expect(dialog).to_be_visible()
    mine.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    mine.get_by_role("link", name="Delete…").click()
    dialog.get_by_label("Type shop to confirm").fill("shoq")
    dialog.get_by_role("button", name="Delete integration").click()
    told = "This is not the name. Type shop exactly as it is written here."
    expect(dialog.get_by_text(told, exact=True)).to_be_visible()
    dialog.get_by_label("Type shop to confirm").fill("shop")
    dialog.get_by_text("Delete every version").click()
    dialog.get_by_role("button", name="Delete integration").click()
    expect(mine.get_by_role("heading", name="Delete shop", exact=True)).to_be_visible()
    assert Operation.objects.get(kind=OperationKind.DELETE).options["bucket"] == "purge"


def test_keys_lead_to_search_and_to_their_list(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.goto(address(live_server, "overview"))
    mine.keyboard.press("?")
    expect(mine.get_by_role("dialog", name="Keyboard")).to_be_visible()
    mine.keyboard.press("Escape")
    mine.keyboard.press("/")
    mine.keyboard.type("shop-git")
    mine.keyboard.press("Enter")
    expect(mine.get_by_role("link", name="shop-github")).to_be_visible()


def test_the_theme_is_kept(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.goto(address(live_server, "overview"))
    mine.get_by_role("button", name="Switch between light and dark").click()
    mine.goto(address(live_server, "provider-list"))
    assert mine.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_the_log_is_searched_and_follows_its_tail(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    for number in range(60):
        factories.make_stack_event(stack=scene.stack, logical_id=f"Thing{number:02}")
    mine.goto(address(live_server, "integration-detail", scene.integration.pk))
    log = mine.get_by_role("log")
    log.evaluate("element => element.scrollIntoView(false)")
    expect(log.get_by_text("Thing59")).to_be_in_viewport()
    mine.get_by_role("searchbox", name="Find in the events").fill("thing07")
    expect(log.locator("tr:visible")).to_have_count(1)


def test_the_navigation_of_a_phone_folds(mine: Page, live_server: LiveServer, scene: Scene) -> None:
    mine.set_viewport_size({"width": 390, "height": 800})
    mine.goto(address(live_server, "overview"))
    link = mine.get_by_role("link", name="AWS accounts")
    expect(link).to_be_hidden()
    mine.get_by_role("button", name="Navigation").click()
    link.click()
    expect(mine.get_by_role("heading", name="AWS accounts")).to_be_visible()


def test_the_way_to_delete_a_provider_works_without_javascript(
    browser: Browser, live_server: LiveServer, admin: User, team: Team, sign_in: SignIn
) -> None:
    factories.make_provider(team=team, name="acme")
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800}) as context:
        sign_in(context, admin)
        page = context.new_page()
        page.goto(address(live_server, "overview"))
        page.get_by_role("link", name="Providers").click()
        page.get_by_role("link", name="acme").click()
        page.get_by_role("link", name="Delete…").click()
        page.get_by_label("Type acme to confirm").fill("acme")
        page.get_by_role("button", name="Delete provider").click()
        expect(page.get_by_text("acme deleted.")).to_be_visible()
    assert not Provider.objects.exists()


@mock_aws
def test_choosing_codedeploy_opens_its_fields_and_reads_the_lists(
    mine: Page, live_server: LiveServer, team: Team
) -> None:
    session.forget()
    factories.make_repository(team=team)
    factories.make_account(team=team, default_region="eu-west-1")
    mine.goto(address(live_server, "integration-add"))
    subnets = mine.locator('[name="codedeploy-Subnets"][type="checkbox"]')
    expect(mine.get_by_label("Port of the application")).to_be_hidden()
    mine.get_by_label("CodeDeploy: onto").check()
    expect(mine.get_by_label("Port of the application")).to_be_visible()
    expect(subnets.first).to_be_visible()
    subnets.first.check()
    mine.get_by_label("Name", exact=True).fill("shop")
    mine.get_by_role("button", name="Read the lists from AWS").click()
    expect(subnets.first).to_be_checked()
    expect(mine.get_by_label("Name", exact=True)).to_have_value("shop")
    session.forget()


@mock_aws
def test_what_is_ticked_and_typed_while_the_lists_are_read_stays(
    mine: Page, live_server: LiveServer, team: Team
) -> None:
    session.forget()
    factories.make_repository(team=team)
    factories.make_account(team=team, default_region="eu-west-1")
    mine.goto(address(live_server, "integration-add"))
    subnets = mine.locator('[name="codedeploy-Subnets"][type="checkbox"]')
    mine.get_by_label("CodeDeploy: onto").check()
    expect(subnets.first).to_be_visible()
    ticked = subnets.first.is_checked()
    held: list[Route] = []
    # Playwright marks the function that it is given, and cannot mark a method of a list.
    mine.route("**/integrations/add/", lambda route: held.append(route), times=1)  # noqa: PLW0108
    mine.get_by_role("button", name="Read the lists from AWS").click()
    subnets.first.set_checked(not ticked)
    mine.get_by_label("Port of the application").fill("8080")
    with mine.expect_response("**/integrations/add/"):
        held[0].continue_()
    expect(mine.locator(".htmx-request")).to_have_count(0)
    expect(subnets.first).to_be_checked(checked=not ticked)
    expect(mine.get_by_label("Port of the application")).to_have_value("8080")
    session.forget()


def test_what_was_typed_comes_back_after_a_session_that_ended(
    mine: Page, live_server: LiveServer, scene: Scene
) -> None:
    mine.goto(address(live_server, "integration-edit", scene.integration.pk))
    mine.get_by_label("Environment").fill("staging")
    mine.context.clear_cookies(name="sessionid")
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_text("Your session had ended, so nothing was saved.")).to_be_visible()
    mine.get_by_label("User name").fill("ada")
    mine.get_by_label("Password").fill("correct horse battery")
    mine.get_by_role("button", name="Sign in", exact=True).click()
    expect(mine.get_by_label("Environment")).to_have_value("staging")
    scene.integration.refresh_from_db()
    assert scene.integration.environment == "production"
    mine.goto(address(live_server, "integration-edit", scene.integration.pk))
    expect(mine.get_by_label("Environment")).to_have_value("production")
