"""How much a provider may be asked: what ``fetches.claim`` reserves in its statement, and what moves a budget besides.

The fragments of SQL speak of a row ``b`` of the budget table. Days and months are those of UTC.
"""

from datetime import datetime

from msgspec import Struct

from musicsync.models import Budget
from musicsync.records import MusicsyncError
from musicsync.sync import sql

DEFAULT_COOLDOWN_SECONDS = 10.0
SHORTEST_COOLDOWN_SECONDS = 1.0
"""A provider that refuses and says "again in 0 s" is not asked again at once by everybody."""
LONGEST_COOLDOWN_SECONDS = 7 * 24 * 3600.0
LONGEST_TURN_SECONDS = 10.0
"""A request out of a run waits no longer for its slot: with a budget of one an hour nobody could try a provider."""

PACE = 0.985
"""The share of the rate that is used.

The rest is for what cannot be seen from here: that one request takes longer to arrive than one that is sent later.
"""
LEAD_SECONDS = 0.2
"""What waits for a slot is to be back so long before, and sleeps the rest: a message may be late, and a slot lost."""

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
NEXT_ARRIVAL = f"greatest(b.theoretical_arrival_at, clock_timestamp()) + {SPACING}"
"""What ``theoretical_arrival_at`` becomes when the next slot is taken (GCRA: it moves on by the spacing)."""
SLOT_AT = f"(b.theoretical_arrival_at - (b.burst - 1) * {SPACING})"
"""When the next slot is."""
_IS_FAR = f"({SLOT_AT} > clock_timestamp() + interval '{LONGEST_TURN_SECONDS} s')"
TAKEN_AT = f"({SLOT_AT} - {SPACING})"
"""Of a budget whose slot was just taken: when that is."""
MOVED = "make_interval(secs => b.moved_seconds)"
FREE_AT = f"""greatest(
    CASE WHEN {_PAUSED} THEN b.cooldown_until END,
    CASE WHEN {_DAY_IS_USED_UP} THEN ({_TODAY} + 1)::timestamp AT TIME ZONE 'UTC' END,
    CASE WHEN {_MONTH_IS_USED_UP} THEN ({_THIS_MONTH} + interval '1 month') AT TIME ZONE 'UTC' END,
    {SLOT_AT} - interval '{LEAD_SECONDS} s')"""
"""When to look again: at the end of the pause, the next day or month of the quota, or in time for the next slot."""


def counted(requests: str = "1") -> str:
    """Return the assignments that count so many requests, an expression of SQL, for the day and the month."""
    return f"""
        day = {_TODAY}, used_in_day = CASE WHEN b.day = {_TODAY} THEN b.used_in_day ELSE 0 END + {requests},
        month = {_THIS_MONTH},
        used_in_month = CASE WHEN b.month = {_THIS_MONTH} THEN b.used_in_month ELSE 0 END + {requests}"""


def forget_far_slots() -> None:
    """Let nobody wait for slots that are further ahead than the rate explains.

    Slots are held for seconds. Such a time was written at a lower rate than today's, or before the database's clock
    was put back.
    """
    sql.execute(
        f"UPDATE {_TABLE} b SET theoretical_arrival_at = {_FURTHEST} "  # noqa: S608
        f"WHERE theoretical_arrival_at > {_FURTHEST}"
    )


class Turn(Struct, frozen=True):
    """A slot of a budget: in how many seconds, and by how many the slots had been moved when it was given."""

    budget_id: int
    wait: float
    moved: float


class NotNow(MusicsyncError):
    """Nothing may be asked at present; ``until`` is when that ends."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"nothing may be asked before {until:%Y-%m-%d %H:%M:%S} UTC: a pause, or a quota that is used up"
        )
        self.until = until


def take_turn(budget_id: int) -> Turn:
    """Take the next slot for a request that no fetch is for (a probe, or by hand).

    A slot that is more than 10 s away is not waited for: the turn is now, and all slots that others hold move by one.

    Raises:
        NotNow: the provider asked for a pause or its quota is used up. Nothing is to be sent, and nothing is counted.
    """
    rows = sql.query(
        f"UPDATE {_TABLE} b SET theoretical_arrival_at = {NEXT_ARRIVAL}, {counted()}, "  # noqa: S608
        f"moved_seconds = b.moved_seconds + CASE WHEN {_IS_FAR} THEN 1 / (b.rate * {PACE}) ELSE 0 END "
        f"WHERE id = %s AND NOT {SPENT} "
        f"RETURNING extract(epoch FROM {TAKEN_AT} - clock_timestamp())::float8 AS wait, moved_seconds",
        [budget_id],
    )
    if not rows:
        raise NotNow(sql.query(f"SELECT {FREE_AT} AS until FROM {_TABLE} b WHERE id = %s", [budget_id])[0]["until"])  # noqa: S608
    wait: float = rows[0]["wait"]
    return Turn(budget_id, max(0.0, wait) if wait <= LONGEST_TURN_SECONDS else 0.0, rows[0]["moved_seconds"])


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


def came_late(turn: Turn, seconds: float) -> None:
    """Move all slots behind this one: its request went out so much after it, closer to those that follow.

    Also those that waiting fetches hold. By how much others have moved them since the turn was given is enough already.
    """
    sql.execute(
        f"UPDATE {_TABLE} SET moved_seconds = %s, "  # noqa: S608
        "theoretical_arrival_at = theoretical_arrival_at + make_interval(secs => %s - moved_seconds) "
        "WHERE id = %s AND moved_seconds < %s",
        [turn.moved + seconds, turn.moved + seconds, turn.budget_id, turn.moved + seconds],
    )
