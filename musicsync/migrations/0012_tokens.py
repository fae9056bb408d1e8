import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import musicsync.models.sources


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0011_reading"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="token_url",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the credential is exchanged for a token, for adapters that do that; empty: the adapter's own.",
                max_length=300,
                validators=[
                    django.core.validators.URLValidator(schemes=["http", "https"]),
                    musicsync.models.sources.no_password,
                ],
            ),
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                (
                    "provider",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="token",
                        serialize=False,
                        to="musicsync.provider",
                    ),
                ),
                ("sealed", models.TextField(db_default="")),
                ("renew_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
