"""Let a page be known again by its answer alone, where its provider gives no validator."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0007_unchecked_links")]

    operations = [
        migrations.AddField(
            model_name="knownpage",
            name="digest",
            field=models.CharField(help_text="Of the answer that it was read from.", max_length=32, null=True),
        ),
    ]
