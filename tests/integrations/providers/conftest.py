from collections.abc import Iterator
from typing import Any

import pytest
import responses

from tests.integrations.providers.api_facts import refusal


def as_published(response: Any) -> Any:
    """Refuse what the provider's published description does not have."""
    request = response.request
    if problem := refusal(request.method, request.url, request.body):
        pytest.fail(problem)
    return response


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """The only network these tests have; it takes what the providers' published descriptions take."""
    with responses.RequestsMock(assert_all_requests_are_fired=False, response_callback=as_published) as mock:
        yield mock
