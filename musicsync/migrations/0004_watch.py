"""Seed, once, the schedule by which runs that did not start are noticed; an operator's edit or deletion stays."""

from django.db import migrations

WATCH_SECONDS = 60


def seed(apps, schema_editor):
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(
        every=WATCH_SECONDS, period="seconds"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="musicsync: watch",
        defaults={
            "task": "musicsync.tasks.watch",
            "interval": interval,
            "expire_seconds": 2 * WATCH_SECONDS,
            "description": "Tells people of runs that their schedules meant and that were not started.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0003_limits_and_faults"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
