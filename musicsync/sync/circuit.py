"""The circuit breaker of a provider: while it is open nothing is asked but a probe, and no fetch fails for its outage.

    closed -- 4 failed requests in a row, or a refused credential --> open -- a probe is answered --> closed

Shared by all workers: a row for each provider that ever failed. While it is open ``fetches.claim`` lets
nothing through.
"""

from musicsync.models import Circuit, Fetch, Provider, Run
from musicsync.sync import sql

MOST_FAILURES = 4
"""Fewer than what makes a fetch dead, so that a provider that is down for hours kills none, even where it has one."""
FIRST_PROBE_SECONDS = 10
LONGEST_PROBE_SECONDS = 300

_TABLE = Circuit._meta.db_table
_MOST_REASON = 1000


def failed(provider_id: int, reason: str) -> bool:
    """Count a failed request; tell whether that opened the circuit."""
    rows = sql.query(
        f"""
        INSERT INTO {_TABLE} AS c (provider_id, failures, reason) VALUES (%s, 1, %s)
        ON CONFLICT (provider_id) DO UPDATE SET
            failures = c.failures + 1, reason = excluded.reason,
            opened_at = CASE WHEN c.failures + 1 >= %s THEN clock_timestamp() END,
            probe_at = clock_timestamp() + make_interval(secs => %s), probes = 0
        WHERE c.opened_at IS NULL
        RETURNING c.opened_at IS NOT NULL AS opened
        """,  # noqa: S608
        [provider_id, reason[:_MOST_REASON], MOST_FAILURES, FIRST_PROBE_SECONDS],
    )
    return bool(rows) and bool(rows[0]["opened"])


def open_at_once(provider_id: int, reason: str) -> bool:
    """Open the circuit; tell whether it was closed until now."""
    return bool(
        sql.query(
            f"""
            INSERT INTO {_TABLE} AS c (provider_id, failures, opened_at, probe_at, reason)
            VALUES (%s, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => %s), %s)
            ON CONFLICT (provider_id) DO UPDATE SET
                failures = c.failures + 1, opened_at = excluded.opened_at, probe_at = excluded.probe_at, probes = 0,
                reason = excluded.reason
            WHERE c.opened_at IS NULL
            RETURNING 1
            """,  # noqa: S608
            [provider_id, FIRST_PROBE_SECONDS, reason[:_MOST_REASON]],
        )
    )


def was_open(provider_id: int, seconds: float) -> bool:
    """Tell whether it is open, or was at any time in the last so many seconds."""
    return bool(
        sql.query(
            f"SELECT 1 FROM {_TABLE} WHERE provider_id = %s "  # noqa: S608
            "AND (opened_at IS NOT NULL OR closed_at > clock_timestamp() - make_interval(secs => %s))",
            [provider_id, seconds],
        )
    )


def answered(provider_id: int) -> None:
    """Note that the provider answers: what failed before was not in a row."""
    sql.execute(
        f"UPDATE {_TABLE} SET failures = 0 WHERE provider_id = %s AND opened_at IS NULL AND failures > 0",  # noqa: S608
        [provider_id],
    )


def take_due() -> list[int]:
    """Return the providers to probe now, each to one caller alone; the next probes are due 20, 40, 80, ... s later."""
    rows = sql.query(
        f"""
        UPDATE {_TABLE} SET probes = probes + 1,
            probe_at = clock_timestamp() + make_interval(secs => least(%s, %s * power(2, least(probes + 1, 20))))
        WHERE opened_at IS NOT NULL AND probe_at <= clock_timestamp() RETURNING provider_id
        """,  # noqa: S608
        [LONGEST_PROBE_SECONDS, FIRST_PROBE_SECONDS],
    )
    return sorted(row["provider_id"] for row in rows)


def still_open(provider_id: int, reason: str) -> None:
    """Keep what the last probe was told."""
    Circuit.objects.filter(provider=provider_id).update(reason=reason[:_MOST_REASON])


def close(provider: Provider) -> list[int]:
    """Close the circuit; return the fetches that waited, which may be tried now."""
    sql.execute(
        f"UPDATE {_TABLE} SET failures = 0, opened_at = NULL, probe_at = NULL, probes = 0, reason = '', "  # noqa: S608
        "closed_at = clock_timestamp() WHERE provider_id = %s",
        [provider.pk],
    )
    rows = sql.query(
        f"UPDATE {Fetch._meta.db_table} f SET not_before = NULL, status = 'queued', queued_at = clock_timestamp() "  # noqa: S608
        f"FROM {Run._meta.db_table} r WHERE r.id = f.run_id AND r.provider_id = %s AND r.status = 'running' "
        "AND f.status = 'waiting' RETURNING f.id",
        [provider.pk],
    )
    return sorted(row["id"] for row in rows)
