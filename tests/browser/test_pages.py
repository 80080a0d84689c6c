"""Every page, in both themes and both widths: no violation that axe finds, no console error, no sideways scroll."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from axe_playwright_python.sync_playwright import Axe
from django.core import mail as outbox
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from deployers.models import StackKind
from deployers.states import OperationStatus, Step
from integrations.models import DeliveryStatus, Deployer, RemoteState, SSHKey, WebhookState
from teams.models import Membership, Role, Team, User
from teams.services import accounts, invitations, password_resets
from tests import factories
from tests.web.scene import LISTS, make_scene

pytestmark = pytest.mark.browser

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
WIDTHS = {"desktop": 1440, "phone": 390}
# Beside all that axe looks for by itself; `label-content-name-mismatch` it still calls experimental.
AXE = {"rules": {rule: {"enabled": True} for rule in ("landmark-unique", "label-content-name-mismatch")}}
FORMS = (
    reverse("provider-add"),
    f"{reverse('provider-add')}?kind=github_enterprise",
    f"{reverse('provider-add')}?kind=gitlab",
    f"{reverse('provider-add')}?kind=bitbucket_cloud&with=oauth-consumer",
    reverse("account-add"),
    f"{reverse('account-add')}?method=keys",
    reverse("integration-add"),
    reverse("invitation-add"),
    reverse("token-add"),
    reverse("service-account-add"),
    reverse("api-docs"),
)
ACCOUNT = (
    *(reverse(name) for name in ("profile", "profile-password", "profile-email")),
    *(reverse(f"mfa_{name}") for name in ("index", "activate_totp", "add_webauthn", "view_recovery_codes")),
    *(reverse(name) for name in ("account_reauthenticate", "mfa_reauthenticate", "confirm-again")),
    reverse("socialaccount_connections"),
)


def every_page(team: Team) -> list[str]:
    """Addresses, with rows in every state that looks different."""
    now = timezone.now()
    scene = make_scene(team)
    for status in DeliveryStatus:
        factories.make_delivery(integration=scene.integration, status=status, reason=f"Why it is {status}.")
    retried = factories.make_delivery(
        integration=scene.integration,
        status=DeliveryStatus.RETRYING,
        reason="GitHub answered 502, which passes; the next attempt comes in a minute.",
        attempts=[{"at": now.isoformat(), "duration_ms": 812, "error": "502 Bad Gateway"}],
        request_headers={"x-github-event": "push", "user-agent": "GitHub-Hookshot/044aadd"},
        request_body='{"ref": "refs/heads/main", "after": "4f3c2e1d0b9a8f7e6d5c4b3a29181706f5e4d3c2"}',
    )
    found = factories.make_delivery(
        integration=scene.integration, event="catch-up", request_body="The check for missed pushes found it."
    )
    changed = factories.make_provider(
        team=team,
        kind="gitea",
        base_url="https://git.example.com",
        ssh_known_hosts=f"git.example.com {factories.PUBLIC_KEY}",
        ssh_scanned_keys=f"git.example.com {OTHER_KEY}",
        ssh_scanned_at=now,
        ssh_problem="The SSH host keys of git.example.com changed: ssh-ed25519 is now another one.",
        webhook_networks=["192.30.252.0/22", "2606:50c0::/32"],
        webhook_networks_at=now,
    )
    by_hand = make_scene(team, name="by-hand")
    by_hand.integration.heads_problem = "GitHub does not answer."
    by_hand.integration.commit_statuses = True
    by_hand.integration.commit_status_problem = "The token may not write statuses."
    by_hand.integration.paths, by_hand.integration.ignored_paths = ["services/shop/**"], ["docs/**", "*.md"]
    by_hand.integration.webhook_state = WebhookState.MANUAL
    by_hand.integration.webhook_problem = "The token may not add webhooks."
    by_hand.integration.save()
    SSHKey.objects.filter(integration=by_hand.integration).update(
        remote_state=RemoteState.MANUAL, problem="The organization forbids deploy keys."
    )
    failed = make_scene(team, name="failed")
    failed.stack.aws_status = "ROLLBACK_COMPLETE"
    failed.stack.save()
    operation = factories.make_operation(
        stack=failed.stack,
        status=OperationStatus.FAILED,
        problem="The name of the bucket is taken.",
        remedy="Choose another.",
        started_at=now - timedelta(minutes=2),
        finished_at=now,
    )
    running = make_scene(team, name="running")
    running.stack.aws_status = "CREATE_IN_PROGRESS"
    running.stack.save()
    for number, status in enumerate(("CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED") * 10):
        factories.make_stack_event(stack=running.stack, status=status, logical_id=f"Resource{number}")
    factories.make_operation(
        stack=running.stack, status=OperationStatus.RUNNING, step=Step.WATCH, started_at=now - timedelta(seconds=20)
    )
    webhook = {
        "purpose": "webhook",
        "message": "The token may not do this on acme/shop.",
        "remedy": "Its owner must be an admin of acme/shop. Or do it by hand.",
        "page_url": "https://github.com/acme/shop/settings/hooks/new",
    }
    new = factories.make_integration(
        repository=scene.repository,
        aws_account=scene.account,
        name="new",
        obstacles=[webhook, {**webhook, "purpose": "commit_statuses", "page_url": ""}],
        obstacles_problem="github.com did not answer in time.",
        obstacles_checked_at=now,
        commit_statuses=True,
    )
    other = factories.make_artifact(delivery=scene.delivery, version_id="version-of-another")
    factories.make_deployment(artifact=other, status="deployed", steps=False, created_at=now - timedelta(hours=1))
    deploying = factories.make_deployment(artifact=scene.artifact, status="deploying", finished_at=None)
    ecs = factories.make_integration(
        repository=scene.repository, aws_account=scene.account, name="ecs", deployers=[Deployer.ECS], deploy_ref="main"
    )
    factories.make_stack(integration=ecs, kind=StackKind.ECS)
    run = factories.make_pipeline_run(
        artifact=factories.make_artifact(delivery=factories.make_delivery(integration=ecs))
    )
    other = Membership.objects.get(user=factories.make_user(team=team, username="kim", email="kim@example.com"))
    _, link = invitations.create(team=team, actor=other.user, role=Role.VIEWER)
    about = scene.about()
    about.pop("stack-events")  # a download
    about.pop("provider-edit")  # as its form
    others = [reverse("integration-detail", args=[each.integration.pk]) for each in (by_hand, failed, running)]
    others += [
        reverse("integration-detail", args=[ecs.pk]),
        *(reverse(f"deployment-{what}", args=[run.pk]) for what in ("detail", "answer")),
    ]
    return [
        *(reverse(name) for name in LISTS),
        *FORMS,
        *(reverse(f"member-{what}", args=[other.pk]) for what in ("change", "remove", "hand-over")),
        reverse("member-leave"),
        urlsplit(link or "").path,
        *ACCOUNT,
        *about.values(),
        *others,
        reverse("integration-detail", args=[new.pk]),
        reverse("operation-detail", args=[operation.pk]),
        reverse("integration-rotate-secret", args=[scene.integration.pk]),
        *(reverse(name, args=[deploying.pk]) for name in ("deployment-detail", "deployment-stop")),
        reverse("integration-roll-back", args=[scene.integration.pk]),
        reverse("artifact-redeploy", args=[scene.artifact.pk]),
        *(reverse("delivery-detail", args=[each.pk]) for each in (retried, found)),
        reverse("provider-detail", args=[changed.pk]),
        f"{reverse('delivery-list')}?q=nothing-like-this&status=failed&since=day",
    ]


def pages_of_links(user: User) -> list[str]:
    """What the links open that are sent to one person."""
    accounts.change_email(user=user, email="new@example.com")
    found = re.search(r"https?://\S+", outbox.outbox[-1].body)
    assert found
    handed, _ = password_resets.hand_out(user=user, actor=None)
    return [reverse("password-forgotten"), urlsplit(found[0]).path, urlsplit(handed).path]


def look(page: Page, url: str, width: int) -> list[str]:
    """What is wrong with one page."""
    answer = page.goto(url)
    found = [] if answer and answer.status == 200 else [f"{url}: {answer and answer.status}"]
    if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
        found.append(f"{url}: scrolls sideways, {needed} px")
    for violation in Axe().run(page, options=AXE).response["violations"]:
        nodes = "; ".join(node["html"][:150] for node in violation["nodes"][:3])
        found.append(f"{url}: {violation['id']}: {nodes}")
    return found


# Each width and each theme once: what axe finds hangs on one of them, not on the pair.
@pytest.mark.parametrize(
    ("width", "theme"), [(WIDTHS["desktop"], "light"), (WIDTHS["phone"], "dark")], ids=["desktop-light", "phone-dark"]
)
def test_every_page_is_accessible_and_clean(
    width: int,
    theme: str,
    browser: Browser,
    live_server: LiveServer,
    admin: User,
    team: Team,
    sign_in: Callable[[BrowserContext, User], None],
    watch: Callable[[Page], Page],
    settings: Settings,
) -> None:
    settings.MAIL = True
    with browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    ) as context:
        page = watch(context.new_page())
        problems = look(page, f"{live_server.url}{reverse('sign-in')}", width)
        RecoveryCodes.activate(admin)
        sign_in(context, admin)
        problems += look(page, f"{live_server.url}{reverse('overview')}", width)  # the first steps
        for path in [*pages_of_links(admin), *every_page(team)]:
            problems += look(page, f"{live_server.url}{path}", width)
            assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        assert not problems, "\n".join(problems)
