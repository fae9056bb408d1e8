"""One Django model for the peers that use it: the flat table, in a project of its own."""

import os

import django
from django.conf import settings
from django.db import connection, models
from psycopg.conninfo import conninfo_to_dict

from benchmarks.peers.common import SCHEMA

DATABASE_VARIABLE = "BENCHMARK_DATABASE"

_found = conninfo_to_dict(os.environ[DATABASE_VARIABLE])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _found["dbname"],
            "USER": _found["user"],
            "HOST": _found["host"],
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()


class Track(models.Model):
    """A track of the feed, flat."""

    id = models.TextField(primary_key=True)
    title = models.TextField()
    version = models.TextField(null=True)
    isrc = models.TextField(null=True)
    duration_ms = models.BigIntegerField(null=True)
    explicit = models.BooleanField(null=True)
    disc = models.IntegerField(null=True)
    position = models.IntegerField(null=True)
    artist = models.TextField(null=True)
    release_id = models.TextField(null=True)
    release_title = models.TextField(null=True)
    gtin = models.TextField(null=True)
    released = models.TextField(null=True)
    label = models.TextField(null=True)

    class Meta:
        app_label = "benchmark"
        managed = False
        db_table = "tracks"

    def __str__(self) -> str:
        return self.title


def make_table() -> None:
    """Make the table, with the indexes that all peers have."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
