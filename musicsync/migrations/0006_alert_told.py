"""Keep when an alert went out, besides when it was to; those of the release before count as told."""

from django.db import migrations, models


def tell(apps, schema_editor):
    apps.get_model("musicsync", "Alert").objects.update(told_at=models.F("sent_at"))


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0005_allow_private")]

    operations = [
        migrations.AddField("alert", "told_at", models.DateTimeField(blank=True, editable=False, null=True)),
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
