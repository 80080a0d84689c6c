"""`manage.py bootstrap`: the first administrator, team and API token of a new panel."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from teams.models import ApiToken, Membership, Role, Scope, Team, User
from teams.services import audit, tokens


class Command(BaseCommand):
    help = (
        "Make sure that there is an administrator, a team and an API token; may be run again. Prints one line of "
        'JSON: {"user", "team", "token"}, where the token is null unless it was made now. A user who exists keeps '
        "the password unless one is given."
    )

    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin")
        password = parser.add_mutually_exclusive_group()
        password.add_argument("--password", help="Others on the machine can see it: prefer --password-file.")
        password.add_argument("--password-file", type=Path, help="A file whose first line is the password.")
        parser.add_argument("--team", default="Default", help="The team's name.")
        parser.add_argument("--token-name", default="bootstrap")
        parser.add_argument("--new-token", action="store_true", help="Make a token even if one of this name exists.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        password = self._password(options["password"], options["password_file"])
        with transaction.atomic():
            user = self._user(options["username"], password)
            team = self._team(options["team"], user)
            token = self._token(user, team, name=options["token_name"], force=options["new_token"])
        self.stdout.write(json.dumps({"user": user.get_username(), "team": team.slug, "token": token}))

    @staticmethod
    def _password(given: str | None, file: Path | None) -> str | None:
        if file is None:
            return given
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The password file {file} cannot be read.", returncode=2) from error

    @staticmethod
    def _user(username: str, password: str | None) -> User:
        user = User.objects.filter(username=username).first()
        if user is None and not password:
            raise CommandError(f"There is no user {username} yet: give --password-file or --password.", returncode=2)
        made = user is None
        user = user or User(username=username)
        if password and (made or not user.check_password(password)):
            try:
                validate_password(password, user)
            except ValidationError as error:
                raise CommandError("The password is too weak: " + " ".join(error.messages), returncode=2) from error
            user.set_password(password)
        user.is_staff = user.is_superuser = user.is_active = True
        user.save()
        return user

    @staticmethod
    def _team(name: str, user: User) -> Team:
        slug = slugify(name)
        if not slug:
            raise CommandError("The team's name needs a letter or a digit.", returncode=2)
        team, made = Team.objects.get_or_create(slug=slug, defaults={"name": name})
        membership, joined = Membership.objects.get_or_create(team=team, user=user, defaults={"role": Role.ADMIN})
        if not joined and membership.role != Role.ADMIN:
            membership.role = Role.ADMIN
            membership.save(update_fields=["role"])
        if made:
            audit.record(actor=None, team=team, action="team.create", target=team)
        return team

    @staticmethod
    def _token(user: User, team: Team, *, name: str, force: bool) -> str | None:
        if not force and ApiToken.objects.filter(user=user, team=team, name=name).exists():
            return None
        _, plain = tokens.create(actor=user, team=team, name=name, scope=Scope.ADMIN)
        return plain
