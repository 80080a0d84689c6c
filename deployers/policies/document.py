"""Holds docs/iam.md against what the templates allow."""

import re
from pathlib import Path

from deployers.policies.statements import Granted

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "iam.md"


def documented(text: str) -> Granted:
    """What docs/iam.md explains: `## template`, `### role`, and rows whose first cell lists actions."""
    found: Granted = set()
    source = role = ""
    for line in text.splitlines():
        if line.startswith("## "):
            source, role = line[3:].strip("` "), ""
        elif line.startswith("### "):
            role = line[4:].strip("` ")
        elif line.startswith("|") and role:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[-1]:
                found |= {(source, role, action) for action in re.findall(r"`([a-z0-9-]+:\w+)`", cells[0])}
    return found


def faults(allowed: Granted) -> list[str]:
    """What the document does not explain, and what it explains though no template allows it."""
    explained = documented(DOCUMENT.read_text(encoding="utf-8"))
    return [f"docs/iam.md does not say why {' '.join(each)} is needed" for each in sorted(allowed - explained)] + [
        f"docs/iam.md explains {' '.join(each)}, which no template allows" for each in sorted(explained - allowed)
    ]
