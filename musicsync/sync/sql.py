"""Set-based reading and writing: one statement a set, whatever its size.

New rows come in by ``COPY``. What looks at rows that are there (updates, ``ON CONFLICT``) takes the set as one jsonb
parameter. Both keep the order of the rows, so that two transactions write in the same order.
"""

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import msgspec
from django.db import Error, IntegrityError, connection, transaction
from django.db import OperationalError as DjangoOperationalError
from psycopg import Error as Cause
from psycopg import InterfaceError, OperationalError

Row = dict[str, Any]
Values = tuple[Any, ...]
Found = TypeVar("Found")
P = ParamSpec("P")

PATIENCE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.5
_MOST_TRIES = 8
_JSONB_OID = 3802
_JSON = msgspec.json.Encoder()
_ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{4}|.)")
_CONTROL = re.compile(rb"\\[bfnrtu]")
_AWAY_CLASSES = ("08", "53", "57")
"""Connection lost, out of resources (disk, memory, connections), stopped by an operator: SQLSTATE classes that pass."""


def is_away(error: BaseException) -> bool:
    """Tell an error of the database's surroundings, which passes, from one that the statement itself made."""
    cause = error.__cause__
    if not isinstance(error, Error) or not isinstance(cause, Cause):
        return isinstance(error, Error) and "connection" in str(error)
    if cause.sqlstate is None:
        # Said here and not by the server: the connection, or a value that psycopg itself refuses, which does not pass.
        return isinstance(cause, OperationalError | InterfaceError)
    return cause.sqlstate.startswith(_AWAY_CLASSES)


def patiently(function: Callable[[], Found], seconds: float = PATIENCE_SECONDS) -> Found:
    """Call the function, again where the database is away, for so long: nobody can do anything without it meanwhile.

    Raises:
        Error: it was away all the time, or what the function raises besides.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return function()
        except Error as error:
            if not is_away(error) or time.monotonic() > end:
                raise
            # A broken connection stays broken: the next call makes a new one.
            connection.close()
            time.sleep(_LOOK_AGAIN_SECONDS)


def in_one_transaction(function: Callable[P, Found]) -> Callable[P, Found]:
    """Run the function in a transaction, again where another one was just before it.

    Of two that write the same for the first time the database lets one win (a unique key), and of two that wait for
    each other it stops one (a deadlock).
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Found:
        for attempt in range(1, _MOST_TRIES):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except (IntegrityError, DjangoOperationalError) as error:
                if not _is_race(error):
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - so that the two do not meet again
        with transaction.atomic():
            return function(*args, **kwargs)

    return wrapped


def _is_race(error: Exception) -> bool:
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate in ("23505", "40P01", "40001")  # unique_violation, deadlock_detected, serialization_failure


def query(statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run one statement and return its rows as dictionaries, jsonb decoded; none where it returns no rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, _written(parameters))
        columns = cursor.description  # made anew each time that it is asked for
        if columns is None:
            return []
        names = [column.name for column in columns]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        for column in columns:
            if column.type_code == _JSONB_OID:  # Django leaves jsonb to its model fields: a raw cursor gives text
                for row in rows:
                    row[column.name] = None if row[column.name] is None else msgspec.json.decode(row[column.name])
    return rows


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Run one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, _written(parameters))
        return int(cursor.rowcount)


def copy(table: str, columns: Mapping[str, str], rows: Sequence[Values]) -> None:
    """Append the rows to the table in their order. No rows, no statement.

    ``columns`` gives each column's PostgreSQL type; a row has a value for each of them.

    Raises:
        IntegrityError: one of the rows breaks a constraint; none is written.
    """
    if not rows:
        return
    statement = rf"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv, ESCAPE '\', NULL 'null')"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copying:
        copying.write(_csv(columns, rows))


def insert_missing(table: str, columns: Mapping[str, str], rows: Sequence[Row], key: str) -> None:
    """Insert the rows whose ``key`` (columns of a unique constraint) is not there yet. No rows, no statement."""
    if not rows:
        return
    names = ", ".join(columns)
    execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {_recordset(columns)} ON CONFLICT ({key}) DO NOTHING",  # noqa: S608
        [_encode(rows)],
    )


def update(table: str, columns: Mapping[str, str], rows: Sequence[Row], also: str = "") -> int:
    """Update the rows by their "id" and return how many were; ``also`` is set besides (", changed_at = now()")."""
    if not rows:
        return 0
    assignments = ", ".join(f"{name} = r.{name}" for name in columns if name != "id")
    return execute(
        f"UPDATE {table} t SET {assignments}{also} FROM {_recordset(columns)} WHERE t.id = r.id",  # noqa: S608
        [_encode(rows)],
    )


def new_ids(table: str, count: int) -> list[int]:
    """Return ids from the table's sequence, for rows that others must refer to before they are written."""
    if not count:
        return []
    found = query(
        "SELECT array_agg(nextval(s.name)) AS ids FROM generate_series(1, %s), "
        "(SELECT pg_get_serial_sequence(%s, 'id')::regclass AS name OFFSET 0) s",
        [count, table],
    )
    ids: list[int] = found[0]["ids"]
    return ids


def grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """Return the rows under each value of one column, in their order."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _recordset(columns: Mapping[str, str]) -> str:
    types = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    return f"jsonb_to_recordset(%s::jsonb) AS r({types})"


def _encode(rows: Sequence[Row]) -> str:
    return msgspec.json.encode(rows).decode()


def _csv(columns: Mapping[str, str], rows: Sequence[Values]) -> bytes:
    r"""Return the rows as CSV, written by the fastest writer there is: JSON's.

    A line of JSON is one of CSV, but for two things. Objects and lists are texts of their own in CSV. And JSON escapes
    control characters, which stand for themselves in CSV; that ``\"`` is a quote and ``\\`` a backslash, PostgreSQL
    can be told.
    """
    values = [
        writer(column) if (writer := _WRITERS.get(type_)) else column
        for type_, column in zip(columns.values(), zip(*rows, strict=True), strict=True)
    ]
    lines = _JSON.encode_lines(list(zip(*values, strict=True)))[1:-2].replace(b"]\n[", b"\n")
    # Most that look like an escaped control character are one within a JSON text, or a letter after a backslash.
    if _CONTROL.search(lines) and _CONTROL.search(lines.replace(rb"\\", b"")):
        return _ESCAPE.sub(_plain, lines)
    return lines


def _plain(escape: re.Match[bytes]) -> bytes:
    text = escape[0]
    return text if text in (rb"\"", rb"\\") else str(msgspec.json.decode(b'"%b"' % text)).encode()


def _jsonb(column: Sequence[Any]) -> list[str | None]:
    """Return the values as JSON; one that many rows share is written once."""
    written: dict[int, str | None] = {id(None): None}
    return [
        written[key] if (key := id(value)) in written else written.setdefault(key, _JSON.encode(value).decode())
        for value in column
    ]


def _arrays(column: Sequence[Sequence[str] | Sequence[int] | None]) -> list[str | None]:
    return [_array(values) for values in column]


def _array(values: Sequence[str] | Sequence[int] | None) -> str | None:
    if not values:
        return None if values is None else "{}"
    return "{" + ",".join([_quoted(value) if isinstance(value, str) else str(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(parameters: Sequence[Any]) -> list[Any]:
    """Return the parameters with lists as PostgreSQL writes arrays, which psycopg takes five times as long for."""
    return [_array(value) if isinstance(value, list) else value for value in parameters]


_WRITERS: dict[str, Callable[[Sequence[Any]], list[str | None]]] = {
    "jsonb": _jsonb,
    "text[]": _arrays,
    "bigint[]": _arrays,
}
