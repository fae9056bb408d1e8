"""Who of several processes acts, by a lease in the database: who has it renews it, who finds it run out takes it.

No advisory lock: PostgreSQL would keep that of a machine that lost its power for as long as TCP believes in it, hours.
The database's clock alone counts, so that the clocks of the machines need not agree.
"""

from datetime import datetime, timedelta

from django.db.models.functions import Now

from musicsync.models import Leader
from musicsync.sync import sql

LEASE = timedelta(seconds=15)
_RACE = timedelta(seconds=5)
"""How much later than ours another's claim may have begun that was quicker: it is no clock that was put back."""


def claim(name: str, holder: str) -> bool:
    """Take the lease, or renew it; return whether ``holder`` has it now, for 15 s.

    A lease that ends later than it can was given before the database's clock was put back, and counts as run out.
    """
    rows = sql.query(
        f"""
        INSERT INTO {Leader._meta.db_table} AS l (name, holder, since, expires_at)
        VALUES (%s, %s, statement_timestamp(), statement_timestamp() + %s)
        ON CONFLICT (name) DO UPDATE SET
            holder = excluded.holder, expires_at = excluded.expires_at,
            since = CASE WHEN l.holder = excluded.holder THEN l.since ELSE excluded.since END
        WHERE l.holder = excluded.holder
            OR l.expires_at NOT BETWEEN statement_timestamp() AND excluded.expires_at + %s
        RETURNING holder
        """,  # noqa: S608
        [name, holder, LEASE, _RACE],
    )
    return bool(rows)


def give_up(name: str, holder: str) -> None:
    """Let another take the lease at once; nothing where ``holder`` does not have it."""
    Leader.objects.filter(name=name, holder=holder).update(expires_at=Now())


def silence(name: str) -> tuple[datetime, timedelta] | None:
    """Return when the lease was last renewed and how long ago that is, or ``None`` where nobody ever had it."""
    row = Leader.objects.filter(name=name).annotate(now=Now()).first()
    if row is None:
        return None
    renewed_at = row.expires_at - LEASE
    return renewed_at, row.now - renewed_at
