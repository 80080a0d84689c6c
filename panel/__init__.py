"""The composition root: settings, pages, REST API, admin. May import everything below it."""

from panel.celery import app as celery_app

__all__ = ["celery_app"]
