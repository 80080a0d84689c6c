"""`python -m benchmarks`: measure the artifact path, and say which promises are kept.

Ends with 0 if all are, 1 if one is missed or an artifact is wrong, 2 for bad arguments or a machine that lacks a tool.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks import report
from benchmarks.claims import SUBJECTS, Verdict
from benchmarks.servers import Folder, running
from benchmarks.session import MethodFailed, Session
from benchmarks.trees import LARGE, MEDIUM, SMALL, Tree, make_tree

RUNS, QUICK_RUNS = 5, 3


def main(arguments: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    options = _parse(arguments)
    if missing := [tool for tool in ("git", "ssh") if not shutil.which(tool)]:
        print(f"Not on this machine, but needed: {', '.join(missing)}", file=sys.stderr)
        return 2
    sizes = (SMALL, MEDIUM) if options.quick else (SMALL, MEDIUM, LARGE)
    runs: int = options.runs or (QUICK_RUNS if options.quick else RUNS)
    names: list[str] = options.only or list(SUBJECTS)
    found: list[Verdict] = []
    print(report.machine())
    print(f"{runs} runs of each method, in turns, each in a process of its own; medians.\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
        folder = Folder(Path(directory))
        folder.prepare()
        with running(folder) as ports:
            session = Session(folder, ports)
            for size in sizes:
                tree = make_tree(size, folder.trees)
                print(f"{size.name}: {tree.description}", flush=True)
                for name in names:
                    found += _measure(session, tree, name, runs)
    print(report.verdicts(found))
    return 0 if all(each.met for each in found) else 1


def _measure(session: Session, tree: Tree, name: str, runs: int) -> list[Verdict]:
    """Measure one subject on one repository. The artifacts are checked first: that warms the page cache, too."""
    subject, size = SUBJECTS[name], tree.size.name
    checked = list(_checks(session, tree, name))
    found = session.in_turns(list(subject.methods), tree, runs)
    print(report.measurements(subject.methods, found), end="\n\n", flush=True)
    return [*(verdict for claim in subject.claims for verdict in claim.verdicts(size, found)), *checked]


def _checks(session: Session, tree: Tree, name: str) -> Iterable[Verdict]:
    size = tree.size.name
    if name == "zip_download":
        yield _check(size, "zip download, bytes of git archive", session.equal_to_git_archive(tree))
    else:
        content, same_bytes = session.same_content_and_bytes(tree)
        yield _check(size, "git pull, files, modes and CRCs of git archive", content)
        yield _check(size, "git pull, same bytes from two processes", same_bytes)


def _check(size: str, claim: str, right: bool) -> Verdict:
    return Verdict(size, claim, "yes" if right else "no", "always", right)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure what docs/performance.md promises.")
    parser.add_argument("--quick", action="store_true", help="small and medium repositories only, and fewer runs")
    parser.add_argument("--only", action="append", choices=list(SUBJECTS), help="measure this and nothing else")
    parser.add_argument("--runs", type=_positive, help=f"of each method (else {RUNS}, or {QUICK_RUNS} with --quick)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs: give 1 or more")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MethodFailed as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
