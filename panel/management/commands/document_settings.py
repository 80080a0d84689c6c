"""`manage.py document_settings`: docs/settings.md, from the sentences in panel/settings.py."""

from typing import Any

from django.core.management.base import BaseCommand

from panel.settings import env

INTRODUCTION = """\
# Settings

All settings are environment variables. Each may also come from a file: `SECRET_KEY_FILE=/run/secrets/secret_key` sets
`SECRET_KEY` to the contents of that file. A setting that is missing or does not parse stops the start, with its name.

Besides these, the panel reaches AWS through boto3, which reads its own `AWS_*` variables, such as `AWS_ACCESS_KEY_ID`,
`AWS_PROFILE` or `AWS_ENDPOINT_URL`.

This page is written by `manage.py document_settings`; a test keeps it true.

| variable | what it is for |
|---|---|
"""


class Command(BaseCommand):
    help = "Print docs/settings.md."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        rows = "".join(f"| `{name}` | {sentence} |\n" for name, sentence in sorted(env.documented.items()))
        self.stdout.write(INTRODUCTION + rows, ending="")
