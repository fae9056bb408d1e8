"""Which workers are alive. A lease is good as long as its worker is heard of."""

from datetime import datetime

from musicsync.models import Worker
from musicsync.sync import sql

HEARTBEAT_SECONDS = 4
LOST_SECONDS = 16
"""After this time without a heartbeat a worker is lost; the next sweep, 5 s later at most, takes back what it held."""

_TABLE = Worker._meta.db_table
_ALIVE = f"(seen_at > clock_timestamp() - interval '{LOST_SECONDS} seconds')"

_current: list[int] = []


def current() -> int | None:
    """Return the id of the worker that this process belongs to; ``None`` outside of one."""
    return _current[0] if _current else None


def register(name: str) -> None:
    """Write down that a worker of this name starts; what an earlier one of the same name held is lost."""
    Worker.objects.filter(name=name).delete()
    _current[:] = [Worker.objects.create(name=name).pk]


def beat(name: str) -> datetime:
    """Say that the worker of this process is alive, also where it was taken for lost meanwhile.

    Returns what the database's clock says.
    """
    rows = sql.query(
        f"INSERT INTO {_TABLE} (id, name, seen_at) VALUES (%s, %s, clock_timestamp()) "  # noqa: S608
        "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at RETURNING seen_at",
        [current(), name],
    )
    seen_at: datetime = rows[0]["seen_at"]
    return seen_at


def leave() -> None:
    """Forget the worker of this process, which has ended; what it still held is lost."""
    Worker.objects.filter(pk__in=_current).delete()
    _current.clear()


def is_heard() -> bool:
    """Tell whether the worker of this process is heard of; one that is not cannot tell that others are lost."""
    me = current()
    return me is None or bool(sql.query(f"SELECT 1 FROM {_TABLE} WHERE id = %s AND {_ALIVE}", [me]))  # noqa: S608


def bury_lost() -> list[str]:
    """Forget the workers that were not heard of for too long; return their names.

    None where this one is not heard of either: then it is the database that was away.
    """
    if not is_heard():
        return []
    rows = sql.query(f"DELETE FROM {_TABLE} WHERE NOT {_ALIVE} RETURNING name")  # noqa: S608
    return sorted(row["name"] for row in rows)
