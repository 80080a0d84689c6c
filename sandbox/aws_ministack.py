"""Runs MiniStack with what Sluice adds to it: `python -m sandbox.aws_ministack`, started by `sandbox.aws`."""

import contextlib
import os
import signal
import sys
import threading

import psutil


def _end_with_parent() -> None:
    """Stop when standard input closes, which is when the process that started this one ends."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> None:
    """Serve until a signal, or until the parent ends."""
    from sandbox import ministack_names

    # Before the modules below, of which some import such names themselves.
    ministack_names.check()
    from ministack import app

    from sandbox import (
        aws_containers,
        aws_network,
        aws_patches,
        aws_persistence,
        cloudformation_fleet,
        cloudformation_names,
        cloudformation_nested,
        cloudformation_statuses,
        ecs_limits,
        ecs_services,
        eventbridge_topics,
        iam_resources,
        iam_simulation,
        lambda_limits,
        network_exits,
    )
    from sandbox.cloudformation_iam.install import install as install_iam_of_stacks
    from sandbox.codedeploy.install import install as install_codedeploy
    from sandbox.codepipeline.install import install as install_codepipeline

    aws_patches.apply()
    aws_network.install()
    aws_containers.install()
    ecs_services.install()
    cloudformation_fleet.install()
    cloudformation_names.install()
    cloudformation_nested.install()
    cloudformation_statuses.install()
    iam_resources.install()
    iam_simulation.install()
    ecs_limits.install()
    eventbridge_topics.install()
    lambda_limits.install()
    network_exits.install()
    install_codedeploy()
    install_codepipeline()
    # It looks at what all the others have put in place.
    install_iam_of_stacks()
    aws_persistence.save_while_running()
    _end_with_parent()
    sys.argv = sys.argv[:1]
    try:
        app.main()
    finally:
        # The processes that run functions wait for work, and would wait for ever.
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


if __name__ == "__main__":
    main()
