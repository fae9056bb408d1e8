"""Which processes are there: workers by their heartbeat, and the one beat that leads."""

from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """One start of a Celery worker. A restart is another row, so that what the old one held is known to be lost."""

    name = models.CharField(max_length=200, help_text='Its node name, such as "celery@host".')
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name


class Leader(models.Model):
    """The one of several processes that acts; another takes over when it has not renewed its claim in time."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=200)
    since = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
