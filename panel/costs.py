"""What stacks cost a month at rest, for pages: `deployers.cost` with what was chosen."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from deployers.cost import DATE, REGION, Line, at_rest, total
from deployers.models import Stack, StackKind
from deployers.services import stacks
from integrations.models import Integration


@dataclass(frozen=True, slots=True)
class _Part:
    """One stack: what it is called, its row if it was made, and what it keeps."""

    kind: str
    stack: Stack | None
    lines: list[Line]

    @property
    def total(self) -> Decimal:
        return total(self.lines)

    @property
    def unknown(self) -> bool:
        return _unknown(self.lines)


def of_stack(stack: Stack) -> dict[str, Any]:
    """`lines`, their `total` in US dollars, and the `date` and `region` of the prices."""
    lines = _lines(stack.integration, stack.kind)
    return {"lines": lines, "total": total(lines), "unknown": _unknown(lines), "date": DATE, "region": REGION}


def of_integration(integration: Integration) -> dict[str, Any]:
    """The same of each stack that it has or will have: `parts`, each with its `kind`, `total` and, if made, `stack`."""
    made = {stack.kind: stack for stack in integration.stacks.all()}
    kinds = dict.fromkeys([*stacks.wanted(integration), *made])
    parts = [_Part(StackKind(kind).label, made.get(kind), _lines(integration, kind)) for kind in kinds]
    return {
        "parts": parts,
        "total": sum((part.total for part in parts), Decimal(0)),
        "unknown": any(part.unknown for part in parts),
        "date": DATE,
        "region": REGION,
    }


def _lines(integration: Integration, kind: str) -> list[Line]:
    return at_rest(kind, integration.parameters.get(kind, {}))


def _unknown(lines: list[Line]) -> bool:
    """Whether something costs what our table does not have, so that the total is too low."""
    return any(line.monthly is None for line in lines)
