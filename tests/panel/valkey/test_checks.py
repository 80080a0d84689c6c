"""Settings that would unpickle what Valkey holds are refused."""

import subprocess
from pathlib import Path

import kombu
import pytest
from celery import Celery
from pytest_django.fixtures import Settings

from panel.celery import app
from panel.valkey.checks import nothing_unpickles

ROOT = Path(__file__).resolve().parents[3]


def found() -> set[str]:
    return {str(problem.id) for problem in nothing_unpickles(None)}


def test_the_settings_as_they_are_pass() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    "backend", ["redis.RedisCache", "locmem.LocMemCache", "db.DatabaseCache", "filebased.FileBasedCache"]
)
def test_a_cache_that_unpickles_is_refused(settings: Settings, backend: str) -> None:
    settings.CACHES = {
        "default": settings.CACHES["default"],
        "other": {"BACKEND": f"django.core.cache.backends.{backend}"},
    }
    assert found() == {"panel.E001"}


def test_a_serializer_of_somebody_else_is_refused(settings: Settings) -> None:
    options = {"serializer": "django.core.cache.backends.redis.RedisSerializer"}
    settings.CACHES = {"default": {**settings.CACHES["default"], "OPTIONS": options}}
    assert found() == {"panel.E001"}


def test_pickled_sessions_are_refused(settings: Settings) -> None:
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.PickleSerializer"
    assert found() == {"panel.E002"}


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("accept_content", ["json", "pickle"], "panel.E003"),
        ("accept_content", ["yaml"], "panel.E003"),
        ("result_accept_content", ["pickle"], "panel.E003"),
        ("task_serializer", "pickle", "panel.E004"),
        ("result_serializer", "pickle", "panel.E004"),
        ("event_serializer", "yaml", "panel.E004"),
    ],
)
def test_celery_that_accepts_or_writes_anything_but_json_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: object, problem: str
) -> None:
    assert isinstance(app, Celery)
    monkeypatch.setitem(app.conf, setting, value)
    assert found() == {problem}


def test_serializers_that_run_code_stay_disabled() -> None:
    kombu.enable_insecure_serializers(["pickle"])
    try:
        assert found() == {"panel.E005"}
    finally:
        kombu.disable_insecure_serializers(["json"])
    assert found() == set()


def test_no_product_code_names_pickle() -> None:
    words = r"pickle|cPickle|marshal|shelve|dill|cloudpickle"
    command = ["git", "grep", "-lwiE", words, "--", "*.py", ":!tests", ":!sandbox", ":!benchmarks"]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert set(named) == {"panel/valkey/checks.py"}
