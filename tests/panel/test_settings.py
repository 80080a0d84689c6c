import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_page_of_settings_is_what_the_command_writes():
    # In a process of its own: the tests' settings are not the ones to document.
    environment = {"CHECK": "1", "PATH": os.environ["PATH"]}
    written = subprocess.run(
        [sys.executable, "manage.py", "document_settings"], cwd=ROOT, env=environment, capture_output=True, check=True
    ).stdout
    assert (ROOT / "docs" / "settings.md").read_bytes() == written
