import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0015_reading"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tuning",
            fields=[
                (
                    "provider",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="tuning",
                        serialize=False,
                        to="musicsync.provider",
                    ),
                ),
                ("price", models.FloatField()),
                ("changes", models.FloatField()),
                ("days", models.FloatField()),
                ("tuned_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.AddField(
            model_name="provider",
            name="check_after_least",
            field=models.FloatField(
                db_default=1.0,
                default=1.0,
                help_text="Days after which an incremental run asks again for what changes most, at the soonest.",
                validators=[
                    django.core.validators.MinValueValidator(0.05),
                    django.core.validators.MaxValueValidator(3650.0),
                ],
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="check_after_most",
            field=models.FloatField(
                db_default=60.0,
                default=60.0,
                help_text="Days after which it asks again for what never changed, at the latest.",
                validators=[
                    django.core.validators.MinValueValidator(0.05),
                    django.core.validators.MaxValueValidator(3650.0),
                ],
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="checks_per_run",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Known pages that an incremental run asks again at most; empty: what the budget takes in an hour.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.CreateModel(
            name="PageCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.TextField(help_text="The request: path and sorted query.")),
                ("request", models.JSONField()),
                (
                    "check_at",
                    models.DateTimeField(help_text="When it is due; empty: it was never answered.", null=True),
                ),
                ("checked_at", models.DateTimeField(null=True)),
                ("changes", models.FloatField(default=0.0)),
                ("days", models.FloatField(default=0.0)),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checks",
                        to="musicsync.provider",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="musicsync.scope",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["provider", "check_at"], name="page_check_due")],
                "constraints": [models.UniqueConstraint(fields=("provider", "key"), name="page_check_unique")],
            },
        ),
    ]
