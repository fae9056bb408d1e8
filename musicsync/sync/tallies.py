"""What of a run under way is added up already, so that nobody who looks at it adds up a hundred thousand fetches.

A tally has what was applied below an id under which the run owes nothing any more. Nothing is added there later: what
a page owes on is written down with its end, so it comes after a fetch that is open until then. Only a replay opens
fetches that were behind it, and resets the tally. Whoever reads a run takes its tally and adds the fetches from there
on (``queries.progress_of``): what is shown is as true as if all were added up.
"""

from collections import Counter
from collections.abc import Iterable

from django.db import transaction

from musicsync.models import Fetch, Tally
from musicsync.sync import sql

RECENT_SECONDS = 5
"""What was sent within this time is left to readers, who tell it from what was sent before."""
_FETCH, _TALLY = Fetch._meta.db_table, Tally._meta.db_table


def carry_on(run_id: int) -> None:
    """Add to the run's tally what was applied since, as far as nothing before it is open."""
    with transaction.atomic():
        sql.execute(f"INSERT INTO {_TALLY} (run_id) VALUES (%s) ON CONFLICT DO NOTHING", [run_id])  # noqa: S608
        # A replay that is under way is waited for: what it opens is seen by the next statement, and not by this one.
        sql.query(f"SELECT 1 FROM {_TALLY} WHERE run_id = %s FOR UPDATE", [run_id])  # noqa: S608
        rows = sql.query(
            f"""
            WITH tally AS (SELECT * FROM {_TALLY} WHERE run_id = %s), bound AS (
                SELECT least(
                    (SELECT min(f.id) FROM {_FETCH} f WHERE f.run_id = tally.run_id AND f.status = 'pending'),
                    (SELECT min(f.id) FROM {_FETCH} f
                     WHERE f.run_id = tally.run_id AND f.status IN ('queued', 'leased', 'waiting')),
                    (SELECT min(f.id) FROM {_FETCH} f
                     WHERE f.run_id = tally.run_id AND f.status = 'applied' AND f.id >= tally.below
                       AND f.started_at > clock_timestamp() - make_interval(secs => %s))) AS id FROM tally)
            SELECT bound.id AS below, f.counts, count(*) AS n FROM tally, bound, {_FETCH} f
            WHERE f.run_id = tally.run_id AND f.status = 'applied' AND f.id >= tally.below AND f.id < bound.id
            GROUP BY bound.id, f.counts
            """,  # noqa: S608
            [run_id, RECENT_SECONDS],
        )
        if rows:
            tally = Tally.objects.get(pk=run_id)
            tally.below, tally.applied = rows[0]["below"], tally.applied + sum(row["n"] for row in rows)
            tally.counts = added_up([{"counts": tally.counts, "n": 1}, *rows])
            tally.save()


def reset(run_id: int) -> None:
    """Forget what is added up, and let nobody add before this transaction has ended."""
    sql.execute(
        f"INSERT INTO {_TALLY} (run_id) VALUES (%s) "  # noqa: S608
        f"ON CONFLICT (run_id) DO UPDATE SET below = 0, applied = 0, counts = '{{}}'",
        [run_id],
    )


def added_up(rows: Iterable[sql.Row]) -> dict[str, int]:
    """Return the sum of the ``counts`` of rows, each of which stands for ``n`` fetches."""
    totals = Counter[str]()
    for row in rows:
        totals.update({name: count * row["n"] for name, count in row["counts"].items()})
    return dict(totals)
