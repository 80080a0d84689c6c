"""What the pages promise is there: docs/providers.md's tests and columns, docs/security.md's files and commands."""

import ast
import re
from pathlib import Path

import pytest

from deployers.services.samples import Sample, samples
from integrations.models import Deployer, Integration
from integrations.providers.registry import PROVIDERS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "providers.md").read_text()
DEFAULT = "tests/integrations/providers/test_contract.py"
CONTRACTS = {"ProviderContract": "contract.py", "FailureContract": "failures.py"}
NAMED = re.findall(r"`((?:[\w/]+\.py::)?(?:Test\w+::)?test_\w+)`", PAGE)


def _tests_of(path: Path) -> set[str]:
    """The names of a module's tests, and `Class::test`, with those that a class inherits from a contract."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
            for base in (base.id for base in node.bases if isinstance(base, ast.Name) and base.id in CONTRACTS):
                inherited = _tests_of(path.with_name(CONTRACTS[base]))
                found |= {name.replace(f"{base}::", f"{node.name}::") for name in inherited}
    return found


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_exists(name: str) -> None:
    file, _, test = name.partition(".py::")
    path = ROOT / (f"{file}.py" if test else DEFAULT)
    assert (test or name) in _tests_of(path)


def test_every_row_of_the_table_names_its_tests() -> None:
    numbers = [row.split("|")[-2].strip() for row in PAGE.splitlines() if re.search(r"\| \d+ \|$", row)]
    listed = re.findall(r"^(\d+)\. `", PAGE, re.MULTILINE)
    assert numbers == listed != []


def test_every_registered_kind_says_which_credentials_it_takes() -> None:
    for table, first in ((0, "| kind | credential |"), (1, "| | reading |")):
        rows = PAGE[PAGE.index(first) :].partition("\n\n")[0]
        named = set(re.findall(r"^\| `(\w+)`", rows, re.MULTILINE))
        # GitHub Enterprise has a row only where something is different.
        assert named | ({"github_enterprise"} if table else set()) == set(PROVIDERS)


def test_every_registered_kind_has_a_column() -> None:
    header = next(line for line in PAGE.splitlines() if line.startswith("| |"))
    assert re.findall(r"`(\w+)`", header) == list(PROVIDERS)


@pytest.mark.parametrize("sample", samples(Integration(deployers=[Deployer.ECS])), ids=lambda each: each.name)
def test_the_samples_that_pages_offer_are_those_of_the_how_to(sample: Sample) -> None:
    assert f"\n{sample.text}```" in (ROOT / "docs" / "howto" / "deploy-with-ecs.md").read_text()
