from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0012_tokens"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="options",
            field=models.JSONField(
                blank=True, default=dict, help_text="What the adapter is told besides, where it takes options."
            ),
        ),
    ]
