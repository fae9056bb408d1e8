"""Index what a reader adds to what of a run is added up.

Beside workers that go on: over a million fetches, an index takes longer to build than a request may wait. So it is not
one transaction, and alone: where it was interrupted, it is run again and drops what is left of the first attempt. A
database of before this was a migration by itself has the index, and keeps it.
"""

from django.db import migrations, models

DROP_WHAT_IS_LEFT = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('fetch_closed') AND NOT indisvalid) THEN
            DROP INDEX fetch_closed;
        END IF;
    END $$
"""
CREATE = """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS fetch_closed ON musicsync_fetch (run_id, id)
    WHERE status IN ('applied', 'dead', 'cancelled', 'discarded')
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("musicsync", "0020_settled_runs"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL([DROP_WHAT_IS_LEFT, CREATE], "DROP INDEX CONCURRENTLY IF EXISTS fetch_closed")],
            [
                migrations.AddIndex(
                    model_name="fetch",
                    index=models.Index(
                        condition=models.Q(("status__in", ["applied", "dead", "cancelled", "discarded"])),
                        fields=["run", "id"],
                        name="fetch_closed",
                    ),
                )
            ],
        ),
    ]
