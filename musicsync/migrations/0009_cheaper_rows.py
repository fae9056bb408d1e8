"""Make a new row cost less: ids are taken by the thousand.

A sequence writes to the log with every 32nd number that it gives, and a page takes thousands. What a connection has
taken and not used is a gap.
"""

from django.db import migrations

_TABLES = ("artist", "release", "recording", "track", "sourceartist", "sourcerelease", "sourcetrack", "releasecredit")
_TABLES += ("recordingcredit", "change")


def _sequences(numbers: int) -> list[str]:
    return [f"ALTER SEQUENCE musicsync_{table}_id_seq CACHE {numbers}" for table in _TABLES]


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0008_page_digest")]

    operations = [migrations.RunSQL(_sequences(1000), _sequences(1))]
