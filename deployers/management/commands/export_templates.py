"""`manage.py export_templates DIR`: the templates as JSON, for those who launch stacks without the panel."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployers import templates


class Command(BaseCommand):
    help = "Write the CloudFormation templates as JSON files."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="where to write; made if it is missing")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:  # noqa: ARG002
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for source in templates.sources():
                target = directory / templates.published_name(source)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(templates.render(source) + b"\n")
                self.stdout.write(str(target))
        except OSError as error:
            raise CommandError(f"Cannot write to {directory}: {error.strerror}", returncode=2) from error
