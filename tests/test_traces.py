"""docs/traces.md leads to files and names that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "traces.md").read_text()
NAMED = re.findall(r"`((?:lambdas|deployers|integrations|panel|teams|cfn_templates)/[\w/.]+(?:::[\w.]+)?)`", PAGE)


def _names(tree: ast.AST, prefix: str = "") -> set[str]:
    """The functions and classes of a module, and `Class.method`."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(f"{prefix}{node.name}")
        if isinstance(node, ast.ClassDef):
            found |= _names(node, f"{node.name}.")
    return found


@pytest.mark.parametrize("named", sorted(set(NAMED)))
def test_what_a_trace_names_exists(named: str) -> None:
    file, _, name = named.partition("::")
    assert (ROOT / file).is_file()
    assert not name or name in _names(ast.parse((ROOT / file).read_text()))


def test_every_trace_names_its_steps() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == [
        "A push",
        "A provisioning",
        "A deployment",
        "A rotation of an SSH key",
    ]
    assert all(section.count("::") >= 8 for section in sections)
