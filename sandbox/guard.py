"""Ends what the sandbox started when the sandbox itself is killed: run as a script, with the standard library only.

Standard input brings lines `+ <process group> <signal>` and `- <process group>`. When it closes, however the writer
ended, every group that is left gets its signal, and SIGKILL ten seconds later.
"""

import os
import signal
import sys
import time

_SECONDS = 10.0


def _send(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    """Listen until standard input closes, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        sign, group, *rest = line.split()
        if sign == "+":
            groups[int(group)] = int(rest[0])
        else:
            groups.pop(int(group), None)
    left = {group for group, number in groups.items() if _send(group, number)}
    deadline = time.monotonic() + _SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if _send(group, 0)}
    for group in left:
        _send(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
