"""`python -m sandbox.git_host --state DIR`: runs the git host until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from sandbox.git_host import GitHost


async def _serve(host: GitHost) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await host.serve(lambda: print(f"ready: {host.url}, ssh port {host.ssh_port}", flush=True))
    except asyncio.CancelledError:
        return


def main() -> int:
    """Returns the exit status: 1 where a port is taken."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.git_host", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory of its state")
    parser.add_argument("--port", type=int, default=0, help="HTTPS port (default: a free one)")
    parser.add_argument("--ssh-port", type=int, default=0, help="SSH port (default: a free one)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(GitHost(arguments.state, port=arguments.port, ssh_port=arguments.ssh_port)))
    except OSError as error:
        print(f"The git host could not start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
