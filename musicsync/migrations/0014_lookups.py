"""Let lookups go on beside another run of their provider.

The constraint on all other runs keeps its name: a process of the release before tells by it that it has to wait.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0013_options")]

    operations = [
        migrations.RemoveConstraint(model_name="run", name="run_one_active_per_provider"),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "running"), models.Q(("mode", "lookup"), _negated=True)),
                fields=("provider",),
                name="run_one_active_per_provider",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=models.Q(("mode", "lookup"), ("status", "running")),
                fields=("scope",),
                name="run_one_lookup_per_scope",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["provider", "mode"], name="run_under_way"
            ),
        ),
    ]
