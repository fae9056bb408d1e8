"""The ledger of work. Every piece of it is a row here before any message about it is sent."""

import re

from django.db import models
from django.db.models.functions import Now

from musicsync.models.sources import KnownPage, Provider, Scope

_EXCEPTION = re.compile(r"[\w.]+(Error|Exception|Exceeded): ")


class Run(models.Model):
    """One pass over a provider's scopes."""

    class Mode(models.TextChoices):
        FULL = "full", "full: everything, and what is absent is removed"
        INCREMENTAL = "incremental", "incremental: what is new"
        LOOKUP = "lookup", "lookup: one scope, asked for"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "schedule"
        ADMIN = "admin", "admin"
        CLI = "cli", "command line"
        API = "api", "API"

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        ERRORS = "errors", "completed with errors"
        HELD = "held", "held: asks before it removes so much"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="runs")
    mode = models.CharField(max_length=11, choices=Mode)
    trigger = models.CharField(max_length=8, choices=Trigger)
    scope = models.ForeignKey(
        Scope,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
        help_text="Empty: all active scopes.",
    )
    schedule = models.CharField(
        max_length=200, null=True, blank=True, help_text="Name of the schedule that started it."
    )
    slot = models.DateTimeField(null=True, blank=True, help_text="The time the schedule meant.")
    status = models.CharField(max_length=9, choices=Status, db_default=Status.RUNNING)
    error = models.TextField(blank=True, default="")
    summary = models.JSONField(default=dict, blank=True, help_text="Totals, taken from the fetches when the run ended.")
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            # Not of lookups, which go on beside another run.
            models.UniqueConstraint(
                fields=["provider"],
                condition=models.Q(status="running") & ~models.Q(mode="lookup"),
                name="run_one_active_per_provider",
            ),
            models.UniqueConstraint(
                fields=["scope"],
                condition=models.Q(status="running", mode="lookup"),
                name="run_one_lookup_per_scope",
            ),
            models.UniqueConstraint(fields=["schedule", "slot"], name="run_one_per_slot"),
        ]
        # Each claim of a fetch looks which other runs are under way.
        indexes = [
            models.Index(fields=["provider", "mode"], name="run_under_way", condition=models.Q(status="running"))
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.mode})"


class Fetch(models.Model):
    """One HTTP request that a run owes its provider: the unit of work, retry and checkpoint."""

    class Status(models.TextChoices):
        PENDING = "pending", "owed"
        QUEUED = "queued", "queued: a message is on its way"
        LEASED = "leased", "being worked on"
        WAITING = "waiting", "waiting for its time"
        APPLIED = "applied", "applied"
        DEAD = "dead", "dead: failed for good"
        CANCELLED = "cancelled", "cancelled"
        DISCARDED = "discarded", "discarded: dead, and given up by an operator"

    class Outcome(models.TextChoices):
        PAGE = "page", "page"
        NOT_MODIFIED = "not_modified", "not modified"
        GONE = "gone", "not there"

    OPEN = (Status.PENDING, Status.QUEUED, Status.LEASED, Status.WAITING)
    CLOSED = (Status.APPLIED, Status.DEAD, Status.CANCELLED, Status.DISCARDED)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="fetches", db_index=False)
    scope = models.ForeignKey(Scope, on_delete=models.CASCADE, related_name="+")
    key = models.TextField(help_text="The request: path and sorted query.")
    request = models.JSONField()
    status = models.CharField(max_length=9, choices=Status, db_default=Status.PENDING)
    outcome = models.CharField(max_length=12, choices=Outcome, null=True, blank=True)
    attempts = models.IntegerField(db_default=0, help_text="How often somebody began to work on it.")
    failures = models.IntegerField(db_default=0, help_text="Failures in a row.")
    crashes = models.IntegerField(db_default=0, help_text="How often its worker was lost while it had it.")
    not_before = models.DateTimeField(null=True, blank=True)
    slot_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The slot of the budget that it holds, had no request ever been late.",
    )
    queued_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # A lease is taken for every request: no constraint to check and no index to keep for it.
    worker = models.ForeignKey(
        "musicsync.Worker",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Who works on it, or did last.",
    )
    task_id = models.CharField(
        max_length=64, db_default="", blank=True, help_text="The Celery task that worked on it last."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(db_default="", blank=True)
    traceback = models.TextField(db_default="", blank=True)
    excerpt = models.TextField(db_default="", blank=True, help_text="The start of the answer that could not be used.")
    counts = models.JSONField(default=dict, blank=True, help_text='Such as {"track.created": 12, "rejected": 1}.')

    class Meta:
        verbose_name_plural = "fetches"
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="fetch_unique")]
        indexes = [
            models.Index(fields=["run", "id"], name="fetch_pending", condition=models.Q(status="pending")),
            models.Index(
                fields=["run", "status"],
                name="fetch_in_flight",
                condition=models.Q(status__in=["queued", "leased", "waiting"]),
            ),
            models.Index(fields=["run", "id"], name="fetch_dead", condition=models.Q(status="dead")),
            # For the lists of the admin: a request takes a thousand times as long as its entries.
            models.Index(fields=["status", "id"], name="fetch_status", condition=~models.Q(status="applied")),
            models.Index(fields=["id"], name="fetch_gone", condition=models.Q(outcome="gone")),
            # For those of a run, and what was applied of it of late: one entry, when the fetch ends.
            models.Index(
                fields=["run", "id"],
                name="fetch_closed",
                condition=models.Q(status__in=["applied", "dead", "cancelled", "discarded"]),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def error_line(self) -> str:
        """Return the line of the error that says most: of a traceback, the one that names the exception."""
        lines = self.error.strip().splitlines()
        return next((line for line in reversed(lines) if _EXCEPTION.match(line)), lines[-1] if lines else "")


class Tally(models.Model):
    """What is added up already of the applied fetches of a run; see ``sync/tallies.py``."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="tally")
    below = models.BigIntegerField(db_default=0, help_text="Of the fetches below this id, all that were applied.")
    applied = models.IntegerField(db_default=0, help_text="How many those are.")
    counts = models.JSONField(default=dict, db_default={}, help_text="Their counts, added up.")

    def __str__(self) -> str:
        return f"{self.run_id}: {self.applied} below {self.below}"


class Rejection(models.Model):
    """An item of a page that could not become a record, kept until the page comes without it."""

    page = models.ForeignKey(KnownPage, on_delete=models.CASCADE, related_name="rejections")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="rejections")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="rejections")
    path = models.TextField(help_text="Where in the body it stood.")
    reason = models.TextField()
    excerpt = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
