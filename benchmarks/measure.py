"""One method, once, in this process: prints as JSON what it took.

`python -m benchmarks.measure <method>` with a `Run` as JSON on standard input.
"""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.methods import KEY, Action, Run, others, product
from benchmarks.servers import Folder, Ports

METHODS = {
    method.__name__: method
    for method in (
        product.zip_download,
        others.zip_download_reference,
        others.zip_download_relay,
        product.git_pull,
        product.git_pull_again,
        product.fetch_alone,
        others.git_pull_reference,
        others.git_archive,
    )
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run took."""

    seconds: float
    cpu_seconds: float
    """User and system time, of child processes too."""
    peak_bytes: int
    """Resident memory of the process, or of its largest child, interpreter and imports included."""
    disk_bytes: int
    """Left in the working directory, or written to any disk, whichever is more."""
    stored_bytes: int
    """Size of the object that came out, if one did."""


def measure(action: Action, work: Path) -> tuple[float, float, int, int]:
    """Run it; returns seconds, CPU seconds, peak and disk bytes."""
    before, written, started = _cpu(), _written(), time.perf_counter()
    action()
    seconds = time.perf_counter() - started
    cpu, written = _cpu() - before, _written() - written
    return seconds, cpu, _peak(), max(_used(work), written)


def _usages() -> tuple[resource.struct_rusage, resource.struct_rusage]:
    return resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)


def _cpu() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in _usages())


def _written() -> int:
    """Bytes that went to a disk: also those of files that were deleted again, but not of a tmpfs."""
    return sum(usage.ru_oublock for usage in _usages()) * 512


def _peak() -> int:
    own, children = (usage.ru_maxrss for usage in _usages())
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss is not reset by exec: at its start it is already the parent's.
        own = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return max(own, children) * 1024


def _used(directory: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*") if not path.is_dir())


def _main() -> None:
    given = json.load(sys.stdin)
    work = Path(given["work"])
    folder, ports = Folder(Path(given["folder"])), Ports(**given["ports"])
    run = Run(folder, ports, given["repository"], given["commit"], given["bucket"], work)
    took = measure(METHODS[sys.argv[1]](run), work)
    try:
        stored = run.s3.head_object(Bucket=run.bucket, Key=KEY)["ContentLength"]
    except run.s3.exceptions.ClientError:
        stored = 0
    json.dump(asdict(Measured(*took, stored)), sys.stdout)


if __name__ == "__main__":
    _main()
