import pytest

from tests.lambdas.common.bench import Bench
from tests.lambdas.conftest import Stack


@pytest.fixture
def bench(stack: Stack) -> Bench:
    return Bench(stack)
