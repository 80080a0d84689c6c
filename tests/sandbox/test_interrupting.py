"""Ctrl-C while `make up` starts: it stops, says so in a line, and leaves nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sandbox import ports
from sandbox.state import ROOT
from tests.sandbox.conftest import eventually

pytestmark = pytest.mark.sandbox


def left_of(state: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(state) in line:
            found.append(line)
    return found


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("moment", [0.2, 0.8, "Starting Sluice", " runs"])
def test_it_stops_in_one_line_and_leaves_no_process(tmp_path: Path, moment: float | str, times: int) -> None:
    """`moment`: after so many seconds of computing, most of which go into reading modules, or once a line says so."""
    state, said = tmp_path / "state", tmp_path / "said"
    environment = os.environ | {f"SANDBOX_{name.upper()}_PORT": str(ports.any_free()) for name in ports.DEFAULTS}
    with said.open("w") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "up", "--state", str(state)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = psutil.Process(up.pid)
    if isinstance(moment, str):
        eventually(lambda: moment in said.read_text())
    else:
        eventually(lambda: process.cpu_times().user >= moment)

    for _ in range(times):
        # A terminal sends it to the whole group in the foreground.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGINT)
        time.sleep(0.1)
    up.wait(60)

    assert "Traceback" not in said.read_text()
    assert said.read_text().splitlines()[-1] == "Stopped before it had started."
    assert up.returncode == 130
    assert left_of(state) == []
