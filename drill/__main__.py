"""`python -m drill`: start a sandbox of its own, break it while people push, and say what became of the pushes.

Ends with 0 if nothing was lost or doubled, 1 if something was, 2 for bad arguments.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from drill.faults import FAULTS
from drill.report import table, verdict
from drill.run import drill
from sandbox import ports
from sandbox.supervisor import Sandbox
from tests.e2e.world import World


def main(arguments: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    options = _parse(arguments)
    for name in ports.DEFAULTS:
        os.environ.setdefault(f"SANDBOX_{name.upper()}_PORT", str(ports.any_free()))
    with tempfile.TemporaryDirectory(prefix="sluice-drill-") as directory:
        sandbox = Sandbox(Path(directory) / "state", _say)
        env = sandbox.start()
        try:
            outcome = drill(
                World(sandbox, env, Path(directory)),
                pushes=options.pushes,
                faults=options.only or list(FAULTS),
                fault_seconds=options.seconds,
                method=options.method,
                say=_say,
            )
        finally:
            sandbox.stop()
    _say(f"\n{table(outcome)}\n\n{verdict(outcome)}")
    return 1 if outcome.lost or outcome.doubled or outcome.untold else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drill", description=__doc__)
    parser.add_argument("--pushes", type=_positive, default=300, help="how many branches are pushed (default: 300)")
    parser.add_argument("--seconds", type=_positive, default=15, help="how long each fault lasts (default: 15)")
    parser.add_argument("--method", choices=("zip_download", "git_pull"), default="zip_download")
    parser.add_argument("--only", action="append", choices=FAULTS, help="only this fault; may be given again")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
