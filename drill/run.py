"""The drill itself: push, break, wait until all is quiet, count."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drill.faults import FAULTS, Field, kill_group
from drill.probe import Probe, Sample
from tests.e2e.world import Clone, World, until

UNDISTURBED = "workers killed only"
_SETTLE = 480.0
"""Seconds after the last push: longer than the check for missed pushes takes to come round."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push: its branch and commit, when the git host had taken it (seconds since 1970), and what was broken then."""

    branch: str
    commit: str
    at: float
    during: str


@dataclass(slots=True)
class Outcome:
    """What came of it. `lost` and `doubled` are branches."""

    pushes: list[Pushed]
    samples: list[tuple[str, Sample]]
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """Stored, and not shown as that by the panel."""
    seconds: dict[str, float] = field(default_factory=dict)
    """From push to artifact, by branch."""
    workers_killed: int = 0


@dataclass(slots=True)
class _Course:
    """Which fault began when, in seconds of time.monotonic."""

    marks: list[tuple[float, str]] = field(default_factory=lambda: [(time.monotonic(), UNDISTURBED)])
    over: threading.Event = field(default_factory=threading.Event)

    def turn(self, fault: str) -> None:
        self.marks.append((time.monotonic(), fault))

    def at(self, moment: float) -> str:
        return next((name for began, name in reversed(self.marks) if moment >= began), UNDISTURBED)


def drill(
    world: World,
    *,
    pushes: int,
    faults: Collection[str] = tuple(FAULTS),
    fault_seconds: float = 15.0,
    kill_every: float = 5.0,
    method: str = "zip_download",
    quiet: float = 35.0,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Push so many branches while the faults happen one after the other, and workers die all the time.

    `quiet`: seconds to go on looking once all is there, longer than a message is hidden, so that one that comes twice
    is seen. Raises what a fault raised that could not be made.
    """
    pause = 1.5 * fault_seconds * len(faults) / pushes
    name = world.make_repository()
    integration = world.provisioned(name, refs=["*"], method=method)
    clone = world.clone(name)
    world.ended(integration, seconds=60)
    bucket = until(lambda: world.artifacts(integration), "the first artifact")[0]["bucket"]
    outcome, course = Outcome([], []), _Course()
    with Probe(world) as probe:
        killer = threading.Thread(target=_kill_workers, args=(world, course, kill_every, outcome))
        where = Field(world.sandbox, world.env["redis_url"], fault_seconds)
        killer.start()
        breaking = ThreadPoolExecutor(1)
        breaker = breaking.submit(_break, where, course, faults, say)
        try:
            for number in range(pushes):
                outcome.pushes.append(_push(clone, number, course))
                if number % 50 == 49:
                    say(f"{number + 1} pushes")
                # Evenly over the time that the faults take, and as fast as it goes after that.
                wait([breaker], pause)
            breaker.result()  # a fault that could not be made proves nothing
        finally:
            course.over.set()
            breaking.shutdown()
            killer.join()
        say(f"{pushes} pushed, the workers were killed {outcome.workers_killed} times; waiting until all is quiet")
        _settle(world, integration, f"{bucket}/{name}", outcome, quiet)
    outcome.samples = [(course.at(sample.began), sample) for sample in probe.samples]
    return outcome


def _kill_workers(world: World, course: _Course, every: float, outcome: Outcome) -> None:
    while not course.over.wait(every):
        kill_group(world.sandbox, "worker")
        outcome.workers_killed += 1


def _break(where: Field, course: _Course, faults: Collection[str], say: Callable[[str], None]) -> None:
    for name in faults:
        if course.over.wait(where.seconds / 2):
            return
        say(f"{name}, for {where.seconds:.0f} s")
        course.turn(name)
        with FAULTS[name](where):
            pass
        course.turn(UNDISTURBED)


def _push(clone: Clone, number: int, course: _Course) -> Pushed:
    branch = f"b{number:04}"
    commit = clone.commit(f"Push {number}", **{"data.txt": f"{number}\n"})
    during = course.at(time.monotonic())
    clone.push(f"HEAD:refs/heads/{branch}")
    return Pushed(branch, commit, time.time(), during)


def _settle(world: World, integration: dict[str, Any], where: str, outcome: Outcome, quiet: float) -> None:
    """Wait until there is an artifact of each push and nothing more comes, or long enough; then count."""
    deadline = time.monotonic() + _SETTLE
    complete_since = None
    wanted = {each.branch: each for each in outcome.pushes}
    while True:
        versions = _versions(world, where)
        shown = _shown(world, integration)
        missing = [branch for branch in wanted if branch not in versions or shown[wanted[branch].commit] != 1]
        now = time.monotonic()
        complete_since = None if missing else complete_since or now
        if now > deadline or (complete_since is not None and now - complete_since >= quiet):
            break
        time.sleep(1)
    for branch, each in wanted.items():
        found = versions.get(branch, [])
        if not found:
            outcome.lost.append(branch)
            continue
        if len(found) > 1 or shown[each.commit] > 1:
            outcome.doubled.append(branch)
        if not shown[each.commit]:
            outcome.untold.append(branch)
        outcome.seconds[branch] = max(0.0, min(found).timestamp() - each.at)


def _versions(world: World, where: str) -> dict[str, list[datetime]]:
    """When each version of each branch's artifact was written. `where` is the bucket and the repository's name."""
    bucket, _, name = where.partition("/")
    found: dict[str, list[datetime]] = {}
    pages = world.aws("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{name}/")
    for page in pages:
        for version in page.get("Versions", []):
            branch = version["Key"].removeprefix(f"{name}/").partition("/")[0]
            found.setdefault(branch, []).append(version["LastModified"])
    return found


def _shown(world: World, integration: dict[str, Any]) -> Counter[str]:
    """How many artifacts of each commit the panel shows."""
    found: Counter[str] = Counter()
    page = 1
    while True:
        answer = world.call("GET", f"/integrations/{integration['id']}/artifacts/?page_size=200&page={page}")
        if answer.status_code != 200:
            return found
        body = answer.json()
        found.update(each["commit"] for each in body["results"])
        if not body["next"]:
            return found
        page += 1
