from collections.abc import Iterator

import pytest
import responses


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """The only network these tests have."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
