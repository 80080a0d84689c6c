"""`manage.py password_link`: lets somebody set another password who forgot theirs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from teams.errors import SluiceError
from teams.models import User
from teams.services import origin, password_resets


class Command(BaseCommand):
    help = (
        "Print a link with which a user sets another password, once, within a day. Make sure first that it is that "
        "person who asks. Exit code 2 if there is no such user, or the user does not sign in with a password."
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
                url, _ = password_resets.hand_out(user=user, actor=None)
        except SluiceError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(url)
