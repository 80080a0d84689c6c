"""Regions that poll: unchanged is 304, a change is sent in small parts, the end is 286."""

import re

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Operation
from deployers.states import OperationStatus, Step
from integrations.models import DeliveryStatus, WebhookState
from teams.models import Team
from tests import factories
from tests.web.scene import LISTS, OUTPUTS, Scene, make_scene

HTMX = {"HX-Request": "true"}


def under_way(team: Team) -> tuple[Scene, Operation]:
    """A scene whose stack is being created."""
    scene = make_scene(team)
    scene.stack.aws_status, scene.stack.outputs = "CREATE_IN_PROGRESS", {}
    scene.stack.resources_done = 12
    scene.stack.save()
    operation = factories.make_operation(
        stack=scene.stack, status=OperationStatus.RUNNING, step=Step.WATCH, started_at=timezone.now()
    )
    return scene, operation


def attribute(page: str, name: str) -> str:
    """The first value of an attribute in the page."""
    found = re.search(rf'{name}="([^"]*)"', page)
    assert found, name
    return found[1].replace("&quot;", '"').replace("&amp;", "&")


def test_the_page_polls_only_while_an_operation_is_active(signed_in: Client, team: Team) -> None:
    scene, operation = under_way(team)
    url = reverse("integration-detail", args=[scene.integration.pk])
    poll = reverse("integration-setup", args=[scene.integration.pk])
    assert f'hx-get="{poll}" hx-trigger="every 2s"' in signed_in.get(url).content.decode()
    Operation.objects.filter(pk=operation.pk).update(status=OperationStatus.SUCCEEDED)
    assert poll not in signed_in.get(url).content.decode()


def test_a_poll_with_the_state_of_the_page_is_answered_304_without_a_body(signed_in: Client, team: Team) -> None:
    scene, _ = under_way(team)
    page = signed_in.get(reverse("integration-detail", args=[scene.integration.pk])).content.decode()
    etag = attribute(page[page.index('id="progress"') :], "data-etag")
    poll = reverse("integration-setup", args=[scene.integration.pk])
    for tag in (etag, f"W/{etag}"):
        answer = signed_in.get(poll, headers={**HTMX, "If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")


def test_a_change_sends_progress_and_only_the_new_lines_of_the_log(signed_in: Client, team: Team) -> None:
    scene, _ = under_way(team)
    page = signed_in.get(reverse("integration-detail", args=[scene.integration.pk])).content.decode()
    cursor = attribute(page[page.index('id="log-cursor"') :], "value")
    factories.make_stack_event(stack=scene.stack, logical_id="BrandNewThing", status="CREATE_IN_PROGRESS")
    scene.stack.resources_done = 13
    scene.stack.save()
    answer = signed_in.get(
        reverse("integration-setup", args=[scene.integration.pk]),
        {"after": cursor},
        headers={**HTMX, "If-None-Match": attribute(page, "data-etag")},
    )
    fragment = answer.content.decode()
    assert answer.status_code == 200
    assert "13 of 46 resources" in fragment
    assert fragment.count("<tr") == 1
    assert "BrandNewThing" in fragment
    assert '<tbody id="log-rows" hx-swap-oob="beforeend">' in fragment
    assert "<html" not in fragment
    assert attribute(fragment[fragment.index('id="log-cursor"') :], "value") != cursor


def test_the_end_stops_the_polling_and_brings_what_the_stack_made(signed_in: Client, team: Team) -> None:
    scene, operation = under_way(team)
    scene.stack.aws_status, scene.stack.outputs = "CREATE_COMPLETE", OUTPUTS
    scene.stack.save()
    Operation.objects.filter(pk=operation.pk).update(status=OperationStatus.SUCCEEDED, finished_at=timezone.now())
    answer = signed_in.get(reverse("integration-setup", args=[scene.integration.pk]), headers=HTMX)
    fragment = answer.content.decode()
    assert answer.status_code == 286
    assert OUTPUTS["GitPullWebHookApi"] in fragment
    assert 'id="integration-side" hx-swap-oob="true"' in fragment


def test_the_end_is_286_even_for_a_page_that_has_that_state(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    poll = reverse("integration-setup", args=[scene.integration.pk])
    etag = signed_in.get(poll, headers=HTMX)["ETag"]
    assert signed_in.get(poll, headers={**HTMX, "If-None-Match": etag}).status_code == 286


def test_a_failure_says_what_went_wrong_and_what_to_do(signed_in: Client, team: Team) -> None:
    _, operation = under_way(team)
    Operation.objects.filter(pk=operation.pk).update(
        status=OperationStatus.FAILED, problem="The bucket's name is taken.", remedy="Choose another."
    )
    fragment = signed_in.get(reverse("operation-live", args=[operation.pk]), headers=HTMX).content.decode()
    assert "The bucket&#x27;s name is taken." in fragment
    assert "Choose another." in fragment
    assert reverse("operation-retry", args=[operation.pk]) in fragment


def test_a_page_of_an_integration_that_was_deleted_meanwhile_leaves(signed_in: Client, team: Team) -> None:
    scene, _ = under_way(team)
    poll = reverse("integration-setup", args=[scene.integration.pk])
    scene.artifact.delete()
    scene.integration.delete()
    assert signed_in.get(poll, headers=HTMX)["HX-Redirect"] == reverse("integration-list")
    assert signed_in.get(poll).status_code == 404


def test_an_operation_that_outlived_its_integration_still_has_its_page(signed_in: Client, team: Team) -> None:
    scene, operation = under_way(team)
    scene.integration.delete()
    page = signed_in.get(reverse("operation-detail", args=[operation.pk]))
    assert page.status_code == 200
    assert "Create shop" in page.content.decode()


def test_a_list_of_deliveries_is_sent_again_only_when_one_changed(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    url = reverse("delivery-list")
    page = signed_in.get(url).content.decode()
    etag = attribute(page[page.index('id="deliveries"') :], "data-etag")
    headers = {**HTMX, "If-None-Match": etag}
    assert signed_in.get(url, headers=headers).status_code == 304
    scene.delivery.status, scene.delivery.reason = DeliveryStatus.FAILED, "The repository is gone."
    scene.delivery.save()
    answer = signed_in.get(url, headers=headers)
    assert answer.status_code == 200
    assert "The repository is gone." in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_only_the_newest_deliveries_poll(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    later = f"{scene.delivery.received_at.isoformat()}_{scene.delivery.pk}"
    assert "hx-trigger" not in signed_in.get(reverse("delivery-list"), {"before": later}).content.decode()


def test_a_webhook_to_add_by_hand_says_what_to_paste_where_on_request(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    scene.integration.webhook_state = WebhookState.MANUAL
    scene.integration.webhook_problem = "The token may not add webhooks."
    scene.integration.save()
    page = signed_in.get(reverse("integration-detail", args=[scene.integration.pk])).content.decode()
    assert "The token may not add webhooks." in page
    assert scene.integration.webhook_secret not in page
    for headers in ({}, HTMX):
        answer = signed_in.post(
            reverse("integration-webhook", args=[scene.integration.pk]), {"action": "show"}, headers=headers
        )
        shown = answer.content.decode()
        assert scene.integration.webhook_secret in shown
        assert OUTPUTS["GitPullWebHookApi"] in shown
        assert f"https://github.com/{scene.repository.full_name}/settings/hooks/new" in shown
        assert "no-store" in answer["Cache-Control"]


def test_the_log_turns_to_the_stack_that_the_operation_is_at(signed_in: Client, team: Team) -> None:
    scene, operation = under_way(team)
    poll = reverse("integration-setup", args=[scene.integration.pk])
    factories.make_stack_event(stack=scene.stack, logical_id="Queue")
    assert f"<code>{scene.stack.name}</code>" in signed_in.get(poll, headers=HTMX).content.decode()

    second = factories.make_stack(integration=scene.integration, kind="codedeploy", name="sluice-shop-codedeploy")
    factories.make_stack_event(stack=second, logical_id="Fleet/Group")
    Operation.objects.filter(pk=operation.pk).update(stack=second)
    part = signed_in.get(poll, headers=HTMX).content.decode()
    assert '<span class="sub" id="log-stack" hx-swap-oob="true"><code>sluice-shop-codedeploy</code></span>' in part
    assert reverse("stack-events", args=[second.pk]) in part
    assert "Fleet/Group" in part


def test_what_htmx_gets_is_never_kept_and_told_apart_from_the_page(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    addresses = [*scene.about().values(), *(reverse(name) for name in LISTS), reverse("repository-add")]
    for address in addresses:
        part, whole = signed_in.get(address, headers=HTMX), signed_in.get(address)
        if part.status_code == 200:
            assert "no-store" in part["Cache-Control"], address
        if whole.status_code == 200:
            assert "HX-Request" in whole["Vary"], address
            assert "no-store" not in whole["Cache-Control"] or address == reverse("token-list"), address
