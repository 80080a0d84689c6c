"""Tables for the terminal."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.claims import MEGABYTE, Measurements, Verdict, median
from benchmarks.measure import Measured


def machine() -> str:
    """What the figures were taken on."""
    git = subprocess.run(["git", "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    packages = ", ".join(f"{name} {version(name)}" for name in ("pygit2", "isal", "boto3"))
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, git {git}, {packages}; load before: {load}"
    )


def measurements(methods: Mapping[str, str], found: Measurements) -> str:
    """Medians of each method, with the spread of its seconds."""
    rows = [("", "seconds", "(min - max)", "CPU s", "peak MB", "disk MB", "stored MB")]
    for method, words in methods.items():
        runs = found[method]
        spread = f"({min(run.seconds for run in runs):.3f} - {max(run.seconds for run in runs):.3f})"
        rows.append(
            (
                words,
                f"{median(runs):.3f}",
                spread,
                f"{_median(runs, lambda run: run.cpu_seconds):.2f}",
                f"{_median(runs, lambda run: run.peak_bytes) / MEGABYTE:.0f}",
                f"{_median(runs, lambda run: run.disk_bytes) / MEGABYTE:.1f}",
                f"{_median(runs, lambda run: run.stored_bytes) / MEGABYTE:.1f}",
            )
        )
    return _table(rows)


def verdicts(found: Iterable[Verdict]) -> str:
    """Each claim with its target and whether it is met."""
    rows = [("", "", "measured", "by CPU", "target", "")]
    for each in found:
        answer = "met" if each.met else "MISSED"
        rows.append((each.size, each.claim, each.measured, each.by_cpu, each.target, answer))
    return _table(rows)


def _median(runs: Sequence[Measured], value: Callable[[Measured], float]) -> float:
    return statistics.median(map(value, runs))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join("  " + line.rstrip() for line in lines)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
