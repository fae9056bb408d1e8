"""Let a fetch that waits hold its slot of the budget."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0009_cheaper_rows")]

    operations = [
        # In the order in which workers that still run take them, as in 0003.
        migrations.RunSQL(
            "LOCK TABLE musicsync_fetch, musicsync_budget IN ACCESS EXCLUSIVE MODE", migrations.RunSQL.noop
        ),
        migrations.AddField(
            model_name="budget",
            name="moved_seconds",
            field=models.FloatField(db_default=0.0, editable=False),
        ),
        migrations.AddField(
            model_name="fetch",
            name="slot_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="The slot of the budget that it holds, had no request ever been late.",
                null=True,
            ),
        ),
    ]
