from benchmarks.claims import Faster, Footprint, Slower
from benchmarks.measure import Measured


def runs(*seconds: float, peak_bytes: int = 0, disk_bytes: int = 0) -> list[Measured]:
    return [Measured(each, each / 2, peak_bytes, disk_bytes, 0) for each in seconds]


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_neighbouring_runs() -> None:
    claim = Faster("faster", "ours", "other", {"medium": 4})

    (verdict,) = claim.verdicts("medium", {"ours": runs(1, 2, 3), "other": runs(8, 9, 6)})

    assert verdict.measured == "4.00x (2.00-8.00)"
    assert verdict.met


def test_being_slower_than_promised_is_missed() -> None:
    claim = Faster("faster", "ours", "other", {"medium": 4})

    (verdict,) = claim.verdicts("medium", {"ours": runs(2), "other": runs(7.9)})

    assert not verdict.met


def test_a_limit_is_missed_when_our_method_takes_too_many_times_as_long() -> None:
    claim = Slower("slower", "ours", "limit", {"large": 1.5})

    (met,) = claim.verdicts("large", {"ours": runs(3), "limit": runs(2)})
    (missed,) = claim.verdicts("large", {"ours": runs(3.1), "limit": runs(2)})

    assert met.met
    assert not missed.met


def test_a_size_without_a_target_gets_no_verdict() -> None:
    claim = Faster("faster", "ours", "other", {"large": 4})

    assert not list(claim.verdicts("small", {"ours": runs(1), "other": runs(2)}))


def test_the_worst_run_counts_for_memory_and_disk() -> None:
    measured = [*runs(1, peak_bytes=90_000_000), *runs(1, peak_bytes=130_000_000, disk_bytes=1)]

    peak, disk = Footprint("ours", "ours", peak_megabytes=128, disk_bytes=0).verdicts("small", {"ours": measured})

    assert (peak.measured, peak.met) == ("130 MB", False)
    assert not disk.met
