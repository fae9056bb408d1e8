"""Take what Deezer's lists said of one artist for what it was: the main one, and not the whole credit.

Where one artist is all that there is, the next answer that names all contributors says so.
"""

from django.db import migrations

MOVE = """
    UPDATE {table} s
    SET fields = s.fields - 'credits' || jsonb_build_object('main_artists', s.fields->'credits')
    FROM musicsync_provider p
    WHERE p.id = s.provider_id AND p.adapter = 'deezer' AND jsonb_array_length(s.fields->'credits') = 1
"""


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0021_closed_fetches"),
    ]

    operations = [
        migrations.RunSQL(MOVE.format(table=table), migrations.RunSQL.noop)
        for table in ("musicsync_sourcerelease", "musicsync_sourcetrack")
    ]
