"""What the sandbox uses of MiniStack is written down, is there, and is told by name where it is not."""

import ast
import importlib.util
import tomllib
from importlib.metadata import version

import pytest
from ministack.services import s3

from sandbox import aws_ministack
from sandbox.hooks import HookGone
from sandbox.ministack_names import NAMES, check, missing
from sandbox.state import ROOT


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, no package
        return False


def used_of_ministack() -> dict[str, set[str]]:
    """Module to the names that the sandbox's sources import from it, read of it or replace in it."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "sandbox").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        modules: dict[str, str] = {}
        for node in nodes:
            if isinstance(node, ast.Import):
                assert not any(each.name.startswith("ministack") for each in node.names), (
                    f"{path}: from ministack import"
                )
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ministack":
                for each in node.names:
                    if is_module(f"{node.module}.{each.name}"):
                        modules[each.asname or each.name] = f"{node.module}.{each.name}"
                    else:
                        found.setdefault(node.module, set()).add(each.name)
        for node in nodes:
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=used) if name in modules:
                    found.setdefault(modules[name], set()).add(used)
                case ast.Call(args=[ast.Name(id=name), ast.Constant(value=str(used)), *_]) if name in modules:
                    found.setdefault(modules[name], set()).add(used)
    return {module.removeprefix("ministack."): names for module, names in found.items()}


def test_every_name_that_is_used_is_written_down_and_no_other() -> None:
    assert {module: set(names.split()) for module, names in NAMES.items()} == used_of_ministack()


def test_the_installed_release_has_them_all() -> None:
    assert missing() == []


def test_a_name_that_is_gone_stops_the_local_aws_before_anything_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(s3, "_get_object")
    monkeypatch.setitem(NAMES, "services.teleport", "beam")
    with pytest.raises(HookGone, match=r"ministack\.services\.s3\._get_object, ministack\.services\.teleport$"):
        check()
    with pytest.raises(HookGone):
        aws_ministack.main()


def test_the_release_is_pinned_exactly() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert f"ministack=={version('ministack')}" in groups["sandbox"]
