"""The promises, as ratios and limits, and whether measurements keep them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Measured

MEGABYTE = 1_000_000
ALL_SIZES = ("small", "medium", "large")

Measurements = Mapping[str, Sequence[Measured]]
"""Method -> its runs, in order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim about one size of repository, next to what was measured."""

    size: str
    claim: str
    measured: str
    target: str
    met: bool
    by_cpu: str = ""
    """The same ratio of CPU times, which a busy machine distorts less; no target is about it."""


@dataclass(frozen=True, slots=True)
class Faster:
    """Our method is at least so many times as fast as another."""

    claim: str
    ours: str
    other: str
    targets: Mapping[str, float]
    """Size -> ratio. Sizes without one are measured and promised nothing."""

    def verdicts(self, size: str, measurements: Measurements) -> Iterable[Verdict]:
        """One, if the size has a target."""
        if target := self.targets.get(size):
            ratio = Ratio.of(measurements[self.other], measurements[self.ours])
            yield Verdict(size, self.claim, str(ratio), f">= {target:g}x", ratio.value >= target, ratio.by_cpu)


@dataclass(frozen=True, slots=True)
class Slower:
    """Our method takes at most so many times as long as a limit that it cannot beat."""

    claim: str
    ours: str
    other: str
    targets: Mapping[str, float]

    def verdicts(self, size: str, measurements: Measurements) -> Iterable[Verdict]:
        """One, if the size has a target."""
        if target := self.targets.get(size):
            ratio = Ratio.of(measurements[self.ours], measurements[self.other])
            yield Verdict(size, self.claim, str(ratio), f"<= {target:g}x", ratio.value <= target, ratio.by_cpu)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Our method needs at most so much memory and disk, in its worst run."""

    subject: str
    ours: str
    peak_megabytes: int
    disk_bytes: int

    def verdicts(self, size: str, measurements: Measurements) -> Iterable[Verdict]:
        """Two for each size."""
        peak = max(run.peak_bytes for run in measurements[self.ours]) / MEGABYTE
        yield Verdict(
            size,
            f"{self.subject}, peak memory",
            f"{peak:.0f} MB",
            f"<= {self.peak_megabytes} MB",
            peak <= self.peak_megabytes,
        )
        disk = max(run.disk_bytes for run in measurements[self.ours])
        yield Verdict(size, f"{self.subject}, disk", f"{disk / MEGABYTE:g} MB", "0", disk <= self.disk_bytes)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of medians; the spread is that of the ratios of the runs that were made one after the other."""

    value: float
    lowest: float
    highest: float
    by_cpu: str

    @classmethod
    def of(cls, above: Sequence[Measured], below: Sequence[Measured]) -> "Ratio":
        """Seconds of one method by those of another."""
        pairs = [a.seconds / b.seconds for a, b in zip(above, below, strict=True)]
        cpu, other_cpu = (statistics.median(run.cpu_seconds for run in runs) for runs in (above, below))
        return cls(median(above) / median(below), min(pairs), max(pairs), f"{cpu / other_cpu:.1f}x")

    def __str__(self) -> str:
        return f"{self.value:.2f}x ({self.lowest:.2f}-{self.highest:.2f})"


def median(runs: Sequence[Measured]) -> float:
    """Median seconds."""
    return statistics.median(run.seconds for run in runs)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured together: its methods are run in turns, in this order."""

    methods: Mapping[str, str]
    """Method of `benchmarks.measure` -> words for people."""
    claims: Sequence[Faster | Slower | Footprint]


SUBJECTS = {
    "zip_download": Subject(
        {
            "zip_download": "zip download",
            "zip_download_reference": "reference: in memory, extract, zip again",
            "zip_download_relay": "limit: relay the same bytes",
        },
        [
            Faster(
                "zip download against the reference's approach",
                "zip_download",
                "zip_download_reference",
                {"medium": 10, "large": 12},
            ),
            Slower(
                "zip download against relaying the same bytes",
                "zip_download",
                "zip_download_relay",
                dict.fromkeys(ALL_SIZES, 1.8),
            ),
            Footprint("zip download", "zip_download", peak_megabytes=128, disk_bytes=0),
        ],
    ),
    "git_pull": Subject(
        {
            "git_pull": "git pull, first build",
            "git_pull_reference": "reference: clone, checkout, zip",
            "git_archive": "git clone --depth 1 + git archive -6",
            "fetch_alone": "limit: the fetch alone",
            "git_pull_again": "git pull, same commit again, warm",
        },
        [
            Faster(
                "git pull against the reference's approach",
                "git_pull",
                "git_pull_reference",
                {"medium": 6, "large": 2.5},
            ),
            Faster(
                "git pull against git clone --depth 1 + git archive -6",
                "git_pull",
                "git_archive",
                dict.fromkeys(ALL_SIZES, 1.5),
            ),
            Slower("git pull against the fetch alone", "git_pull", "fetch_alone", {"medium": 1.6, "large": 2.8}),
        ],
    ),
}
"""Targets: docs/performance.md."""
