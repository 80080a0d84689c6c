import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from panel.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
GOOD_KEY, OLDER_KEY = (base64.b64encode(letter * 32).decode() for letter in (b"A", b"B"))


def test_page_of_settings_is_what_the_command_writes():
    # In a process of its own: the tests' settings are not the ones to document.
    environment = {"CHECK": "1", "PATH": os.environ["PATH"]}
    written = subprocess.run(
        [sys.executable, "manage.py", "document_settings"], cwd=ROOT, env=environment, capture_output=True, check=True
    ).stdout
    assert (ROOT / "docs" / "settings.md").read_bytes() == written


@pytest.mark.parametrize("keys", ["", "c2hvcnQ=", "not base64 at all", f"{GOOD_KEY},c2hvcnQ=", "ä" * 44])
def test_malformed_encryption_keys_stop_the_start_and_are_not_shown(monkeypatch, keys: str):
    monkeypatch.setenv("SLUICE_ENCRYPTION_KEYS", keys)
    with pytest.raises(ImproperlyConfigured, match="SLUICE_ENCRYPTION_KEYS must be 32 random bytes") as failure:
        Environment().keys("SLUICE_ENCRYPTION_KEYS", help="Keys")
    assert failure.value.__cause__ is failure.value.__context__ is None
    assert not keys or all(key not in str(failure.value) for key in keys.split(","))


def test_encryption_keys_keep_their_order(monkeypatch):
    monkeypatch.setenv("SLUICE_ENCRYPTION_KEYS", f"{GOOD_KEY}, {OLDER_KEY},")
    assert Environment().keys("SLUICE_ENCRYPTION_KEYS", help="Keys") == [b"A" * 32, b"B" * 32]


@pytest.mark.parametrize("url", ["postgresql://u:canary/x@h/n", "mysql://u:canary@h/n", "canary"])
def test_address_of_a_database_that_does_not_parse_is_not_shown(monkeypatch, recwarn, url: str):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be") as failure:
        Environment().database("DATABASE_URL", help="PostgreSQL")
    assert "canary" not in f"{failure.value} {[each.message for each in recwarn]}"
    assert failure.value.__cause__ is failure.value.__context__ is None
