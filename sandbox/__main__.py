"""`python -m sandbox up|down|reset|demo`: Sluice on this machine. `make` calls it."""

# ruff: noqa: E402 - what is imported takes a second or more, in which a person may press Ctrl-C
import os
import signal
import sys

_INTERRUPTED = 130  # what shells say of a command that Ctrl-C ended


def _leave(number: int, frame: object) -> None:  # noqa: ARG001  a signal handler's signature
    os.write(sys.stdout.fileno(), b"Stopped before it had started.\n")
    os._exit(_INTERRUPTED)  # nothing was started yet


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _leave)

import argparse
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from sandbox.errors import SandboxError, UsageError
from sandbox.processes import Guard
from sandbox.state import DEFAULT, StateDir
from sandbox.supervisor import Sandbox

_STOP_SECONDS = 40.0
_LOOK_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: somebody closes the terminal


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(line, flush=True)


def _up(state: StateDir) -> int:
    holder = state.holder()
    if holder is not None:
        _say(f"It is running already (process {holder}): {state.env().get('panel_url', 'still starting')}")
        return 0
    stop = threading.Event()
    starting = True

    def end(number: int, frame: object) -> None:  # noqa: ARG001  a signal handler's signature
        first = not stop.is_set()
        stop.set()
        # Once: a second Ctrl-C must not break off the stopping.
        if starting and first:
            raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, end)
    sandbox = Sandbox(state.root, _say)
    _say("Starting Sluice on this machine; the first time takes a little longer.")
    try:
        env = sandbox.start()
    except KeyboardInterrupt:
        _say("Stopped before it had started.")
        _hear_no_more()
        return _INTERRUPTED
    finally:
        starting = False
    _say(_summary(env, state.secrets()))
    # A signal that comes in the moment before a wait begins does not end it.
    while not stop.wait(_LOOK_SECONDS):
        pass
    _say("Stopping ...")
    sandbox.stop()
    _say("Stopped. The data stay: `make up` goes on with them.")
    _hear_no_more()
    return 0


def _hear_no_more() -> None:
    """Python takes its handlers back while it shuts down, and a signal would end it in the middle of that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _down(state: StateDir) -> int:
    holder = state.holder()
    if not holder:
        _say("It is not running.")
        return 0
    with suppress(ProcessLookupError):
        os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while state.holder() is not None:
        if time.monotonic() > deadline:
            _say(f"Process {holder} does not end: killing it.")
            with suppress(psutil.NoSuchProcess):
                psutil.Process(holder).kill()
            Guard(state.processes_file).start()
            break
        time.sleep(0.1)
    _say("Stopped.")
    return 0


def _reset(state: StateDir) -> int:
    if state.holder() is not None:
        _down(state)
    state.delete()
    _say(f"{state.root} is deleted.")
    return 0


def _demo(state: StateDir) -> int:
    from sandbox.demo import walk

    if state.holder() is None:
        raise UsageError("Start it first: make up")
    return walk(state, _say)


def _summary(env: dict[str, Any], secrets: dict[str, str]) -> str:
    return f"""
Sluice runs at      {env["panel_url"]}
  sign in as        {env["admin_user"]}, password {secrets["admin_password"]}
  API               {env["api_url"]}/docs/, token {secrets["api_token"]}

Git host            {env["git_url"]}  (add it as a GitHub Enterprise provider)
  token             {secrets["git_token"]}
  CA certificate    {env["git_ca_file"]}
  clone over SSH    GIT_SSH_COMMAND='{env["git_ssh_command"]}' \\
                      git clone ssh://git@127.0.0.1:{env["git_ssh_port"]}/{env["git_repository"]}.git
  clone over HTTPS  GIT_SSL_CAINFO={env["git_ca_file"]} \\
                      git clone https://{env["git_user"]}:{secrets["git_token"]}@{env["git_url"].partition("//")[2]}/{env["git_repository"]}.git
  (export the variable to push, too)

Local AWS           {env["aws_endpoint"]}      Logs  {env["logs"]}
`make demo` in another terminal walks the whole journey. Ctrl-C stops everything.
"""


_COMMANDS: dict[str, Callable[[StateDir], int]] = {"up": _up, "down": _down, "reset": _reset, "demo": _demo}


def main() -> int:
    """Returns the exit status: 2 for what cannot be asked for, 1 for what failed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("--state", type=Path, default=DEFAULT, help="directory of its data (default: .sandbox)")
    arguments = parser.parse_args()
    if arguments.command != "up":  # it has handlers of its own
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _COMMANDS[arguments.command](StateDir(arguments.state))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SandboxError as error:
        print(error, file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
