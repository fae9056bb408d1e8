"""Seed, once, the daily tuning of the next checks; and give the details that are known a time, spread at random.

The lists of scopes get none: until now every incremental run asked for each of them, and the next one does so once more.
"""

from django.db import migrations

SPREAD = """
    INSERT INTO musicsync_pagecheck (provider_id, scope_id, key, request, checked_at, check_at, changes, days)
    SELECT DISTINCT ON (k.provider_id, k.key) k.provider_id, k.scope_id, k.key, led.request, now(),
           now() + random() * p.check_after_most * interval '1 day', 0, 0
    FROM (
        SELECT l.provider_id, item AS request, concat_ws('?', item->>'path', (
            SELECT string_agg(given.key || '=' || given.value, '&' ORDER BY given.key COLLATE "C")
            FROM jsonb_each_text(item->'params') given)) AS key
        FROM musicsync_knownpage l CROSS JOIN jsonb_array_elements(l.follow_ups) item
        WHERE item->>'refreshes' IS NOT NULL) led
        JOIN musicsync_knownpage k ON k.provider_id = led.provider_id AND k.key = led.key
        JOIN musicsync_provider p ON p.id = k.provider_id
    ON CONFLICT DO NOTHING
"""


def seed(apps, schema_editor):
    night, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(
        minute="47", hour="3", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="musicsync: tune",
        defaults={
            "task": "musicsync.tasks.tune",
            "crontab": night,
            "description": "Learns of each provider how often its pages change, and how soon each is asked again.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0016_check_times"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        migrations.RunPython(seed, migrations.RunPython.noop),
        migrations.RunSQL(SPREAD, migrations.RunSQL.noop),
    ]
