"""The Celery application: `celery -A project worker`, `beat`, `flower`, `inspect active`."""

import os

from celery import Celery
from celery.signals import import_modules

from project.checks import clear_errors, require_surroundings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("musicsync")
with clear_errors():
    # Read now: a wrong setting found later would be shown as a traceback by whatever happens to ask first.
    app.config_from_object("django.conf:settings", namespace="CELERY", force=True)
app.autodiscover_tasks()

# The first thing that a worker and beat do, before they use the database or the broker, and no other process does.
import_modules.connect(require_surroundings)
