"""The fault drill at a small size: `make drill` has all faults and 300 pushes."""

import pytest

from drill.report import table, verdict
from drill.run import drill
from tests.e2e.world import World

pytestmark = pytest.mark.sandbox


def test_nothing_is_lost_or_doubled_while_workers_die_and_the_broker_hangs_and_is_flushed(world: World) -> None:
    faults = ["broker flushed", "broker hangs"]
    outcome = drill(world, pushes=12, faults=faults, fault_seconds=4, kill_every=3, quiet=5)

    assert outcome.workers_killed > 0
    assert (outcome.lost, outcome.doubled, outcome.untold) == ([], [], []), verdict(outcome)
    assert len(outcome.seconds) == 12
    assert max(outcome.seconds.values()) < 90
    assert {each.kind for _, each in outcome.samples} == {"page", "API", "sign-in"}
    assert "broker flushed" in table(outcome)
