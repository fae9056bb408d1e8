"""Index what the lists of the admin ask for: what is gone, and what did not go well."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Beside workers that go on: over a million tracks, an index takes longer to build than a request may wait.
    atomic = False

    dependencies = [
        ("musicsync", "0010_held_slots"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="artist",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="artist_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="change",
            index=models.Index(
                condition=models.Q(("action", "created"), _negated=True), fields=["action", "id"], name="change_action"
            ),
        ),
        AddIndexConcurrently(
            model_name="fetch",
            index=models.Index(
                condition=models.Q(("status", "applied"), _negated=True), fields=["status", "id"], name="fetch_status"
            ),
        ),
        AddIndexConcurrently(
            model_name="fetch",
            index=models.Index(condition=models.Q(("outcome", "gone")), fields=["id"], name="fetch_gone"),
        ),
        AddIndexConcurrently(
            model_name="recording",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="recording_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="release",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="release_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="sourceartist",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="sourceartist_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="sourcerelease",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="sourcerelease_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="sourcetrack",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="sourcetrack_not_present",
            ),
        ),
        AddIndexConcurrently(
            model_name="track",
            index=models.Index(
                condition=models.Q(("state", "present"), _negated=True),
                fields=["state", "id"],
                name="track_not_present",
            ),
        ),
        # Nobody looks for the start of an ISRC; Django gives each such key an index for that.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS musicsync_isrc_code_05f36f5e_like",
            "CREATE INDEX CONCURRENTLY musicsync_isrc_code_05f36f5e_like ON musicsync_isrc (code varchar_pattern_ops)",
        ),
    ]
