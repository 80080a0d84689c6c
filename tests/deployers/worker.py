"""A worker of its own for tests that kill it: `python -m tests.deployers.worker`, with DATABASE_URL as the test's."""

import os
import time

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")
    django.setup()
    from deployers.services import ticks

    while True:
        ticks.tick()
        time.sleep(0.02)
