import csv

import pytest

from panel import export


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_what_strangers_wrote_is_no_formula(first: str) -> None:
    """Messages and authors of commits are of whoever pushed."""
    written = f'{first}HYPERLINK("https://evil.example","look")'
    [_, row] = csv.reader("".join(export.csv_lines(["message"], [[written]])).splitlines(keepends=True))
    assert row == [f"'{written}"]
