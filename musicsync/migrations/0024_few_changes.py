"""Index the changes of artists and releases, which are few between those of tracks and recordings.

Beside workers that go on: over millions of changes, an index takes longer to build than a page may wait. So it is not
one transaction, and alone: where it was interrupted, it is run again and drops what is left of the first attempt.
"""

from django.db import migrations, models

DROP_WHAT_IS_LEFT = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('change_few') AND NOT indisvalid) THEN
            DROP INDEX change_few;
        END IF;
    END $$
"""
CREATE = """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS change_few ON musicsync_change (id)
    WHERE entity IN ('artist', 'release')
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("musicsync", "0023_file_feed"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL([DROP_WHAT_IS_LEFT, CREATE], "DROP INDEX CONCURRENTLY IF EXISTS change_few")],
            [
                migrations.AddIndex(
                    model_name="change",
                    index=models.Index(
                        condition=models.Q(("entity__in", ["artist", "release"])),
                        fields=["id"],
                        name="change_few",
                    ),
                )
            ],
        ),
    ]
