"""The Django project that musicsync runs in: settings, the Celery application, URLs and the embedded servers."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
