"""Make a new row cost less: ids are taken by the thousand.

A sequence writes to the log with every 32nd number that it gives, and a page takes thousands. What a connection has
taken and not used is a gap, and of two rows the later one may have the lower id. Changes, which are shown by their ids
in the order of time, go on taking them one by one.
"""

from django.db import migrations

_TABLES = ("artist", "release", "recording", "track", "sourceartist", "sourcerelease", "sourcetrack", "releasecredit")
_TABLES += ("recordingcredit",)


def _cache(table: str, numbers: int) -> str:
    return f"ALTER SEQUENCE musicsync_{table}_id_seq CACHE {numbers}"


class Migration(migrations.Migration):
    # Each by itself: a page that is just being written holds several, and takes them in another order.
    atomic = False
    dependencies = [("musicsync", "0008_page_digest")]

    operations = [migrations.RunSQL(_cache(table, 1000), _cache(table, 1)) for table in _TABLES]
