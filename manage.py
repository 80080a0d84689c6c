#!/usr/bin/env python
"""Django's command line for Sluice. Exit status 2 where settings are missing or wrong."""

import os
import sys
from collections.abc import Sequence

BARE = frozenset({"export_templates", "publish_artifacts"})
"""Commands that work on a bare checkout, with panel/bare_settings.py."""


def settings_for(arguments: Sequence[str]) -> str:
    """The settings' module for a command line; the panel's own where the command reads the database."""
    reads_accounts = any(each.startswith("--a") for each in arguments)  # argparse takes --account cut short, too
    bare = bool(arguments) and arguments[0] in BARE and not reads_accounts
    return "panel.bare_settings" if bare else "panel.settings"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_for(sys.argv[1:]))
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from teams.services.origin import Origin, acting

    try:
        with acting(Origin("command")):
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(_refuse(error))


def _refuse(error: Exception) -> int:
    print(f"{error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
