"""What went wrong in the machinery, and who was told."""

from django.db import models
from django.db.models.functions import Now

from musicsync.models.runs import Run


class Failure(models.Model):
    """A Celery task that failed, was retried, revoked, rejected, not known, or whose process was lost."""

    class Kind(models.TextChoices):
        FAILURE = "failure", "failure"
        RETRY = "retry", "retry"
        REVOKED = "revoked", "revoked"
        REJECTED = "rejected", "rejected"
        UNKNOWN = "unknown", "unknown task"
        WORKER_LOST = "worker_lost", "worker process lost"

    kind = models.CharField(max_length=11, choices=Kind)
    task = models.CharField(max_length=200, blank=True)
    task_id = models.CharField(max_length=64, blank=True)
    arguments = models.TextField(blank=True, help_text="As JSON where they are, else as Python shows them.")
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    worker = models.CharField(max_length=200, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="failures")
    created_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    def __str__(self) -> str:
        return f"{self.kind}: {self.task}: {self.error}"


class Alert(models.Model):
    """A message to people. The same one (same ``key``) goes out once an hour at most; repeats are counted.

    ``sent_at`` is when it was last to go out, ``told_at`` when it last did: it is owed where that is the earlier one.
    """

    key = models.CharField(max_length=300, unique=True)
    subject = models.TextField()
    body = models.TextField(blank=True)
    occurrences = models.IntegerField(default=1)
    first_at = models.DateTimeField(db_default=Now(), editable=False)
    last_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    told_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return self.subject
