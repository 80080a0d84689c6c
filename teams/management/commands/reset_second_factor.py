"""`manage.py reset_second_factor`: lets somebody in again who lost app, passkeys and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from teams.errors import SluiceError
from teams.models import User
from teams.services import origin, second_factors


class Command(BaseCommand):
    help = (
        "Remove every second factor of a user: app, passkeys and recovery codes. Make sure first that it is that "
        "person who asks. Exit code 2 if there is no such user or nothing to remove."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.", returncode=2)
        try:
            with origin.acting(origin.Origin("command")):
                second_factors.reset(user=user, actor=None)
        except SluiceError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{username} signs in without a second factor until one is set up again.")
