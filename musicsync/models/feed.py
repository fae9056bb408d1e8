"""What changed in the catalogue, to be read in commit order."""

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from musicsync.models.runs import Run
from musicsync.models.sources import Provider


class Change(models.Model):
    """One changed field set of one entity: append-only.

    An id is given at insert, not at commit, so a reader that polls "id > n" misses rows of slower transactions.
    ``transaction`` orders by commit when a reader stops at the oldest open one (``queries.changes_after``).
    """

    class Entity(models.TextChoices):
        ARTIST = "artist", "artist"
        RELEASE = "release", "release"
        RECORDING = "recording", "recording"
        TRACK = "track", "track"

    class Action(models.TextChoices):
        CREATED = "created", "created"
        UPDATED = "updated", "updated"
        REMOVED = "removed", "removed"
        RESTORED = "restored", "restored"
        MERGED = "merged", "merged"

    entity = models.CharField(max_length=9, choices=Entity)
    entity_id = models.BigIntegerField()
    action = models.CharField(max_length=8, choices=Action)
    before = models.JSONField(help_text="The changed fields as they were; empty when created.")
    after = models.JSONField(help_text="The changed fields as they are.")
    provider = models.ForeignKey(
        Provider, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="changes", db_constraint=False)
    transaction = models.BigIntegerField(db_default=RawSQL("(pg_current_xact_id()::text)::bigint", ()), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["transaction", "id"], name="change_feed"),
            models.Index(fields=["entity", "entity_id", "id"], name="change_entity"),
            # A first import has no such rows, so that it costs none anything.
            models.Index(fields=["action", "id"], name="change_action", condition=~models.Q(action="created")),
            # For the lists of the admin. Of a hundred changes that an import writes seven or so are of these.
            models.Index(fields=["id"], name="change_few", condition=models.Q(entity__in=["artist", "release"])),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.entity_id} {self.action}"
