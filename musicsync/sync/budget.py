"""How much a provider may be asked: what ``fetches.claim`` reserves in its statement, and what moves a budget besides.

The fragments of SQL speak of a row ``b`` of the budget table. Days and months are those of UTC.
"""

from datetime import datetime

from musicsync.models import Budget
from musicsync.sync import sql

DEFAULT_COOLDOWN_SECONDS = 10.0
SHORTEST_COOLDOWN_SECONDS = 1.0
"""A provider that refuses and says "again in 0 s" is not asked again at once by everybody."""
LONGEST_COOLDOWN_SECONDS = 7 * 24 * 3600.0

PACE = 0.985
"""The share of the rate that is used: the rest is for requests that are a little late, so that none is one too many."""

_TABLE = Budget._meta.db_table
_TODAY = "(clock_timestamp() AT TIME ZONE 'UTC')::date"
_THIS_MONTH = f"date_trunc('month', {_TODAY})::date"
_DAY_IS_USED_UP = f"coalesce(b.day = {_TODAY} AND b.used_in_day >= b.per_day, false)"
_MONTH_IS_USED_UP = f"coalesce(b.month = {_THIS_MONTH} AND b.used_in_month >= b.per_month, false)"
_PAUSED = "coalesce(b.cooldown_until > clock_timestamp(), false)"

SPACING = f"make_interval(secs => 1 / (b.rate * {PACE}))"
"""The time from one slot to the next."""
# Slots are held for seconds. What lies further ahead was written before the database's clock was put back.
_ARRIVAL = f"least(b.theoretical_arrival_at, clock_timestamp() + (b.burst + 1) * {SPACING} + interval '1 minute')"
SPENT = f"({_PAUSED} OR {_DAY_IS_USED_UP} OR {_MONTH_IS_USED_UP})"
"""Whether nothing may be asked now, whatever the rate."""
RESERVE = f"""
    theoretical_arrival_at = greatest({_ARRIVAL}, clock_timestamp()) + {SPACING},
    day = {_TODAY}, used_in_day = CASE WHEN b.day = {_TODAY} THEN b.used_in_day ELSE 0 END + 1,
    month = {_THIS_MONTH}, used_in_month = CASE WHEN b.month = {_THIS_MONTH} THEN b.used_in_month ELSE 0 END + 1
"""
"""The assignments that take the next slot (GCRA: one timestamp that moves on by the spacing) and count the request."""
SLOT_AT = f"({_ARRIVAL} - (b.burst - 1) * {SPACING})"
"""When the next slot is."""
FREE_AT = f"""greatest(
    CASE WHEN {_PAUSED} THEN b.cooldown_until END,
    CASE WHEN {_DAY_IS_USED_UP} THEN ({_TODAY} + 1)::timestamp AT TIME ZONE 'UTC' END,
    CASE WHEN {_MONTH_IS_USED_UP} THEN ({_THIS_MONTH} + interval '1 month') AT TIME ZONE 'UTC' END,
    {SLOT_AT})"""
"""When something may be asked again: the end of the pause, the next day or month of the quota, or the next slot."""


def count_one(budget_id: int) -> datetime | None:
    """Count a request that is sent out of turn (a probe, or by hand), without waiting for its slot; workers do, then.

    Returns until when nothing may be asked, where that is so: the provider asked for a pause or its quota is used up.
    Nothing is to be sent then, and nothing is counted.
    """
    if sql.execute(f"UPDATE {_TABLE} b SET {RESERVE} WHERE id = %s AND NOT {SPENT}", [budget_id]):  # noqa: S608
        return None
    rows = sql.query(f"SELECT {FREE_AT} AS until FROM {_TABLE} b WHERE id = %s", [budget_id])  # noqa: S608
    until: datetime | None = rows[0]["until"]
    return until


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
