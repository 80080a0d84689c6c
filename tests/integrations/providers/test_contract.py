"""The contract, for every kind that is registered: a kind without a fake fails here."""

from importlib import import_module
from pathlib import Path

import pytest
import responses

from integrations.providers.base import ProviderClient
from integrations.providers.registry import PROVIDERS
from tests.integrations.providers.contract import FakeProvider, ProviderContract
from tests.integrations.providers.failures import FailureContract


def fakes() -> dict[str, type[FakeProvider]]:
    """Kind to what stands in for it: every FakeProvider in a module `fake_*` that names a kind of its own."""
    modules = [import_module(f"{__package__}.{path.stem}") for path in sorted(Path(__file__).parent.glob("fake_*.py"))]
    classes = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each.kind: each for each in classes if issubclass(each, FakeProvider) and "kind" in vars(each)}


FAKES = fakes()


@pytest.fixture(params=sorted(PROVIDERS))
def fake(request: pytest.FixtureRequest, mock: responses.RequestsMock) -> FakeProvider:
    return FAKES[request.param](mock)


@pytest.fixture
def remote(fake: FakeProvider) -> ProviderClient:
    return PROVIDERS[fake.kind](fake.config)


class TestEveryKind(ProviderContract):
    pass


class TestEveryKindWhenItFails(FailureContract):
    pass
