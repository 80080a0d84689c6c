"""`manage.py rotate_encryption_key`: moves the secrets in the database to the newest encryption key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from teams.encryption import EncryptedTextField, key_ids
from teams.services import encryption_keys
from teams.services.encryption_keys import Survey


class Command(BaseCommand):
    help = (
        "Encrypt with the first of SLUICE_ENCRYPTION_KEYS what the others encrypted, while the panel runs. May be "
        "killed and run again: it goes on with what is left. Ends with which keys are still used, and with exit "
        "code 1 if a secret is left under an older key or cannot be read."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Change nothing: only read all secrets and count.")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:  # noqa: ARG002
        if not check:
            moved = encryption_keys.rotate(progress=self._tell)
            self.stdout.write(f"{moved} encrypted anew.")
        found = encryption_keys.survey()
        self._summarise(found)
        if found.unreadable:
            raise CommandError(f"Cannot be read: {len(found.unreadable)}. Enter them again, or bring back their key.")
        if found.older:
            remedy = (
                "Run this command without --check."
                if check
                else "A process still writes with an older key: restart it, and run this command again."
            )
            raise CommandError(f"Under older keys: {found.older}. {remedy}")

    def _tell(self, field: EncryptedTextField, done: int) -> None:
        self.stdout.write(f"{field.model._meta.label} {field.name}: {done} encrypted anew")
        self.stdout.flush()

    def _summarise(self, found: Survey) -> None:
        configured = key_ids()
        for position, key in enumerate(configured, start=1):
            word = "the newest" if position == 1 else f"number {position}"
            unused = "" if found.used[key] or position == 1 else "; it may be removed from SLUICE_ENCRYPTION_KEYS"
            self.stdout.write(f"Key {key} ({word}): {found.used[key]} secrets{unused}.")
        for key in sorted(set(found.used) - set(configured)):
            self.stdout.write(f"Key {key or 'unknown'} (not configured): {found.used[key]} secrets.")
        for each in found.unreadable:
            self.stderr.write(str(each))
