"""The Celery application: `celery -A project worker`, `beat`, `flower`, `inspect active`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("musicsync")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
