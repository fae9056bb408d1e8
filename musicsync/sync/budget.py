"""How fast a provider may be asked. Reserving a slot is part of ``fetches.claim``, in the same statement."""

from datetime import datetime

from musicsync.models import Budget
from musicsync.sync import sql

DEFAULT_COOLDOWN_SECONDS = 10.0
SHORTEST_COOLDOWN_SECONDS = 1.0
"""A provider that refuses and says "again in 0 s" is not asked again at once by everybody."""
LONGEST_COOLDOWN_SECONDS = 7 * 24 * 3600.0


def count_one(budget_id: int) -> datetime | None:
    """Count a request that somebody sends by hand, without waiting for its slot; workers wait for it, then.

    Returns until when the provider asked for a pause, where it did: nothing is to be sent, and nothing is counted.
    """
    rows = sql.query(
        f"UPDATE {Budget._meta.db_table} SET theoretical_arrival_at = CASE WHEN cooldown_until > clock_timestamp() "  # noqa: S608
        "THEN theoretical_arrival_at "
        "ELSE greatest(theoretical_arrival_at, clock_timestamp()) + make_interval(secs => 1 / rate) END "
        "WHERE id = %s RETURNING CASE WHEN cooldown_until > clock_timestamp() THEN cooldown_until END AS until",
        [budget_id],
    )
    until: datetime | None = rows[0]["until"]
    return until


def cool_down(budget_id: int, seconds: float | None) -> None:
    """Let nobody ask for this many seconds, or 10 where the provider did not say; never shorten a longer pause."""
    pause = min(
        DEFAULT_COOLDOWN_SECONDS if seconds is None else max(seconds, SHORTEST_COOLDOWN_SECONDS),
        LONGEST_COOLDOWN_SECONDS,
    )
    sql.execute(
        f"UPDATE {Budget._meta.db_table} SET cooldown_until = "  # noqa: S608
        "greatest(cooldown_until, clock_timestamp() + make_interval(secs => %s)) WHERE id = %s",
        [pause, budget_id],
    )
