"""The limit of the machine for the rows that musicsync itself writes: by COPY and one INSERT..SELECT a table.

Nothing is fetched, parsed, compared or matched, and all of a table comes at once, by one connection, first into a table
without indexes and then into one with those that musicsync has; no link is checked, as none is there (ADR 10).
"""

import shutil
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

_SCHEMA = "limit_rows"
_TABLES = ("artist", "release", "recording", "isrc", "track", "releasecredit", "recordingcredit", "change")
_TABLES += ("sourceartist", "sourcerelease", "sourcetrack", "knownpage")
_CHUNK = 1 << 20


class OwnRows:
    """The rows of the tables that an import fills, kept in a folder, and empty tables like those they came from."""

    def __init__(self, database: str, folder: Path) -> None:
        self._connection = psycopg.connect(database)
        self._folder = Path(tempfile.mkdtemp(prefix="rows-", dir=folder))

    def keep(self) -> None:
        """Write the rows into files as COPY reads them, and make the empty tables, with all indexes."""
        self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCHEMA)))
        for table in _TABLES:
            like = sql.SQL("CREATE TABLE {new} (LIKE {old} INCLUDING ALL EXCLUDING IDENTITY)")
            self._connection.execute(like.format(new=_new(table), old=_old(table)))
            with self._connection.cursor() as cursor, (self._folder / table).open("wb") as file:
                columns = _columns(cursor, table)
                statement = sql.SQL("COPY {} ({}) TO STDOUT").format(_old(table), columns)
                with cursor.copy(statement) as copy:
                    for chunk in copy:
                        file.write(chunk)
        self._connection.commit()

    def write(self) -> float:
        """Write them into the empty tables in one transaction; return how many seconds it took."""
        began = time.monotonic()
        with self._connection.cursor() as cursor:
            for table in _TABLES:
                columns = _columns(cursor, table)
                cursor.execute(
                    sql.SQL("CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                        columns, _old(table)
                    )
                )
                statement = sql.SQL("COPY staged ({}) FROM STDIN").format(columns)
                with cursor.copy(statement) as copy, (self._folder / table).open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        copy.write(chunk)
                insert = sql.SQL("INSERT INTO {new} ({columns}) SELECT {columns} FROM staged")
                cursor.execute(insert.format(new=_new(table), columns=columns))
                cursor.execute("DROP TABLE staged")
        self._connection.commit()
        return time.monotonic() - began

    def drop(self) -> None:
        """Remove tables and files."""
        self._connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(_SCHEMA)))
        self._connection.commit()
        self._connection.close()
        shutil.rmtree(self._folder)


def _old(table: str) -> sql.Identifier:
    return sql.Identifier("public", f"musicsync_{table}")


def _new(table: str) -> sql.Identifier:
    return sql.Identifier(_SCHEMA, f"musicsync_{table}")


def _columns(cursor: psycopg.Cursor, table: str) -> sql.Composed:
    """Return the table's columns, but for those that it makes itself of others."""
    found = cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        [f"public.musicsync_{table}"],
    )
    return sql.SQL(", ").join(sql.Identifier(name) for (name,) in found)
