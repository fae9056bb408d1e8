"""Seed, once, what beat is to send for musicsync itself; an operator's edit or deletion stays."""

from django.db import migrations

SWEEP_SECONDS = 5


def seed(apps, schema_editor):
    model = {
        name: apps.get_model("django_celery_beat", name)
        for name in ("IntervalSchedule", "CrontabSchedule", "PeriodicTask")
    }
    interval, _ = model["IntervalSchedule"].objects.get_or_create(every=SWEEP_SECONDS, period="seconds")
    night, _ = model["CrontabSchedule"].objects.get_or_create(
        minute="17", hour="4", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    model["PeriodicTask"].objects.get_or_create(
        name="musicsync: sweep",
        defaults={
            "task": "musicsync.tasks.sweep",
            "interval": interval,
            # While no worker runs, each message replaces the one before instead of joining a queue of thousands.
            "expire_seconds": 2 * SWEEP_SECONDS,
            "description": "Sends again what was lost on the way.",
        },
    )
    model["PeriodicTask"].objects.get_or_create(
        name="musicsync: prune",
        defaults={
            "task": "musicsync.tasks.prune",
            "crontab": night,
            "description": "Deletes what is of use for a while only: fetches of old runs, old failures.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
