"""The ledger of requests: which are owed, who works on one, and when it may be tried again.

Each state change is one statement guarded by the state before it, so that a message delivered twice, a late worker or
a cancelled run changes nothing.

    pending -> queued -> leased -> applied | dead
                  ^         |
                  +- waiting <- (budget, Retry-After, retry)
"""

import random
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec
from django.db import transaction
from msgspec import Struct

from musicsync.models import Budget, Fetch, KnownPage, Provider, Run
from musicsync.records import Mode, Request
from musicsync.sync import sql

LEASE_SECONDS = 90
"""Longer than the hard time limit of a task (75 s), so that a lease that runs out belongs to nobody any more."""
LONGEST_SLEEP_SECONDS = 0.25
"""A shorter wait for the budget is slept by the worker; a longer one goes back to the row."""
GRACE_SECONDS = 5
"""How long after its time a fetch is left to the message that was sent with a countdown."""
LOST_MESSAGE_SECONDS = 60
"""How long a queued message may take before it is sent again; a second one does no harm."""
MOST_FAILURES = 5
_FIRST_DELAY_SECONDS = 2.0
_MOST_ERROR_TEXT = 4000
_PLAN_CHUNK = 5000

_FETCH, _RUN, _PROVIDER, _BUDGET, _PAGE = (model._meta.db_table for model in (Fetch, Run, Provider, Budget, KnownPage))


class Lease(Struct, frozen=True):
    """The right to work on one fetch, held by a token until it runs out. ``wait`` is in seconds: sleep it first."""

    id: int
    token: UUID
    run_id: int
    scope_id: int
    provider_id: int
    budget_id: int
    mode: Mode
    key: str
    request: Request
    wait: float


class Postponed(Struct, frozen=True):
    """The fetch cannot be worked on now, but in this many seconds."""

    fetch_id: int
    seconds: float


def claim(fetch_id: int) -> Lease | Postponed | None:
    """Lease the fetch and reserve the provider's next slot, in one statement.

    ``None`` where there is nothing to do: it is done, being worked on, not due, or its run has ended. The slot follows
    GCRA: a request may go at ``theoretical_arrival_at - (burst - 1) / rate`` and moves that time on by ``1 / rate``.
    """
    rows = sql.query(
        f"""
        WITH claimed AS (
            UPDATE {_FETCH} f
            SET status = 'leased', lease_token = gen_random_uuid(), started_at = clock_timestamp(),
                lease_expires_at = clock_timestamp() + make_interval(secs => %s)
            FROM {_RUN} r JOIN {_PROVIDER} p ON p.id = r.provider_id
            WHERE f.id = %s AND r.id = f.run_id AND r.status = 'running'
              AND f.status IN ('pending', 'queued', 'waiting')
              AND (f.not_before IS NULL OR f.not_before <= clock_timestamp())
            RETURNING f.id, f.lease_token AS token, f.run_id, f.scope_id, r.provider_id, p.budget_id, r.mode,
                      f.key, f.request
        ), slot AS (
            UPDATE {_BUDGET} b
            SET theoretical_arrival_at =
                greatest(b.theoretical_arrival_at, clock_timestamp()) + make_interval(secs => 1 / b.rate)
            FROM claimed
            WHERE b.id = claimed.budget_id
              AND (b.cooldown_until IS NULL OR b.cooldown_until <= clock_timestamp())
              AND b.theoretical_arrival_at
                  <= clock_timestamp() + make_interval(secs => (b.burst - 1) / b.rate + %s)
            RETURNING
                extract(epoch FROM b.theoretical_arrival_at - clock_timestamp())::float8 - b.burst / b.rate AS wait
        )
        SELECT claimed.*, slot.wait FROM claimed LEFT JOIN slot ON true
        """,  # noqa: S608
        [LEASE_SECONDS, fetch_id, LONGEST_SLEEP_SECONDS],
    )
    if not rows:
        return None
    row = rows[0]
    if row["wait"] is None:
        return _postpone_to_slot(row["id"], row["token"])
    request = msgspec.convert(row.pop("request"), Request)
    return Lease(request=request, wait=max(0.0, row.pop("wait")), **row)


def hold(lease: Lease) -> bool:
    """Lock the leased row for the rest of the transaction; ``False`` where the lease is not valid any more."""
    return bool(
        sql.query(
            f"SELECT 1 FROM {_FETCH} WHERE id = %s AND lease_token = %s AND status = 'leased' FOR UPDATE",  # noqa: S608
            [lease.id, lease.token],
        )
    )


def close(
    lease: Lease, outcome: Literal["page", "not_modified", "gone"], counts: dict[str, int], said: str = ""
) -> None:
    """Mark the held fetch as applied, with what came of it and what the provider ``said`` besides."""
    sql.execute(
        f"UPDATE {_FETCH} SET status = 'applied', outcome = %s, counts = %s::jsonb, error = %s, "  # noqa: S608
        "lease_token = NULL, not_before = NULL, finished_at = clock_timestamp() WHERE id = %s",
        [outcome, msgspec.json.encode(counts).decode(), said[:_MOST_ERROR_TEXT], lease.id],
    )


def fail(lease: Lease, error: str) -> Postponed | None:
    """Note a failure that may pass: try again in 2, 4, 8, 16 s with jitter; the fifth in a row is the last.

    ``None`` where the fetch is dead by that, or the lease is not valid any more.
    """
    rows = sql.query(
        f"""
        UPDATE {_FETCH}
        SET failures = failures + 1, error = %s, lease_token = NULL, finished_at = clock_timestamp(),
            status = CASE WHEN failures + 1 >= %s THEN 'dead' ELSE 'waiting' END,
            not_before = clock_timestamp() + make_interval(secs => %s * power(2, failures) * %s)
        WHERE id = %s AND lease_token = %s AND status = 'leased'
        RETURNING id, status, extract(epoch FROM not_before - clock_timestamp())::float8 AS seconds
        """,  # noqa: S608
        [
            error[:_MOST_ERROR_TEXT],
            MOST_FAILURES,
            _FIRST_DELAY_SECONDS,
            random.uniform(0.75, 1.25),  # noqa: S311 - jitter, so that failures of one moment do not return as one
            lease.id,
            lease.token,
        ],
    )
    if not rows or rows[0]["status"] == Fetch.Status.DEAD:
        return None
    return Postponed(rows[0]["id"], rows[0]["seconds"])


def bury(lease: Lease, error: str) -> None:
    """Give the fetch up: asking again will not help."""
    sql.execute(
        f"UPDATE {_FETCH} SET status = 'dead', failures = failures + 1, error = %s, lease_token = NULL, "  # noqa: S608
        "finished_at = clock_timestamp() WHERE id = %s AND lease_token = %s AND status = 'leased'",
        [error[:_MOST_ERROR_TEXT], lease.id, lease.token],
    )


def postpone(lease: Lease, reason: str) -> Postponed | None:
    """Give the fetch back until its budget allows it, which is no failure of its own."""
    return _postpone_to_slot(lease.id, lease.token, reason)


def owe(run_id: int, provider_id: int, mode: str, scope_id: int, requests: Sequence[Request]) -> None:
    """Note the requests that the run owes its provider; those that it already does are left as they are.

    An incremental run does not ask for the details of what is known: it goes through such a page by what the page
    held when it was last read, so that whatever is missing behind it is found.
    """
    owed = _unknown(provider_id, requests) if mode == Run.Mode.INCREMENTAL else list(requests)
    for start in range(0, len(owed), _PLAN_CHUNK):
        rows: list[sql.Row] = [
            {"run_id": run_id, "scope_id": scope_id, "key": request.key, "request": msgspec.to_builtins(request)}
            for request in owed[start : start + _PLAN_CHUNK]
        ]
        sql.insert(
            _FETCH,
            {"run_id": "bigint", "scope_id": "bigint", "key": "text", "request": "jsonb", "counts": "jsonb"},
            [row | {"counts": {}} for row in rows],
            "ON CONFLICT (run_id, key) DO NOTHING",
        )


def fill_window(run_id: int, window: int) -> list[int]:
    """Queue fetches of the run until ``window`` are in flight; return those to send a message about.

    A lock on the run lets one worker at a time count and fill.
    """
    with transaction.atomic():
        running = sql.query(
            f"SELECT 1 FROM {_RUN} WHERE id = %s AND status = 'running' FOR NO KEY UPDATE",  # noqa: S608
            [run_id],
        )
        if not running:
            return []
        rows = sql.query(
            f"""
            UPDATE {_FETCH} SET status = 'queued', queued_at = clock_timestamp()
            WHERE id IN (
                SELECT id FROM {_FETCH} WHERE run_id = %s AND status = 'pending' ORDER BY id
                LIMIT greatest(0, %s - (
                    SELECT count(*) FROM {_FETCH} WHERE run_id = %s AND status IN ('queued', 'leased', 'waiting')))
                FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,  # noqa: S608
            [run_id, window, run_id],
        )
    return sorted(row["id"] for row in rows)


def repair() -> list[int]:
    """Take back what nobody works on any more and return the fetches to send a message about again.

    A lease that ran out counts as a failure, because the page may be what ended its worker.
    """
    sql.execute(
        f"""
        UPDATE {_FETCH} f
        SET failures = failures + 1, lease_token = NULL, finished_at = clock_timestamp(),
            error = 'its worker was lost, or did not end in time',
            status = CASE WHEN failures + 1 >= %s THEN 'dead' ELSE 'waiting' END, not_before = clock_timestamp()
        FROM {_RUN} r
        WHERE r.id = f.run_id AND r.status = 'running'
          AND f.status = 'leased' AND f.lease_expires_at < clock_timestamp()
        """,  # noqa: S608
        [MOST_FAILURES],
    )
    rows = sql.query(
        f"""
        UPDATE {_FETCH} f SET status = 'queued', queued_at = clock_timestamp()
        FROM {_RUN} r
        WHERE r.id = f.run_id AND r.status = 'running' AND (
            f.status = 'waiting' AND f.not_before < clock_timestamp() - make_interval(secs => %s)
            OR f.status = 'queued' AND f.queued_at < clock_timestamp() - make_interval(secs => %s))
        RETURNING f.id
        """,  # noqa: S608
        [GRACE_SECONDS, LOST_MESSAGE_SECONDS],
    )
    return sorted(row["id"] for row in rows)


def any_open(run_id: int) -> bool:
    """Tell whether the run still owes anything."""
    return Fetch.objects.filter(run_id=run_id, status__in=Fetch.OPEN).exists()


def _unknown(provider_id: int, requests: Sequence[Request]) -> list[Request]:
    """Return the requests to send so that all pages behind these are known."""
    owed: dict[str, Request] = {}
    passed: set[str] = set()
    ahead = {request.key: request for request in requests}
    while ahead:
        details = [key for key, request in ahead.items() if request.refreshes]
        pages = {
            row["key"]: row["follow_ups"]
            for row in sql.query(
                f"SELECT key, follow_ups FROM {_PAGE} WHERE provider_id = %s AND key = ANY(%s::text[])",  # noqa: S608
                [provider_id, details],
            )
        }
        owed |= {key: request for key, request in ahead.items() if key not in pages}
        passed |= ahead.keys()
        behind = [msgspec.convert(item, Request) for follow_ups in pages.values() for item in follow_ups]
        ahead = {request.key: request for request in behind if request.key not in passed}
    return list(owed.values())


def _postpone_to_slot(fetch_id: int, token: UUID, reason: str = "") -> Postponed | None:
    rows = sql.query(
        f"""
        UPDATE {_FETCH} f
        SET status = 'waiting', lease_token = NULL, error = %s, not_before = greatest(
            b.cooldown_until, b.theoretical_arrival_at - make_interval(secs => (b.burst - 1) / b.rate))
        FROM {_RUN} r JOIN {_PROVIDER} p ON p.id = r.provider_id JOIN {_BUDGET} b ON b.id = p.budget_id
        WHERE f.id = %s AND f.lease_token = %s AND f.status = 'leased' AND r.id = f.run_id
        RETURNING f.id, greatest(0, extract(epoch FROM f.not_before - clock_timestamp()))::float8 AS seconds
        """,  # noqa: S608
        [reason[:_MOST_ERROR_TEXT], fetch_id, token],
    )
    return Postponed(rows[0]["id"], rows[0]["seconds"]) if rows else None
