"""Refuses to start with settings that would have Python unpickle what Valkey holds."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from kombu import serialization

SAFE_CACHES = {"panel.valkey.cache.ValkeyCache", "django.core.cache.backends.dummy.DummyCache"}
"""Django's own other backends unpickle whatever they find."""
JSON = "json"


@register()
def nothing_unpickles(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Caches, sessions and Celery keep JSON, and accept nothing else."""
    from panel.celery import app

    problems: list[CheckMessage] = []

    def require(fits: bool, setting: str, words: str, number: int) -> None:
        if not fits:
            problems.append(Error(f"{setting}: {words}", id=f"panel.E{number:03}"))

    caches: dict[str, Any] = settings.CACHES
    for name, cache in caches.items():
        options: dict[str, Any] = cache.get("OPTIONS") or {}
        plain = cache["BACKEND"] in SAFE_CACHES and "serializer" not in options
        require(plain, f"CACHES[{name!r}]", "this cache may unpickle what is written to it; use ValkeyCache.", 1)
    require(
        settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer",
        "SESSION_SERIALIZER",
        "sessions are kept as JSON only.",
        2,
    )
    for setting in ("accept_content", "result_accept_content"):
        accepted = app.conf[setting]
        fits = (accepted is None and setting != "accept_content") or set(accepted or ()) == {JSON}
        require(fits, f"CELERY_{setting.upper()}", "messages are accepted as JSON only.", 3)
    for setting in ("task_serializer", "result_serializer", "event_serializer"):
        require(app.conf[setting] == JSON, f"CELERY_{setting.upper()}", "messages are written as JSON only.", 4)
    registry = serialization.registry  # type: ignore[attr-defined]
    disabled = {registry.name_to_type.get("pickle"), registry.name_to_type.get("yaml")} - {None}
    fits = disabled <= registry._disabled_content_types  # noqa: SLF001 - kombu offers no question
    require(fits, "kombu", "something enabled serializers that run code (enable_insecure_serializers).", 5)
    return problems
