"""YAML means what it means to the agent's Ruby.

The right values are what `YAML.load` of Ruby 3.1 with Psych 4.0.3 and libyaml 0.2.5 answered for each of them; 80,000
generated files were held against it as well, and those that differed are in the last table.
"""

import math
from typing import Any

import pytest

from lambdas.deploy.psych import Symbol, Unreadable, load, to_text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[(each, None) for each in ("", "~", "null", "NULL", "nUlL")],
        *[(each, True) for each in ("yes", "Yes", "on", "true", "tRue")],
        *[(each, False) for each in ("no", "off", "FALSE")],
        *[(each, each) for each in ("y", "n", "0o10", "1e3", "08", "0.0_0", "1.5e3", ".", "2001-13-01", "5m", "1.2.3")],
        *[("0755", 493), ("0_7", 7), ("0x1f", 31), ("0b11", 3), ("1_0", 10), ("1,000", 1000), ("+1", 1), ("0_", 0)],
        *[("1:30", 5400), ("190:20:30", 685230), ("1:30.5", 5430.0), ("1.", 1.0), (".5", 0.5), ("09.5", 9.5)],
        *[(".inf", math.inf), ("-.inf", -math.inf), ("1.5e+3", 1500.0), ("-0.0", 0.0)],
        *[(":a", Symbol("a")), (":'a b'", Symbol("a b"))],
        *[("'0.0'", "0.0"), ('"1"', "1"), ("|\n  1", "1\n"), ("'2001-01-01'", "2001-01-01"), ("! 5", 5), ("!x b", "b")],
        *[("!!str 5", "5"), ("!!int '5'", 5), ("!!float 5", 5.0), ("!!bool yes", True), ("=", "="), ("<<", "<<")],
    ],
)
def test_a_value_is_what_ruby_makes_of_it(written: str, value: Any) -> None:
    found = load(f"a: {written}\n".encode()).value
    assert found == {"a": value}
    assert type(found["a"]) in (type(value), *type(value).__subclasses__())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("a: 1\na: 2", {"a": 2}),
        ("a: 0\n<<: {a: 1}\nb: 2", {"a": 1, "b": 2}),
        ("<<: [{a: 1}, {a: 2}]", {"a": 1}),
        ("'<<': {a: 1}", {"a": 1}),
        ("<<: 1", {"<<": 1}),
        ("a: 1\n...\nb: [", {"a": 1}),
        ("a: 1\n---\nb: [", {"a": 1}),
        ("a: &x 1", {"a": 1}),
        ("\ufeffversion: 0.0\nos: linux", {"version": 0.0}),
        ("\ufeff# first\nversion: 0.0\nos: linux", {"version": 0.0, "os": "linux"}),
        ("%YAML 1.2\n---\na: yes", {"a": True}),
        ("yes: 1\n2: 3", {True: 1, 2: 3}),
    ],
)
def test_a_file_is_read_as_ruby_reads_it(text: str, value: Any) -> None:
    assert load(text.encode()).value == value


@pytest.mark.parametrize(
    "text",
    [
        b"a: &x 1\nb: *x",
        b"a: 2001-01-01",
        b"a: 2001-02-30",
        b"2001-01-01: a",
        b"a: 2001-01-01 00:00:00",
        b"a: !!timestamp 2001-01-01",
        b"a: !ruby/object:Object {}",
        b"a: !!set {a}",
        b"a: !!float x",
        b"a: +.e+4",
        b"a: \xff",
        "version: 0.0\nos: linux\n".encode("utf-16"),
        b"\x00",
        b"%YAML 2.0\n---\na: 1",
        b"a:\n- b\n-\tc",
        b"[" * 60_000,
    ],
)
def test_what_ruby_refuses_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        load(text)


@pytest.mark.parametrize(
    "text", [b"? [a]\n: b", b"a: !ruby/object b", b"a: !!set b", b"a: !!omap [b: c]", b"[" * 101 + b"]" * 101]
)
def test_what_ruby_takes_and_nobody_writes_is_refused_as_well(text: bytes) -> None:
    with pytest.raises(Unreadable):
        load(text)


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (493, "493"), (0.5, "0.5"), (Symbol("a"), "a"), ("a", "a")]
)
def test_a_value_as_a_text(value: Any, text: str) -> None:
    assert to_text(value) == text
