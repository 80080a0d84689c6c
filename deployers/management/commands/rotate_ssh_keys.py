"""`manage.py rotate_ssh_keys`: new SSH keys for one integration, or for all whose key is old."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from deployers.models import Operation
from deployers.services import key_rotation
from deployers.states import ACTIVE, OperationStatus
from integrations.models import Integration


class Command(BaseCommand):
    help = "Begin rotations of SSH keys; workers carry them out, and each old key works until the new one was tried."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--integration", metavar="NAME", help="the one of this name")
        which.add_argument("--older-than", type=int, metavar="DAYS", help="all whose key was made that long ago")
        parser.add_argument("--team", default="", metavar="SLUG", help="only integrations of this team")
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="wait for the end, at most so long")

    def handle(
        self,
        *args: Any,  # noqa: ARG002
        integration: str | None,
        older_than: int | None,
        team: str,
        wait: int,
        **options: Any,  # noqa: ARG002
    ) -> None:
        rows = Integration.objects.filter(team__slug=team) if team else Integration.objects.all()
        if integration is not None:
            found = [_one(rows, integration)]
        elif older_than is None or older_than < 0:
            raise CommandError("Give a number of days that is not negative.", returncode=2)
        else:
            found = key_rotation.older_than(days=older_than, integrations=rows)
        batch = key_rotation.rotate_many(integrations=found, actor=None, reason="manage.py rotate_ssh_keys")
        for each, error in batch.refused:
            self.stderr.write(f"{each}: {error}")
        self.stdout.write(f"{len(batch.operations)} of {len(found)} rotations began.")
        failed = self._follow(batch.operations, wait) if wait else 0
        if batch.refused or failed:
            raise CommandError("Not every SSH key was rotated.", returncode=1)

    def _follow(self, operations: list[Operation], seconds: int) -> int:
        """Tell each rotation as it ends; how many did not succeed in time."""
        stop_at, left = time.monotonic() + seconds, {each.pk for each in operations}
        succeeded = 0
        while left and time.monotonic() < stop_at:
            for ended in Operation.objects.filter(pk__in=left).exclude(status__in=sorted(ACTIVE)):
                left.discard(ended.pk)
                succeeded += ended.status == OperationStatus.SUCCEEDED
                self.stdout.write(f"{ended.target}: {ended.status} {ended.problem}".strip())
            time.sleep(0.5)
        for waiting in Operation.objects.filter(pk__in=left):
            self.stderr.write(f"{waiting.target}: {waiting.step_label or 'still queued'}")
        return len(operations) - succeeded


def _one(rows: QuerySet[Integration], name: str) -> Integration:
    found = list(rows.filter(name=name).select_related("team", "repository__provider")[:2])
    if not found:
        raise CommandError(f"There is no integration named {name}.", returncode=2)
    if len(found) > 1:
        raise CommandError(f"Several teams have an integration named {name}: add --team.", returncode=2)
    return found[0]
