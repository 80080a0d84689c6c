"""The drill's outcome as tables."""

from statistics import median

from drill.run import Outcome


def table(outcome: Outcome) -> str:
    """How long pushes and answers took, by what was broken when they began."""
    names = list(dict.fromkeys([each.during for each in outcome.pushes] + [fault for fault, _ in outcome.samples]))
    lines = [
        "| while | pushes | push to artifact, median / worst | page, worst | API, worst | sign-in, worst | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        took = [
            outcome.seconds[each.branch]
            for each in outcome.pushes
            if each.during == name and each.branch in outcome.seconds
        ]
        samples = [sample for fault, sample in outcome.samples if fault == name]
        worst = [
            _seconds(max((each.seconds for each in samples if each.kind == kind), default=None))
            for kind in ("page", "API", "sign-in")
        ]
        pushes = sum(each.during == name for each in outcome.pushes)
        artifact = f"{_seconds(median(took))} / {_seconds(max(took))}" if took else "-"
        errors = sum(not 200 <= each.status < 400 for each in samples)
        lines.append(f"| {name} | {pushes} | {artifact} | {' | '.join(worst)} | {errors} of {len(samples)} |")
    return "\n".join(lines)


def verdict(outcome: Outcome) -> str:
    """One line: what was lost and what was doubled."""
    said = (
        f"{len(outcome.pushes)} pushes, workers killed {outcome.workers_killed} times: {len(outcome.lost)} lost, "
        f"{len(outcome.doubled)} doubled, {len(outcome.untold)} not shown by the panel."
    )
    named = [*outcome.lost, *outcome.doubled, *outcome.untold]
    return said + (f" They are {', '.join(named[:20])}." if named else "")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
