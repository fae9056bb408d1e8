"""The ledger of requests: which are owed, who works on one, and when it may be tried again.

Each state change is one statement guarded by the state before it, so that a message delivered twice, a late worker or
a cancelled run changes nothing.

    pending -> queued -> leased -> applied | dead -> discarded
                  ^         |
                  +- waiting <- (budget, Retry-After, retry, open circuit, lost worker)
"""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

import msgspec
from django.db import OperationalError, transaction
from msgspec import Struct
from psycopg.errors import LockNotAvailable

from musicsync.identifiers import clean_text
from musicsync.models import Budget, Circuit, Fetch, KnownPage, Provider, Run, Scope, Worker
from musicsync.models.sources import window_of
from musicsync.records import Mode, Request
from musicsync.redaction import redacted
from musicsync.sync import sql, workers
from musicsync.sync.budget import FREE_AT, LEAD_SECONDS, MOVED, NEXT_ARRIVAL, SLOT_AT, SPENT, TAKEN_AT, Turn, counted

LEASE_SECONDS = 90
"""Longer than the hard time limit of a task (75 s), so that a lease that runs out belongs to nobody any more.

It is the last resort: what a lost child or worker held is taken back long before (``lost``, ``repair``).
"""
LONGEST_SLEEP_SECONDS = 0.25
"""A shorter wait for the budget is slept by the worker; a longer one goes back to the row."""
LONGEST_HOLD_SECONDS = 10.0
"""A slot that is further away is given to nobody yet: the rate, a pause or the run may change until then."""
GRACE_SECONDS = 5
"""How long after its time a fetch is left to the message that was sent with a countdown."""
LONGEST_RETRY_SECONDS = 60
"""What waits longer than this waits for its budget or its circuit alone, and no longer than those ask for."""
LOST_MESSAGE_SECONDS = 25
"""How long a queued message may take before it is sent again; a second one does no harm."""
MOST_FAILURES = 5
MOST_CRASHES = 3
"""A page that ends the process that reads it is not read again and again."""
SHED_SECONDS = 3.0
_FIRST_DELAY_SECONDS = 2.0
_AWAY_SECONDS = 2.0
TURNED_AWAY_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20
"""How long a page waits for removals: a task has 60 s in all, its request included."""
PROBE_LOOK_SECONDS = 5
"""What waits for a probe that is due already looks again after this: the sweep sends it, which may be late."""
_MOST_ERROR_TEXT = 4000
_PLAN_CHUNK = 5000

_FETCH, _RUN, _PROVIDER, _BUDGET, _PAGE, _SCOPE, _CIRCUIT, _WORKER = (
    model._meta.db_table for model in (Fetch, Run, Provider, Budget, KnownPage, Scope, Circuit, Worker)
)

_ASKING = f"""
    SELECT count(*) AS n FROM {_FETCH} asking JOIN {_RUN} r ON r.id = asking.run_id
        JOIN {_PROVIDER} p ON p.id = r.provider_id
    WHERE r.status = 'running' AND asking.status = 'leased' AND p.budget_id ="""  # noqa: S608

_READ_ELSEWHERE = f"""EXISTS (
    SELECT 1 FROM {_RUN} other JOIN {_FETCH} same ON same.run_id = other.id AND same.key = {{fetch}}.key
    WHERE other.status = 'running' AND other.provider_id = {{run}}.provider_id AND other.id <> {{run}}.id
      AND same.status = 'leased')"""  # noqa: S608
"""Whether another run has the same page in hand: the older of two answers must not be applied last."""
_LOOKED_UP = f"""EXISTS (
    SELECT 1 FROM {_RUN} l JOIN {_PROVIDER} lp ON lp.id = l.provider_id JOIN {_FETCH} lf ON lf.run_id = l.id
        LEFT JOIN {_CIRCUIT} lc ON lc.provider_id = lp.id
    WHERE l.status = 'running' AND l.mode = 'lookup' AND lp.budget_id = b.id AND lc.opened_at IS NULL
      AND lf.status IN ('queued', 'waiting') AND lf.attempts = 0 AND lf.slot_at IS NULL
      AND coalesce(lf.not_before, clock_timestamp()) <= clock_timestamp() + interval '{LONGEST_HOLD_SECONDS} s'
      AND NOT {_READ_ELSEWHERE.format(fetch="lf", run="l")})"""  # noqa: S608
"""Whether the budget's next slot is for a lookup, which somebody waits for, and which has not asked yet.

What waits until another run has done with its page takes no slot before.
"""

_LOST = f"""
    crashes = f.crashes + 1, lease_token = NULL, finished_at = clock_timestamp(),
    error = 'its worker was lost, or did not end in time',
    status = CASE WHEN f.crashes + 1 >= {MOST_CRASHES} THEN 'dead' ELSE 'waiting' END,
    not_before = clock_timestamp() + make_interval(secs => {_FIRST_DELAY_SECONDS} * power(2, f.crashes))
"""
_BACK = "f.id, f.status, extract(epoch FROM f.not_before - clock_timestamp())::float8 AS seconds"


class Lease(Struct, frozen=True):
    """The right to work on one fetch, held by a token until it runs out.

    ``provider`` is its slug. ``turn`` is to be waited for before the request is sent. ``concurrency`` is how many
    requests the budget allows at the same time, ``window`` how many fetches of the run are kept ready, ``attempts`` how
    often somebody began to work on the fetch, this time included.
    """

    id: int
    token: UUID
    run_id: int
    scope_id: int
    provider_id: int
    provider: str
    mode: Mode
    key: str
    request: Request
    turn: Turn
    concurrency: int | None
    window: int
    attempts: int

    @property
    def budget_id(self) -> int:
        """Return whose turn it is."""
        return self.turn.budget_id


class RemovalsUnderWay(Exception):
    """A lookup applies nothing while removals of its provider are carried out, which of a large one take minutes."""


class Postponed(Struct, frozen=True):
    """The fetch cannot be worked on now, but in this many seconds."""

    fetch_id: int
    seconds: float


class Repairs(Struct, frozen=True):
    """What a sweep found: how many leases had nobody behind them, and what to send, later or now."""

    taken_back: int
    later: list[Postponed]
    due: list[int]
    unheard: list[int]


def claim(
    fetch_id: int, task_id: str = "", hold_seconds: float = LONGEST_HOLD_SECONDS, token: UUID | None = None
) -> Lease | Postponed | None:
    """Lease the fetch and take the provider's next slot, in one statement.

    ``token`` is the lease's. Who claims again by the same one, as the answer was lost with the connection, has the
    lease that was taken then, and another slot.

    A slot that is too far away to be slept for, and no further than ``hold_seconds``, is held: the fetch waits, and has
    it when it is claimed in time. It waits, too, while another run has the same page in hand, and while a lookup, which
    goes first, has no slot yet. ``None`` where there is nothing to do: the fetch is done, being worked on, not due, or
    its run has ended.
    """
    slot_before, slot_after = (f"coalesce(claimed.held_at + {MOVED}, {when})" for when in (SLOT_AT, TAKEN_AT))
    # Whoever waited for the budget's row meanwhile has a slot that is now, however long ago it began.
    horizon = f"greatest(claimed.now + interval '{LONGEST_SLEEP_SECONDS} s', clock_timestamp())"
    token = token or uuid4()
    rows = sql.query(
        f"""
        WITH claimed AS (  -- the fetch, where it is due, and the slot that it held, where that is still to come
            UPDATE {_FETCH} f
            SET status = 'leased', lease_token = %s, started_at = clock_timestamp(),
                lease_expires_at = clock_timestamp() + make_interval(secs => %s),
                attempts = f.attempts + 1, worker_id = %s, task_id = %s, slot_at = NULL
            FROM {_FETCH} was JOIN {_RUN} r ON r.id = was.run_id
                JOIN {_PROVIDER} p ON p.id = r.provider_id JOIN {_BUDGET} b ON b.id = p.budget_id
                LEFT JOIN {_CIRCUIT} c ON c.provider_id = p.id
            WHERE f.id = %s AND was.id = f.id AND r.status = 'running'
              AND (f.status IN ('pending', 'queued', 'waiting') OR f.status = 'leased' AND f.lease_token = %s)
              AND (f.not_before IS NULL OR f.not_before <= clock_timestamp())
            RETURNING f.id, f.lease_token AS token, f.run_id, f.scope_id, r.provider_id, p.slug AS provider,
                      p.budget_id, r.mode, f.key, f.request, f.attempts, c.opened_at, clock_timestamp() AS now,
                      CASE WHEN was.slot_at + {MOVED} > clock_timestamp() THEN was.slot_at END AS held_at,
                      CASE WHEN b.concurrency > 0 THEN b.concurrency <= ({_ASKING} b.id) ELSE false END
                          OR {_READ_ELSEWHERE.format(fetch="f", run="r")}
                          OR r.mode <> 'lookup' AND was.slot_at IS NULL AND {_LOOKED_UP} AS is_turned_away
        ), slot AS (  -- its own, or else the next; it is counted when it is used
            UPDATE {_BUDGET} b
            SET theoretical_arrival_at =
                    CASE WHEN claimed.held_at IS NULL THEN {NEXT_ARRIVAL} ELSE b.theoretical_arrival_at END,
                {counted(f"({slot_before} <= {horizon})::int")}
            FROM claimed
            WHERE b.id = claimed.budget_id AND claimed.opened_at IS NULL AND NOT claimed.is_turned_away AND NOT {SPENT}
              AND {slot_before} <= claimed.now + make_interval(secs => greatest({LONGEST_SLEEP_SECONDS}, %s))
            RETURNING b.concurrency, b.rate, b.moved_seconds AS moved, {slot_after} - {MOVED} AS slot_at,
                      extract(epoch FROM {slot_after} - clock_timestamp())::float8 AS wait,
                      {slot_after} <= {horizon} AS is_near
        )
        SELECT claimed.*, slot.* FROM claimed LEFT JOIN slot ON true
        """,  # noqa: S608
        [token, LEASE_SECONDS, workers.current(), task_id, fetch_id, token, hold_seconds],
    )
    return _leased(rows[0]) if rows else None


def _leased(row: sql.Row) -> Lease | Postponed | None:
    """Return the lease that was taken, or give it back where the fetch has to wait."""
    if row["wait"] is None:
        return _postpone(
            row["id"], row["token"], TURNED_AWAY_SECONDS if row["is_turned_away"] else 0.0, attempted=False
        )
    if not row["is_near"]:
        return _hold_slot(row["id"], row["token"], row["slot_at"], row["wait"] - LEAD_SECONDS)
    turn = Turn(row["budget_id"], max(0.0, row["wait"]), row["moved"])
    given = {name: row[name] for name in Lease.__struct_fields__ if name in row}
    request = msgspec.convert(row["request"], Request)
    lease = Lease(**given | {"request": request, "turn": turn, "window": window_of(row["rate"])})
    if lease.concurrency and _asking(lease.budget_id) > lease.concurrency:
        return _postpone(lease.id, lease.token, TURNED_AWAY_SECONDS, attempted=False)
    return lease


def hold(lease: Lease) -> bool:
    """Lock the leased row for the rest of the transaction; ``False`` where the lease is not valid any more.

    A lookup waits for removals of its provider that are under way (``stop_lookups``), for a while.

    Raises:
        RemovalsUnderWay: they take longer.
    """
    if lease.mode == "lookup":
        _wait_for_removals(lease.provider_id)
    return bool(
        sql.query(
            f"SELECT 1 FROM {_FETCH} WHERE id = %s AND lease_token = %s AND status = 'leased' FOR UPDATE",  # noqa: S608
            [lease.id, lease.token],
        )
    )


def _wait_for_removals(provider_id: int) -> None:
    sql.execute(f"SET LOCAL lock_timeout = '{LONGEST_WAIT_SECONDS}s'")
    try:
        sql.query(f"SELECT 1 FROM {_PROVIDER} WHERE id = %s FOR SHARE", [provider_id])  # noqa: S608
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise RemovalsUnderWay("removals of its provider are under way") from error
        raise
    sql.execute("SET LOCAL lock_timeout TO DEFAULT")


def stop_lookups(provider_id: int) -> None:
    """Let no lookup of the provider apply a page until the end of the caller's transaction, once those at it have."""
    sql.query(f"SELECT 1 FROM {_PROVIDER} WHERE id = %s FOR NO KEY UPDATE", [provider_id])  # noqa: S608


def close(
    lease: Lease, outcome: Literal["page", "not_modified", "gone"], counts: dict[str, int], said: str = ""
) -> None:
    """Mark the held fetch as applied, with what came of it and what the provider ``said`` besides."""
    sql.execute(
        f"UPDATE {_FETCH} SET status = 'applied', outcome = %s, counts = %s::jsonb, error = %s, "  # noqa: S608
        "excerpt = '', traceback = '', lease_token = NULL, not_before = NULL, finished_at = clock_timestamp() "
        "WHERE id = %s",
        [outcome, msgspec.json.encode(counts).decode(), said[:_MOST_ERROR_TEXT], lease.id],
    )


def fail(lease: Lease, error: str, *, excerpt: str = "", trace: str = "") -> Postponed | None:
    """Note a failure that may pass: try again in 2, 4, 8, 16 s with jitter; the fifth in a row is the last.

    ``None`` where the fetch is dead by that, or the lease is not valid any more.
    """
    rows = sql.query(
        f"""
        UPDATE {_FETCH}
        SET failures = failures + 1, error = %s, excerpt = %s, traceback = %s, lease_token = NULL,
            finished_at = clock_timestamp(), status = CASE WHEN failures + 1 >= %s THEN 'dead' ELSE 'waiting' END,
            not_before = clock_timestamp() + make_interval(secs => %s * power(2, failures) * %s)
        WHERE id = %s AND lease_token = %s AND status = 'leased'
        RETURNING id, status, extract(epoch FROM not_before - clock_timestamp())::float8 AS seconds
        """,  # noqa: S608
        [*_told(error, excerpt, trace), MOST_FAILURES, _FIRST_DELAY_SECONDS, _jitter(), lease.id, lease.token],
    )
    if not rows or rows[0]["status"] == Fetch.Status.DEAD:
        return None
    return Postponed(rows[0]["id"], rows[0]["seconds"])


def bury(lease: Lease, error: str, *, excerpt: str = "") -> None:
    """Give the fetch up: asking again will not help."""
    sql.execute(
        f"UPDATE {_FETCH} SET status = 'dead', failures = failures + 1, error = %s, excerpt = %s, traceback = %s, "  # noqa: S608
        "lease_token = NULL, finished_at = clock_timestamp() WHERE id = %s AND lease_token = %s AND status = 'leased'",
        [*_told(error, excerpt, ""), lease.id, lease.token],
    )


def postpone(lease: Lease, reason: str) -> Postponed | None:
    """Give the fetch back until its budget and circuit allow it, which is no failure of its own."""
    return _postpone(lease.id, lease.token, reason=reason)


def shed(lease: Lease, reason: str) -> Postponed | None:
    """Give the fetch back for some seconds: the provider had a load of its own, which is nobody's failure here."""
    return _postpone(lease.id, lease.token, SHED_SECONDS * _jitter(), reason)


def hand_back(lease: Lease, reason: str) -> Postponed | None:
    """Give the fetch back because this process cannot go on with it: it is told to stop, or the database was away."""
    return _postpone(lease.id, lease.token, _AWAY_SECONDS * _jitter(), reason)


def lost(task_id: str) -> list[Postponed]:
    """Take back what a task held whose process was lost; the third time the fetch is dead.

    Whatever ended the process may be the page itself.
    """
    rows = sql.query(
        f"UPDATE {_FETCH} f SET {_LOST} WHERE f.task_id = %s AND f.status = 'leased' RETURNING {_BACK}",  # noqa: S608
        [task_id],
    )
    return _waiting(rows)


def owe(run_id: int, provider_id: int, mode: str, scope_id: int, requests: Sequence[Request]) -> None:
    """Note the requests that the run owes its provider; those that it already does are left as they are.

    What a page leads to is asked by an incremental run only where it is not known: details that are known are asked
    when their time has come (``checks``), but for further pages of a list, which go with the first. It goes through
    such a page by what the page held when it was last read, so that whatever is missing behind it is found.
    """
    owed = list(requests)
    if mode == Run.Mode.INCREMENTAL:
        first_pages = [request for request in requests if not request.before]
        owed = [request for request in requests if request.before] + _unknown(provider_id, scope_id, first_pages)
    owe_in_order(run_id, [(scope_id, request) for request in owed])


def owe_in_order(run_id: int, owed: Sequence[tuple[int, Request]]) -> None:
    """Note requests that the run owes its provider, each with its scope, known or not: they are asked in this order."""
    for start in range(0, len(owed), _PLAN_CHUNK):
        rows: list[sql.Row] = [
            {"run_id": run_id, "scope_id": scope_id, "key": request.key, "request": msgspec.to_builtins(request)}
            for scope_id, request in owed[start : start + _PLAN_CHUNK]
        ]
        sql.insert_missing(
            _FETCH,
            {"run_id": "bigint", "scope_id": "bigint", "key": "text", "request": "jsonb", "counts": "jsonb"},
            [row | {"counts": {}} for row in rows],
            "run_id, key",
        )


def owe_ahead(lease: Lease, request: Request) -> list[int]:
    """Owe the page after the leased one before that is applied; return the fetches to send a message about (ADR 11).

    Whoever applies the leased one owes it once more, which changes nothing. Where a page of the run is dead, nothing is
    owed ahead: the next one may be like it.
    """
    with transaction.atomic():
        if not hold(lease) or Fetch.objects.filter(run=lease.run_id, status=Fetch.Status.DEAD).exists():
            return []
        owe(lease.run_id, lease.provider_id, lease.mode, lease.scope_id, [request])
    return fill_window(lease.run_id, lease.window)


def fill_window(run_id: int, window: int) -> list[int]:
    """Queue fetches of the run until ``window`` are ready; return those to send a message about.

    Ready are those that have a message on its way or wait for their time. What is being worked on has a worker, of
    which there are only so many; it counts where the budget says how many requests there may be at a time. Workers that
    fill at the same moment may queue a few too many.
    """
    # Chosen once, whatever the plan: a subquery may be asked for each row of the table, and choose others each time.
    rows = sql.query(
        f"""
        WITH chosen AS MATERIALIZED (
            SELECT id FROM {_FETCH} WHERE run_id = %s AND status = 'pending' ORDER BY id
            LIMIT coalesce((
                SELECT greatest(0, least(%s - count(f.id) FILTER (WHERE f.status <> 'leased'),
                                         b.concurrency - count(f.id)))
                FROM {_RUN} r JOIN {_PROVIDER} p ON p.id = r.provider_id JOIN {_BUDGET} b ON b.id = p.budget_id
                    LEFT JOIN {_FETCH} f ON f.run_id = r.id AND f.status IN ('queued', 'leased', 'waiting')
                WHERE r.id = %s AND r.status = 'running' GROUP BY b.concurrency), 0)
            FOR UPDATE SKIP LOCKED)
        UPDATE {_FETCH} f SET status = 'queued', queued_at = clock_timestamp()
        FROM chosen WHERE f.id = chosen.id RETURNING f.id
        """,  # noqa: S608
        [run_id, window, run_id],
    )
    return sorted(row["id"] for row in rows)


def repair() -> Repairs:
    """Take back what nobody works on any more, and queue what is due or whose message was lost."""
    lost = _take_back_lost() if workers.is_heard() else []
    rows = _queue_again()
    due = sorted(row["id"] for row in rows if row["status"] == Fetch.Status.WAITING)
    unheard = sorted(row["id"] for row in rows if row["status"] == Fetch.Status.QUEUED)
    return Repairs(len(lost), _waiting(lost), due, unheard)


def _take_back_lost() -> list[sql.Row]:
    return sql.query(
        f"""
        UPDATE {_FETCH} f SET {_LOST} FROM {_RUN} r
        WHERE r.id = f.run_id AND r.status = 'running' AND f.status = 'leased' AND (
            f.lease_expires_at < clock_timestamp()
            OR f.worker_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM {_WORKER} w
                WHERE w.id = f.worker_id AND w.seen_at > clock_timestamp() - make_interval(secs => %s)))
        RETURNING {_BACK}
        """,  # noqa: S608
        [workers.LOST_SECONDS],
    )


def _queue_again() -> list[sql.Row]:
    """Queue what is due, what no longer has to wait, and what was queued long ago; return id and former status.

    Where nobody has asked the provider for a minute there may be no worker at all: one message of a run is enough to
    find out, so that they do not pile up.
    """
    return sql.query(
        f"""
        UPDATE {_FETCH} f SET status = 'queued', queued_at = clock_timestamp(), not_before = NULL
        FROM {_FETCH} was JOIN {_RUN} r ON r.id = was.run_id
            JOIN {_PROVIDER} p ON p.id = r.provider_id JOIN {_BUDGET} b ON b.id = p.budget_id
            LEFT JOIN {_CIRCUIT} c ON c.provider_id = p.id AND c.opened_at IS NOT NULL
        WHERE was.id = f.id AND r.status = 'running' AND (
            f.status = 'waiting' AND f.not_before < clock_timestamp() - make_interval(secs => %s)
            OR f.status = 'waiting' AND f.not_before > clock_timestamp() + make_interval(secs => %s)
               AND {FREE_AT} <= clock_timestamp() AND c.provider_id IS NULL
            OR f.status = 'queued' AND f.queued_at < clock_timestamp() - make_interval(secs => %s)
               AND (b.theoretical_arrival_at > clock_timestamp() - interval '1 minute' OR f.id = (
                   SELECT min(first.id) FROM {_FETCH} first WHERE first.run_id = r.id AND first.status = 'queued')))
        RETURNING f.id, was.status
        """,  # noqa: S608
        [GRACE_SECONDS, LONGEST_RETRY_SECONDS, LOST_MESSAGE_SECONDS],
    )


def any_open(run_id: int) -> bool:
    """Tell whether the run still owes anything."""
    return Fetch.objects.filter(run_id=run_id, status__in=Fetch.OPEN).exists()


def _unknown(provider_id: int, scope_id: int, requests: Sequence[Request]) -> list[Request]:
    """Return the requests to send so that all pages behind these are known.

    What belongs to another scope that is not followed, such as a lookup's, counts as not known: it is asked for once,
    and so taken over.
    """
    owed: dict[str, Request] = {}
    passed: set[str] = set()
    ahead = {request.key: request for request in requests}
    while ahead:
        details = [key for key, request in ahead.items() if request.refreshes]
        pages = {
            row["key"]: row["follow_ups"]
            for row in sql.query(
                f"SELECT k.key, k.follow_ups FROM {_PAGE} k JOIN {_SCOPE} s ON s.id = k.scope_id "  # noqa: S608
                "WHERE k.provider_id = %s AND k.key = ANY(%s::text[]) AND (s.active OR s.id = %s)",
                [provider_id, details, scope_id],
            )
        }
        owed |= {key: request for key, request in ahead.items() if key not in pages}
        passed |= ahead.keys()
        behind = [msgspec.convert(item, Request) for follow_ups in pages.values() for item in follow_ups]
        ahead = {request.key: request for request in behind if request.key not in passed}
    return list(owed.values())


def _asking(budget_id: int) -> int:
    """Count the fetches of a budget that are being worked on.

    Whoever counts has taken its own lease before. So of those that ask at the same time, the last to take one counted
    them all, and they are not more than it may be.
    """
    found: int = sql.query(f"{_ASKING} %s", [budget_id])[0]["n"]
    return found


def _waiting(rows: Sequence[sql.Row]) -> list[Postponed]:
    return [Postponed(row["id"], row["seconds"]) for row in rows if row["status"] == Fetch.Status.WAITING]


def _postpone(
    fetch_id: int, token: UUID, seconds: float = 0.0, reason: str = "", *, attempted: bool = True
) -> Postponed | None:
    """Let the fetch wait these seconds, and for its budget and circuit; say whether its provider was asked."""
    rows = sql.query(
        f"""
        UPDATE {_FETCH} f
        SET status = 'waiting', lease_token = NULL, error = coalesce(nullif(%s, ''), f.error),
            attempts = f.attempts - %s, not_before = greatest(
            {FREE_AT}, clock_timestamp() + make_interval(secs => %s),
            CASE WHEN c.provider_id IS NOT NULL
                THEN greatest(c.probe_at, clock_timestamp() + make_interval(secs => {PROBE_LOOK_SECONDS})) END)
        FROM {_RUN} r JOIN {_PROVIDER} p ON p.id = r.provider_id JOIN {_BUDGET} b ON b.id = p.budget_id
            LEFT JOIN {_CIRCUIT} c ON c.provider_id = p.id AND c.opened_at IS NOT NULL
        WHERE f.id = %s AND f.lease_token = %s AND f.status = 'leased' AND r.id = f.run_id
        RETURNING f.id, greatest(0, extract(epoch FROM f.not_before - clock_timestamp()))::float8 AS seconds
        """,  # noqa: S608
        [clean_text(reason)[:_MOST_ERROR_TEXT], 0 if attempted else 1, seconds, fetch_id, token],
    )
    return Postponed(rows[0]["id"], rows[0]["seconds"]) if rows else None


def _hold_slot(fetch_id: int, token: UUID, slot_at: datetime, seconds: float) -> Postponed | None:
    """Let the fetch wait so long with the slot that it was given."""
    rows = sql.query(
        f"""
        UPDATE {_FETCH} SET status = 'waiting', lease_token = NULL, attempts = attempts - 1, slot_at = %s,
            not_before = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND lease_token = %s AND status = 'leased' RETURNING id
        """,  # noqa: S608
        [slot_at, seconds, fetch_id, token],
    )
    return Postponed(fetch_id, seconds) if rows else None


def _told(error: str, excerpt: str, trace: str) -> tuple[str, str, str]:
    """Return what is kept of a failure, as PostgreSQL takes it."""
    error, excerpt, trace = (clean_text(redacted(text)) for text in (error, excerpt, trace))
    return error[:_MOST_ERROR_TEXT], excerpt[:_MOST_ERROR_TEXT], trace


def _jitter() -> float:
    """Return a factor, so that failures of one moment do not return as one."""
    return random.uniform(0.75, 1.25)  # noqa: S311
