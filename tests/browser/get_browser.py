"""Finds a Chromium for the browser tests, and gets one if there is none: `python -m tests.browser.get_browser`.

Looks at $E2E_CHROMIUM, then for the distribution's Chromium or Chrome, then for Playwright's own. Else tries
Playwright's download, then, as root, the distribution's package. Without a browser it says what to do and ends with 0,
as the browser tests are then skipped; with CI set it ends with 1, as they then fail.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = "Install Chromium (Debian: apt install chromium) or set E2E_CHROMIUM to the path of one."
PATIENCE = 300  # seconds for a download


def find() -> str | None:
    """The path of a Chromium, or None."""
    named = os.environ.get("E2E_CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    return next((path for name in NAMES if (path := shutil.which(name))), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _attempts() -> list[list[str]]:
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.append(["apt-get", "install", "-y", "--no-install-recommends", "chromium"])
    return attempts


def main() -> int:
    found = find()
    if not found and not os.environ.get("E2E_CHROMIUM"):
        for command in _attempts():
            print(f"No Chromium yet. Trying: {' '.join(command)}", flush=True)
            try:
                subprocess.run(command, timeout=PATIENCE, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                print(f"That did not work: {error}")
            if found := find():
                break
    if found:
        print(f"Browser tests use {found}")
        return 0
    print(f"No Chromium, so the browser tests {'fail' if os.environ.get('CI') else 'are skipped'}. {HELP}")
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
