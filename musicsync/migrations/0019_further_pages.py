"""Take the further pages of details, and second looks, their times: from now on they are asked with the first page."""

from django.db import migrations

FORGET = "DELETE FROM musicsync_pagecheck WHERE request ? 'before' OR key LIKE '%page[cursor]=%' OR key LIKE '%#again'"


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0018_list_total"),
    ]

    operations = [
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
    ]
