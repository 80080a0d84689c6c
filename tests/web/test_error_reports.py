"""Reports of unexpected errors, as Django mails them and as services that collect errors ask for them."""

import sys
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from integrations.models import Provider
from teams.models import Scope, Team, User
from teams.services import tokens
from tests.e2e.canary import forms
from tests.factories import make_provider

ENTERED = "ghp_entered-canary"


@pytest.fixture
def reports() -> Any:
    """Each unexpected error as text and as HTML."""
    made: list[str] = []

    def report(sender: Any, request: HttpRequest, **_: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=True)
        made.extend([reporter.get_traceback_text(), reporter.get_traceback_html()])

    got_request_exception.connect(report, weak=False)
    yield made
    got_request_exception.disconnect(report)


@pytest.fixture
def broken(team: Team) -> Provider:
    """A provider whose credentials have a shape that no code wrote."""
    return make_provider(team=team, kind="gitea", base_url="https://git.invalid", credentials=["ghp_kept-canary"])


@pytest.mark.parametrize("way", ["page", "api"])
def test_report_says_where_it_happened_and_holds_no_secret(
    way: str, team: Team, admin: User, broken: Provider, reports: list[str], settings
):
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://:broker-canary@127.0.0.1/0"
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    _, token = tokens.create(actor=admin, team=team, name="ci", scope=Scope.ADMIN)
    if way == "page":
        url = reverse("provider-edit", args=[broken.pk])
        answer = client.post(url, {"name": "x", "token": ENTERED})
    else:
        answer = client.patch(
            f"/api/v1/providers/{broken.pk}/",
            {"credentials": {"token": ENTERED}},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    assert answer.status_code == 500
    assert len(reports) == 2
    database = configured.DATABASES["default"]
    secrets = {
        ENTERED,
        "ghp_kept-canary",
        "broker-canary",
        token,
        client.cookies["sessionid"].value,
        configured.SECRET_KEY,
        database["PASSWORD"],
    }
    for report in (*reports, answer.content.decode()):
        assert not [secret for secret in secrets for form in forms(secret) if form in report]
        assert all(key.hex() not in report and repr(key)[2:-1] not in report for key in configured.ENCRYPTION_KEYS)
    assert all("Error" in report and "providers.py" in report for report in reports)
