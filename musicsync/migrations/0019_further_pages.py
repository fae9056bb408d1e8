"""Take the further pages of a list of details their times: from now on they are asked with the first."""

from django.db import migrations

FORGET = "DELETE FROM musicsync_pagecheck WHERE request ? 'before' OR key LIKE '%page[cursor]=%'"


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0018_list_total"),
    ]

    operations = [
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
    ]
