"""The report: Markdown to paste into an issue, without names of the account, the repository or the panel."""

import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from acceptance.steps import Done


def write(
    *,
    title: str,
    facts: dict[str, str],
    walked: Iterable[Done],
    removed: Iterable[Done],
    left: list[str],
    private: Iterable[str],
) -> str:
    """The text.

    Args:
        title: how it came out, in a few words.
        facts: name to value, such as the region.
        walked: steps of the journey.
        removed: steps of the clean-up.
        left: what could not be removed.
        private: words that are replaced by `<private>`; account ids are, too.
    """
    lines = [f"# Acceptance run: {title}", ""]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = {"Date": now, "Python": platform.python_version(), **facts}
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for heading, steps in (("Journey", walked), ("Clean-up", removed)):
        lines += ["", f"## {heading}", "", "| | step | seconds | |", "|---|---|---|---|"]
        lines += [
            f"| {'**failed**' if each.failure else 'ok'} | {_cell(each.what)} | {each.seconds:.1f} "
            f"| {_cell(each.failure or each.note)} |"
            for each in steps
        ]
    lines += ["", "## What is left", "", *([f"- {_line(each)}" for each in left] or ["Nothing."])]
    return hide("\n".join(lines) + "\n", private)


def hide(text: str, private: Iterable[str]) -> str:
    """The text without the given words and without what looks like an AWS account id."""
    for word in sorted({each for each in private if each}, key=len, reverse=True):
        text = text.replace(word, "<private>")
    return re.sub(r"(?<!\d)\d{12}(?!\d)", "<account>", text)


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
