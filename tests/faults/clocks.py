"""Clocks that are wrong, of the database and of one machine, moved while everything runs."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection

_FUNCTIONS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)


class DatabaseClock:
    """The clock that statements on the database of the ORM read, in sessions that begin after this is made.

    Functions of a schema that is searched before PostgreSQL's own stand in for them.
    """

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA moved")
            cursor.execute("CREATE TABLE moved.clock (ahead interval NOT NULL)")
            cursor.execute("INSERT INTO moved.clock VALUES ('0')")
            for name in _FUNCTIONS:
                cursor.execute(
                    f"CREATE FUNCTION moved.{name}() RETURNS timestamptz LANGUAGE sql VOLATILE "
                    f"AS 'SELECT pg_catalog.{name}() + ahead FROM moved.clock'"
                )
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"ALTER DATABASE {name} SET search_path = moved, pg_catalog, public")
        connection.close()

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchone()[0]
        return moment

    def set(self, moment: datetime) -> None:
        """Let it be that moment now."""
        self._execute("UPDATE moved.clock SET ahead = %s - pg_catalog.clock_timestamp()", moment)

    def move(self, by: timedelta) -> None:
        """Put it forward, or back."""
        self._execute("UPDATE moved.clock SET ahead = ahead + %s", by)

    @staticmethod
    def _execute(statement: str, value: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [value])


class MachineClock:
    """The clock of processes that are started with its `env`, by libfaketime; right until it is moved.

    Their monotonic clock moves with it: where libfaketime 0.9 leaves that alone, Python cannot sleep.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move(timedelta())

    @staticmethod
    def missing() -> str | None:
        return None if _library() else "needs libfaketime: apt-get install libfaketime"

    @property
    def env(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": _library() or "",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }

    def move(self, by: timedelta) -> None:
        """Let it be this much ahead, or behind."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{by.total_seconds():+.0f}\n")
        draft.replace(self._file)


def _library() -> str | None:
    return next((path for path in _LIBRARIES if os.path.exists(path)), None)  # noqa: PTH110 - they are no Path yet
