"""The vocabulary is complete, and times read well."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from deployers.models import Stack
from deployers.states import STEP_LABELS, OperationStatus, StackState, Step
from integrations.models import DeliveryStatus, RemoteState, WebhookState
from panel.integration_state import IntegrationState, integration_state
from panel.templatetags import sluice
from panel.web import statuses


@pytest.mark.parametrize(
    ("table", "states"),
    [
        (statuses.DELIVERY, DeliveryStatus),
        (statuses.OPERATION, OperationStatus),
        (statuses.STACK, StackState),
        (statuses.WEBHOOK, WebhookState),
        (statuses.REMOTE_KEY, RemoteState),
        (statuses.INTEGRATION, IntegrationState),
        (STEP_LABELS, Step),
    ],
)
def test_every_state_has_its_words(table: dict[str, object], states: type) -> None:
    assert set(table) == set(states)


@pytest.mark.parametrize(
    ("aws", "kind", "status", "label"),
    [
        ([], None, None, "Not provisioned"),
        ([], "create", "queued", "Setting up"),
        (["CREATE_IN_PROGRESS"], "create", "running", "Setting up"),
        (["CREATE_COMPLETE"], "create", "succeeded", "Ready"),
        (["CREATE_COMPLETE"], "update", "running", "Updating"),
        (["CREATE_COMPLETE"], "update", "failed", "Failed"),
        (["CREATE_COMPLETE"], "update", "waiting", "Waiting for a person"),
        (["UPDATE_ROLLBACK_COMPLETE"], "update", "succeeded", "Rolled back"),
        (["CREATE_COMPLETE", "ROLLBACK_COMPLETE"], "create", "succeeded", "Failed"),
        (["DELETE_IN_PROGRESS"], "delete", "running", "Deleting"),
        (["DELETE_COMPLETE"], "delete", "succeeded", "Not provisioned"),
        ([""], "create", "cancelled", "Not provisioned"),
        (["A_WORD_NOBODY_KNOWS"], "create", "succeeded", "Failed"),
    ],
)
def test_an_integration_is_as_its_stacks_and_its_newest_operation(
    aws: list[str], kind: str | None, status: str | None, label: str
) -> None:
    stacks = [Stack(aws_status=each) for each in aws]
    state = integration_state(stacks=stacks, operation_kind=kind, operation_status=status)
    assert statuses.INTEGRATION[state].label == label


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=45), "45 sec ago"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=1, minutes=10), "1 hour ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=1, hours=2), "1 day ago"),
        (-timedelta(minutes=5, seconds=30), "in 5 min"),
    ],
)
def test_recent_times_are_relative(ago: timedelta, text: str) -> None:
    assert sluice.relative(timezone.now() - ago) == text


def test_old_times_are_dates() -> None:
    assert sluice.relative(datetime(2024, 2, 3, tzinfo=UTC)) == "3 Feb 2024"


def test_a_time_carries_its_exact_moment_in_utc() -> None:
    html = Template("{% load sluice %}{% when moment %}").render(
        Context({"moment": datetime.fromisoformat("2026-01-02T03:04:05+02:00")})
    )
    assert 'datetime="2026-01-02T01:04:05+00:00"' in html
    assert 'title="2026-01-02 01:04:05 UTC"' in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.25, "250 ms"), (2.5, "2.5s"), (42, "42s"), (171, "2m 51s"), (3900, "1h 05m")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert sluice.duration(seconds) == text


def test_a_value_to_copy_is_escaped_and_whole() -> None:
    html = Template('{% load sluice %}{% copy value "key" "the-key" %}').render(Context({"value": "<b>&" * 200}))
    assert html.count("&lt;b&gt;&amp;") == 200


def test_a_card_escapes_its_title_and_keeps_its_content() -> None:
    html = Template("{% load sluice %}{% card title=title %}<p>{{ text }}</p>{% endcard %}").render(
        Context({"title": "<i>", "text": "<u>"})
    )
    assert "<p>&lt;u&gt;</p>" in html
    assert "&lt;i&gt;</h2>" in html


@pytest.mark.parametrize(
    ("word", "tone"),
    [("CREATE_COMPLETE", "ok"), ("CREATE_IN_PROGRESS", "run"), ("CREATE_FAILED", "bad"), ("ROLLBACK_COMPLETE", "bad")],
)
def test_lines_of_the_log_have_the_tone_of_what_aws_says(word: str, tone: str) -> None:
    assert sluice.event_tone(word) == tone


def test_the_query_of_a_page_changes_in_one_place() -> None:
    request = RequestFactory().get("/", {"status": "failed", "page": "3"})
    template = Template("{% load sluice %}{% query page=2 status=None %}")
    assert template.render(Context({"request": request})) == "?page=2"
