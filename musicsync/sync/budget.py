"""How much a provider may be asked: what ``fetches.claim`` reserves in its statement, and what moves a budget besides.

The fragments of SQL speak of a row ``b`` of the budget table. Days and months are those of UTC.
"""

from datetime import datetime

from musicsync.models import Budget
from musicsync.records import MusicsyncError
from musicsync.sync import sql

DEFAULT_COOLDOWN_SECONDS = 10.0
SHORTEST_COOLDOWN_SECONDS = 1.0
"""A provider that refuses and says "again in 0 s" is not asked again at once by everybody."""
LONGEST_COOLDOWN_SECONDS = 7 * 24 * 3600.0
LONGEST_TURN_SECONDS = 10.0
"""A request out of a run waits no longer for its slot: with a budget of one an hour nobody could try a provider."""

PACE = 0.9875
"""The share of the rate that is used: the rest is for requests that are a little late, so that none is one too many."""

_TABLE = Budget._meta.db_table
_TODAY = "(clock_timestamp() AT TIME ZONE 'UTC')::date"
_THIS_MONTH = f"date_trunc('month', {_TODAY})::date"
_DAY_IS_USED_UP = f"coalesce(b.day = {_TODAY} AND b.used_in_day >= b.per_day, false)"
_MONTH_IS_USED_UP = f"coalesce(b.month = {_THIS_MONTH} AND b.used_in_month >= b.per_month, false)"
_PAUSED = "coalesce(b.cooldown_until > clock_timestamp(), false)"

SPACING = f"make_interval(secs => 1 / (b.rate * {PACE}))"
"""The time from one slot to the next."""
_FURTHEST = f"(clock_timestamp() + (b.burst + 1) * {SPACING} + interval '1 minute')"
SPENT = f"({_PAUSED} OR {_DAY_IS_USED_UP} OR {_MONTH_IS_USED_UP})"
"""Whether nothing may be asked now, whatever the rate."""
RESERVE = f"""
    theoretical_arrival_at = greatest(b.theoretical_arrival_at, clock_timestamp()) + {SPACING},
    day = {_TODAY}, used_in_day = CASE WHEN b.day = {_TODAY} THEN b.used_in_day ELSE 0 END + 1,
    month = {_THIS_MONTH}, used_in_month = CASE WHEN b.month = {_THIS_MONTH} THEN b.used_in_month ELSE 0 END + 1
"""
"""The assignments that take the next slot (GCRA: one timestamp that moves on by the spacing) and count the request."""
SLOT_AT = f"(b.theoretical_arrival_at - (b.burst - 1) * {SPACING})"
"""When the next slot is."""
WAIT = f"extract(epoch FROM {SLOT_AT} - {SPACING} - clock_timestamp())::float8"
"""Of a budget whose slot was just taken: the seconds until then; negative where it has come already."""
FREE_AT = f"""greatest(
    CASE WHEN {_PAUSED} THEN b.cooldown_until END,
    CASE WHEN {_DAY_IS_USED_UP} THEN ({_TODAY} + 1)::timestamp AT TIME ZONE 'UTC' END,
    CASE WHEN {_MONTH_IS_USED_UP} THEN ({_THIS_MONTH} + interval '1 month') AT TIME ZONE 'UTC' END,
    {SLOT_AT})"""
"""When something may be asked again: the end of the pause, the next day or month of the quota, or the next slot."""


def forget_far_slots() -> None:
    """Let nobody wait for slots that are further ahead than the rate explains.

    Slots are held for seconds. Such a time was written at a lower rate than today's, or before the database's clock
    was put back.
    """
    sql.execute(
        f"UPDATE {_TABLE} b SET theoretical_arrival_at = {_FURTHEST} "  # noqa: S608
        f"WHERE theoretical_arrival_at > {_FURTHEST}"
    )


class NotNow(MusicsyncError):
    """Nothing may be asked at present; ``until`` is when that ends."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"nothing may be asked before {until:%Y-%m-%d %H:%M:%S} UTC: a pause, or a quota that is used up"
        )
        self.until = until


def take_turn(budget_id: int) -> float:
    """Reserve the next slot for a request that no fetch is for (a probe, or by hand); return the seconds until then.

    A slot that is more than 10 s away is not waited for: 0 is returned, and the workers wait that much longer.

    Raises:
        NotNow: the provider asked for a pause or its quota is used up. Nothing is to be sent, and nothing is counted.
    """
    rows = sql.query(
        f"UPDATE {_TABLE} b SET {RESERVE} WHERE id = %s AND NOT {SPENT} RETURNING {WAIT} AS wait",  # noqa: S608
        [budget_id],
    )
    if not rows:
        raise NotNow(sql.query(f"SELECT {FREE_AT} AS until FROM {_TABLE} b WHERE id = %s", [budget_id])[0]["until"])  # noqa: S608
    wait: float = rows[0]["wait"]
    return max(0.0, wait) if wait <= LONGEST_TURN_SECONDS else 0.0


def cool_down(budget_id: int, seconds: float | None) -> None:
    """Let nobody ask for this many seconds, or 10 where the provider did not say; never shorten a longer pause."""
    pause = min(
        DEFAULT_COOLDOWN_SECONDS if seconds is None else max(seconds, SHORTEST_COOLDOWN_SECONDS),
        LONGEST_COOLDOWN_SECONDS,
    )
    sql.execute(
        f"UPDATE {_TABLE} SET cooldown_until = "  # noqa: S608
        "greatest(cooldown_until, clock_timestamp() + make_interval(secs => %s)) WHERE id = %s",
        [pause, budget_id],
    )


def came_late(budget_id: int, seconds: float) -> None:
    """Move all slots that nobody holds yet: a request went out this much after its own, closer to those behind it."""
    sql.execute(
        f"UPDATE {_TABLE} SET theoretical_arrival_at = theoretical_arrival_at + make_interval(secs => %s) "  # noqa: S608
        "WHERE id = %s",
        [seconds, budget_id],
    )
