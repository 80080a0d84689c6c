"""The API is as its own description says, whatever is sent: schemathesis calls every operation, as admin and as viewer.

A few examples each, the same ones each time; `make fuzz` sends more, and others (EXAMPLES says how many).
"""

import os
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import responses
import schemathesis
import yaml
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from moto import mock_aws
from rest_framework.test import APIClient
from schemathesis.specs.openapi import checks as described

from teams.models import Role, Scope, Team
from teams.services import tokens
from tests import factories
from tests.api.github import answer_as_github

EXAMPLES = int(os.environ.get("EXAMPLES", "4"))
AWAY = {502, 503}
"""AWS and providers are not there: these statuses are theirs, and described."""


@schemathesis.check
def no_fault_of_ours(_ctx: Any, response: Any, _case: Any) -> None:
    assert response.status_code < 500 or response.status_code in AWAY, response.content


CHECKS: list[Any] = [
    no_fault_of_ours,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_headers_conformance,
    described.response_schema_conformance,
    described.negative_data_rejection,
    described.missing_required_header,
    described.unsupported_method,
    described.ignored_auth,
]


# Left out: positive_data_acceptance, use_after_free and ensure_resource_availability. A description says nothing of
# state: a valid request is refused where a stack is at work, and each example is taken back after its answer.
@cache
def _schema() -> Any:
    answer = APIClient().get("/api/v1/schema/")
    loaded = schemathesis.openapi.from_dict(yaml.safe_load(answer.content))
    loaded.app = get_wsgi_application()
    return loaded


def _operations() -> Iterator[Any]:
    for found in _schema().get_all_operations():
        yield found.ok()


OPERATIONS = {f"{each.method} {each.path}": each for each in _operations()}


def test_every_operation_is_called():
    called = len(OPERATIONS)
    written = sum(
        method in {"get", "post", "put", "patch", "delete"}
        for methods in _schema().raw_schema["paths"].values()
        for method in methods
    )
    assert called == written
    print(f"{called} operations")


@pytest.fixture(autouse=True)
def _outside() -> Iterator[None]:
    with mock_aws(), responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        answer_as_github(http, "acme/shop")
        yield


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """A request's begin and end would close the connection that the test's transaction is on, as on a server."""
    both = (signals.request_started, signals.request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    yield
    for signal in both:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_answers_are_as_described(team: Team, rows: dict[str, Any], name: str, role: Role):
    operation = OPERATIONS[name]
    _, plain = tokens.create(actor=factories.make_user(team=team, role=role), team=team, name="t", scope=Scope.ADMIN)
    row = rows.get(operation.path.split("/")[3])
    chance = random.Random(name)

    @settings(
        max_examples=EXAMPLES,
        derandomize="EXAMPLES" not in os.environ,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        # Most random ids find nothing: three of four calls are about the row that is there.
        if row is not None and "id" in case.path_parameters and chance.random() < 0.75:
            case.path_parameters["id"] = str(row.pk)
        with transaction.atomic():
            case.call_and_validate(headers={"Authorization": f"Bearer {plain}", "Accept-Encoding": ""}, checks=CHECKS)
            transaction.set_rollback(True)

    ask()
