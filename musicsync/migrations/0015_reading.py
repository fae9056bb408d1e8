"""Keep what of a run is added up, and index what a reader adds to it."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Beside workers that go on: over a million fetches, an index takes longer to build than a request may wait.
    atomic = False

    dependencies = [
        ("musicsync", "0014_lookups"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="tally",
                        serialize=False,
                        to="musicsync.run",
                    ),
                ),
                (
                    "below",
                    models.BigIntegerField(
                        db_default=0, help_text="Of the fetches below this id, all that were applied."
                    ),
                ),
                ("applied", models.IntegerField(db_default=0, help_text="How many those are.")),
                ("counts", models.JSONField(db_default={}, default=dict, help_text="Their counts, added up.")),
            ],
        ),
        AddIndexConcurrently(
            model_name="fetch",
            index=models.Index(
                condition=models.Q(("status__in", ["applied", "dead", "cancelled", "discarded"])),
                fields=["run", "id"],
                name="fetch_closed",
            ),
        ),
    ]
