import base64
import os
import random
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from integrations.models import Integration, Provider
from teams.encryption import EncryptedTextField, key_ids
from teams.models import Team
from teams.services import encryption_keys
from tests.factories import make_account, make_integration

ROOT = Path(__file__).resolve().parents[3]
NEW = b"N" * 32


def rotate(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_encryption_key", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def new_key(db, settings) -> None:
    """Secrets of every kind that an older key wrote, and a new key in front of it."""
    integration = make_integration(webhook_secret="hook", webhook_secret_previous="older hook")
    make_account(secret_access_key="access", team=integration.team)
    settings.ENCRYPTION_KEYS = [NEW, *settings.ENCRYPTION_KEYS]


def test_every_secret_is_readable_with_the_new_key_alone(new_key, settings):
    with pytest.raises(CommandError, match="Under older keys: 4"):
        rotate("--check")
    newest, older = key_ids()
    told = rotate()
    assert "4 encrypted anew." in told
    assert f"Key {newest} (the newest): 4 secrets." in told
    assert f"Key {older} (number 2): 0 secrets; it may be removed" in told
    assert "may be removed" in rotate("--check")
    settings.ENCRYPTION_KEYS = [NEW]
    integration = Integration.objects.get()
    assert (integration.webhook_secret, integration.webhook_secret_previous) == ("hook", "older hook")
    assert integration.repository.provider.credentials == {"token": "ghp_provider-token"}
    assert rotate("--check")


def test_key_that_is_still_used_is_not_said_to_be_removable(new_key):
    told = StringIO()
    with pytest.raises(CommandError, match="Under older keys: 4"):
        call_command("rotate_encryption_key", "--check", stdout=told)
    assert f"Key {key_ids()[1]} (number 2): 4 secrets.\n" in told.getvalue()


def test_unreadable_secret_is_named_without_its_value_and_does_not_stop_the_rest(new_key):
    swapped = Integration.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE integrations_integration SET webhook_secret = webhook_secret_previous WHERE id = %s RETURNING "
            "webhook_secret",
            [swapped.pk],
        )
        [stored] = cursor.fetchone()
    told = StringIO()
    with pytest.raises(CommandError, match="Cannot be read: 1") as failure:
        call_command("rotate_encryption_key", stdout=told, stderr=told)
    assert failure.value.returncode == 1
    assert f"integrations.Integration {swapped.pk} webhook_secret: The stored value was written for" in told.getvalue()
    assert "3 encrypted anew." in told.getvalue()
    assert stored not in told.getvalue() + str(failure.value)
    assert encryption_keys.survey().older == 1


def test_secret_whose_key_is_gone_is_counted_under_that_key(new_key, settings):
    lost = key_ids()[1]
    settings.ENCRYPTION_KEYS = [NEW]
    told = StringIO()
    with pytest.raises(CommandError, match="Cannot be read: 4"):
        call_command("rotate_encryption_key", stdout=told, stderr=told)
    assert f"Key {lost} (not configured): 4 secrets." in told.getvalue()


def test_what_is_written_between_reading_and_replacing_stays(new_key, monkeypatch):
    provider = Provider.objects.get()
    real = EncryptedTextField.under_newest_key

    def overtaken(field, ciphertext, pk):
        """The panel saves another token just before the rotation replaces the one that it read."""
        if pk == provider.pk:
            provider.credentials = {"token": "entered meanwhile"}
            provider.save()
        return real(field, ciphertext, pk)

    monkeypatch.setattr(EncryptedTextField, "under_newest_key", overtaken)
    assert "3 encrypted anew." in rotate()
    assert Provider.objects.get().credentials == {"token": "entered meanwhile"}


class Writer(threading.Thread):
    """A process of the panel that goes on: it changes secrets of its own rows, and other fields of stale rows."""

    def __init__(self, rows: list[Provider]) -> None:
        super().__init__()
        self.rows, self.ended, self.writes = rows, threading.Event(), 0
        self.tokens = {row.pk: row.credentials["token"] for row in rows}

    def run(self) -> None:
        chance = random.Random(self.name)
        try:
            while not self.ended.is_set():
                row = chance.choice(self.rows)
                if chance.random() < 0.5:
                    self.tokens[row.pk] = f"token {self.writes} of {row.pk}"
                    row.credentials = {"token": self.tokens[row.pk]}
                row.login = f"login {self.writes}"
                row.save()
                self.writes += 1
                time.sleep(0.005)
        finally:
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_rotation_under_load_killed_again_and_again_leaves_nothing_unreadable_and_loses_no_write(team: Team, settings):
    older = settings.ENCRYPTION_KEYS
    rows = [Provider(team=team, kind="github", name=f"provider-{number}") for number in range(1200)]
    for row in rows:
        row.credentials = {"token": f"first token of {row.pk}"}
    Provider.objects.bulk_create(rows)
    # The writers hold rows that they read before the rotation, as a slow request of the panel does.
    stale = list(Provider.objects.order_by("?"))
    settings.ENCRYPTION_KEYS = [NEW, *older]
    writers = [Writer(stale[number::8]) for number in range(2)]
    untouched = {row.pk: row.credentials for part in range(2, 8) for row in stale[part::8]}

    database = settings.DATABASES["default"] | {"NAME": connection.settings_dict["NAME"]}
    environment = os.environ | {
        "SLUICE_ENCRYPTION_KEYS": ",".join(base64.b64encode(key).decode() for key in settings.ENCRYPTION_KEYS),
        "DATABASE_URL": "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database),
        "DJANGO_SETTINGS_MODULE": "panel.settings",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "manage.py", "rotate_encryption_key"]
    left = []
    for writer in writers:
        writer.start()
    try:
        for _ in range(2):
            with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                assert "encrypted anew" in process.stdout.readline()
                process.kill()
            left.append(encryption_keys.survey().older)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        for writer in writers:
            writer.ended.set()
            writer.join()

    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0] < 1200
    assert all(writer.writes > 50 for writer in writers)
    settings.ENCRYPTION_KEYS = [NEW]
    found = encryption_keys.survey()
    assert (found.unreadable, found.older, found.used.total()) == ([], 0, 1200)
    expected = untouched | {pk: {"token": token} for writer in writers for pk, token in writer.tokens.items()}
    assert {row.pk: row.credentials for row in Provider.objects.all()} == expected
