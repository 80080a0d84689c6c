"""Back and Forward show whole pages, also where a page has fetched parts of itself from its own address."""

import uuid
from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from deployers.models import Deployment, OperationKind
from deployers.states import DeploymentStatus, OperationStatus, Step
from integrations.models import Delivery, DeliveryStatus
from teams.models import Team, User
from tests import factories
from tests.web.scene import Scene, make_scene

pytestmark = pytest.mark.browser
SignIn = Callable[[BrowserContext, User], None]


@pytest.fixture
def scene(live_server: LiveServer, team: Team) -> Scene:
    """A scene in which everything is under way, so that every live part polls."""
    scene = make_scene(team)
    Delivery.objects.filter(pk=scene.delivery.pk).update(status=DeliveryStatus.FETCHING, stored_at=None)
    Deployment.objects.filter(pk=scene.deployment.pk).update(status=DeploymentStatus.DEPLOYING, finished_at=None)
    factories.make_operation(
        stack=scene.stack,
        kind=OperationKind.ROTATE_KEY,
        status=OperationStatus.RUNNING,
        step=Step.WATCH,
        started_at=timezone.now(),
        batch=BATCH,
    )
    return scene


BATCH = uuid.uuid4()
LIVE: dict[str, Callable[[Scene], list[object]]] = {
    "delivery-list": lambda _: [],
    "delivery-detail": lambda scene: [scene.delivery.pk],
    "deployment-list": lambda _: [],
    "deployment-detail": lambda scene: [scene.deployment.pk],
    "integration-deliveries": lambda scene: [scene.integration.pk],
    "integration-deployments": lambda scene: [scene.integration.pk],
    "integration-detail": lambda scene: [scene.integration.pk],
    "operation-detail": lambda scene: [scene.integration.operations.latest("created_at").pk],
    "ssh-key-batch": lambda _: [BATCH],
}


def whole(page: Page) -> None:
    """Fails unless the page has its layout: one document with a navigation and one heading."""
    expect(page.get_by_role("navigation").first).to_be_visible()
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("link[rel=stylesheet]").first).to_be_attached()


@pytest.mark.parametrize("name", LIVE)
def test_back_and_forward_show_whole_pages(
    page: Page, live_server: LiveServer, admin: User, sign_in: SignIn, scene: Scene, name: str
) -> None:
    sign_in(page.context, admin)
    live = f"{live_server.url}{reverse(name, args=LIVE[name](scene))}"
    page.goto(live)
    whole(page)
    # A poll that is told something new, as a page that is left in the middle of it.
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        pass
    page.evaluate("document.querySelectorAll('[data-etag]').forEach(part => part.removeAttribute('data-etag'))")
    with page.expect_response(
        lambda answer: answer.request.headers.get("hx-request") == "true" and answer.status in {200, 286}
    ):
        pass
    page.goto(f"{live_server.url}{reverse('account-list')}")
    whole(page)
    page.go_back()
    whole(page)
    page.go_forward()
    whole(page)
    page.go_back()
    whole(page)
    page.reload()
    whole(page)
