"""When each page is asked again: what is due, and what a run learnt (ADR 14).

A page has a time of its own where it holds details (``Request.refreshes``), or is what a scope begins with: the further
pages of a list of details (``Request.before``) and of the scope go with it. Feeds, and whatever follows a watermark,
have none, since every run asks them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Struct

from musicsync.freshness import APPEARED, NOTHING, UNKNOWN, Gamma, interval, learnt, price_for, prior_of
from musicsync.models import Fetch, KnownPage, PageCheck, Provider, Run, Scope, Tuning
from musicsync.providers import base, registry
from musicsync.records import Mode, Request, ScopeKind
from musicsync.sync import fetches, sql

UNTUNED_PRICE = 0.3
"""In days of truth. A page of which nothing is known is asked again after a week, one that has just appeared after four
days."""
SAMPLE = 1000
LEAST_SAMPLE = 50
"""Of fewer pages nothing is told of all."""
_SLOWEST, _FASTEST = 1e-4, 10.0
_MONTH = 30.0
_WEEK = 7
_CHUNK = 5000

_CHECK, _FETCH, _PAGE, _RUN, _SCOPE = (model._meta.db_table for model in (PageCheck, Fetch, KnownPage, Run, Scope))

_COLUMNS = {
    "scope_id": "bigint",
    "key": "text",
    "request": "jsonb",
    "checked_at": "timestamptz",
    "wait_days": "float8",
    "changes": "float8",
    "days": "float8",
}
_DEAD = "('dead', 'discarded')"
_SEEN = "c.changes, c.days, (extract(epoch FROM asked_at - c.checked_at) / 86400)::float8 AS since"


class Policy(Struct, frozen=True):
    """By what the times of a provider's pages are set: ``price`` in days of truth, the bounds in days."""

    prior: Gamma
    price: float
    least: float
    most: float

    def wait(self, seen: Gamma) -> float:
        """Return after how many days a page is asked again."""
        return interval(self.prior + seen, self.price, self.least, self.most)


def policy_of(provider: Provider) -> Policy:
    """Return the provider's policy, tuned or not."""
    tuning = Tuning.objects.filter(provider=provider).first()
    prior, price = (Gamma(tuning.changes, tuning.days), tuning.price) if tuning else (UNKNOWN, UNTUNED_PRICE)
    return Policy(prior, price, provider.check_after_least, provider.check_after_most)


# --- what a run asks first --------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """The requests that a pass over a scope begins with."""

    scope: Scope
    requests: list[Request]


def plan(adapter: base.Adapter, scope: Scope, mode: Mode) -> list[Request]:
    """Return the requests that a pass over the scope begins with."""
    kind = cast("ScopeKind", scope.kind)
    return adapter.plan(base.Scope(kind=kind, key=scope.key, watermark=scope.watermark), mode)


def of_scope(scope: Scope) -> PageCheck | None:
    """Return the time of a scope; ``None`` where every incremental run asks for it, or it was never read.

    Raises:
        MusicsyncError: the provider's adapter cannot follow it, or does not take its options.
    """
    if not _has_time(scope):
        return None
    requests = plan(registry.adapter_of(scope.provider), scope, "incremental")
    return PageCheck.objects.filter(provider=scope.provider_id, key=requests[0].key).first() if requests else None


def _has_time(scope: Scope) -> bool:
    return scope.kind != Scope.Kind.FEED and scope.watermark is None


def owe_first(run: Run, plans: Sequence[Plan]) -> None:
    """Note what a run begins with, in its order: ``plans`` has what its scopes begin with.

    An incremental run leaves out the scopes that are not due, and asks besides for details that are. What follows a
    feed comes first, then what was never read, then details that were found and left undone, then what has been due for
    longest; of these two, as many as the provider's limit says.
    """
    if run.mode != Run.Mode.INCREMENTAL:
        fetches.owe_in_order(run.pk, _in_order(plans))
        return
    timed = [plan for plan in plans if _has_time(plan.scope) and plan.requests]
    read = _read_before(run.provider_id, [plan.requests[0].key for plan in timed])
    fetches.owe_in_order(run.pk, _in_order(plan for plan in plans if not _has_time(plan.scope)))
    fetches.owe_in_order(run.pk, _in_order(plan for plan in timed if plan.requests[0].key not in read))
    _owe_due(run, timed, [plan.scope.pk for plan in plans])


def _read_before(provider_id: int, first_keys: list[str]) -> set[str]:
    rows = sql.query(
        f"SELECT key FROM {_CHECK} WHERE provider_id = %s AND key = ANY(%s::text[])",  # noqa: S608
        [provider_id, first_keys],
    )
    return {row["key"] for row in rows}


def _in_order(plans: Iterable[Plan]) -> list[tuple[int, Request]]:
    return [(plan.scope.pk, request) for plan in plans for request in plan.requests]


def _owe_due(run: Run, timed: Sequence[Plan], scope_ids: list[int]) -> None:
    """Owe details that were never answered and pages that are due, the most overdue first, as many as a run may.

    The first page of a scope brings the scope's others along. It counts only under its key of now: an adapter may come
    to ask in another form. Done in one statement, as there may be a hundred thousand details.
    """
    planned = [
        {"first": plan.requests[0].key, "place": place, "scope_id": plan.scope.pk}
        | {"key": request.key, "request": request}
        for plan in timed
        for place, request in enumerate(plan.requests)
    ]
    sql.execute(
        f"""
        INSERT INTO {_FETCH} (run_id, scope_id, key, request, counts)
        SELECT %s, coalesce(p.scope_id, c.scope_id), coalesce(p.key, c.key), coalesce(p.request, c.request), '{{}}'
        FROM (
            SELECT id, key, scope_id, request, check_at FROM {_CHECK}
            WHERE provider_id = %s AND (check_at IS NULL OR check_at <= clock_timestamp())
              AND (request->>'refreshes' IS NOT NULL AND scope_id = ANY(%s::bigint[]) OR key = ANY(%s::text[]))
            ORDER BY check_at NULLS FIRST, id LIMIT %s
        ) c LEFT JOIN jsonb_to_recordset(%s::jsonb)
            AS p(first text, place int, scope_id bigint, key text, request jsonb) ON p.first = c.key
        ORDER BY c.check_at NULLS FIRST, c.id, p.place
        ON CONFLICT (run_id, key) DO NOTHING
        """,  # noqa: S608
        [
            *(run.pk, run.provider_id, scope_ids, [plan.requests[0].key for plan in timed], run.provider.most_checks),
            msgspec.json.encode(planned).decode(),
        ],
    )


# --- what a run learnt ------------------------------------------------------------------------------------------------


def settle(run: Run) -> None:
    """Set when the pages that an ended run asked are due again, by what it learnt of them; a second time is no harm.

    A scope was checked where all its pages were applied; it has changed where one of them has, and so have details. A
    dead page puts off what it is of, so that this does not stand before all others each time. Details that nobody
    answered and nobody knows are noted, so that they are not lost.
    """
    policy = policy_of(run.provider)
    scopes = _scopes_asked(run)
    unread_before = {row["scope_id"] for row in scopes if row["since"] is None}
    _keep(run, policy, [(row, NOTHING) for row in scopes if row["is_whole"]])
    _put_off(run, policy, [row for row in scopes if row["is_dead"]])
    for chunk in _details_asked(run):
        done = [row for row in chunk if row["is_whole"]]
        _forget(run, [row["key"] for row in done if row["is_gone"]])
        answered = [row for row in done if not row["is_gone"]]
        _keep(run, policy, [(row, _first_seen(run, row, unread_before)) for row in answered])
        _put_off(run, policy, [row for row in chunk if row["is_dead"]])
        _note_undone(run, [row for row in chunk if not row["is_whole"] and not row["is_known"]])
    _ask_before_long(run, policy)


def forget_if_edited(provider: Provider, options_before: Any) -> None:
    """Set no times any more by what was asked, where an edit has the provider asked in another way: by other options.

    Its next incremental run begins with all scopes, and asks for what they lead to in the new way.
    """
    if provider.options != options_before:
        PageCheck.objects.filter(provider=provider).delete()


def forget_unknown(provider_id: int, run_ids: list[int]) -> None:
    """Ask no more for what no page leads to: for the end of a full run that dropped such pages.

    What one of the runs has owed is led to, whether somebody answered or not.
    """
    sql.execute(
        f"DELETE FROM {_CHECK} c WHERE c.provider_id = %s "  # noqa: S608
        f"AND NOT EXISTS (SELECT 1 FROM {_PAGE} k WHERE k.provider_id = c.provider_id AND k.key = c.key) "
        f"AND NOT EXISTS (SELECT 1 FROM {_FETCH} f WHERE f.run_id = ANY(%s::bigint[]) AND f.key = c.key)",
        [provider_id, run_ids],
    )


def _first_seen(run: Run, row: sql.Row, unread_before: set[int]) -> Gamma:
    """Return what is seen of a page by reading it once: one that joined a list that was known has just appeared."""
    appeared = run.mode == Run.Mode.INCREMENTAL and row["scope_id"] not in unread_before
    return APPEARED if appeared else NOTHING


def _scopes_asked(run: Run) -> list[sql.Row]:
    """Return the first page of each scope that the run asked, with what became of all its pages together."""
    return sql.query(
        f"""
        WITH asked AS MATERIALIZED (
            SELECT f.scope_id, min(f.id) FILTER (WHERE f.request->>'again' IS NULL) AS first_id,
                   max(f.finished_at) AS asked_at,
                   bool_or(f.counts ? 'changed') AS changed, bool_and(f.status = 'applied') AS is_whole,
                   bool_or(f.status IN {_DEAD}) AS is_dead
            FROM {_FETCH} f WHERE f.run_id = %s AND f.request->>'refreshes' IS NULL GROUP BY f.scope_id
        )
        SELECT asked.scope_id, f.key, f.request, asked_at, changed, is_whole, is_dead, {_SEEN}
        FROM asked JOIN {_SCOPE} s ON s.id = asked.scope_id AND s.kind <> 'feed' AND s.watermark IS NULL
            JOIN {_FETCH} f ON f.id = asked.first_id
            LEFT JOIN {_CHECK} c ON c.provider_id = %s AND c.key = f.key
        WHERE c.checked_at IS NULL OR c.checked_at < asked_at
        """,  # noqa: S608
        [run.pk, run.provider_id],
    )


def _details_asked(run: Run) -> Iterator[list[sql.Row]]:
    """Yield the first pages of details that the run owed, with what became of each, if that was not settled before."""
    further = _changed_further(run)
    last = ""
    while rows := sql.query(
        f"""
        SELECT coalesce(k.scope_id, f.scope_id) AS scope_id, f.key, f.request, asked_at,
               f.counts ? 'changed' OR f.request->'refreshes' = ANY(%s::jsonb[]) AS changed, {_SEEN},
               f.status = 'applied' AS is_whole, f.status IN {_DEAD} AS is_dead, k.id IS NOT NULL AS is_known,
               k.id IS NULL AND f.outcome = 'gone' AS is_gone, c.checked_at >= asked_at AS is_settled
        FROM {_FETCH} f CROSS JOIN LATERAL (SELECT f.finished_at AS asked_at) finished
            LEFT JOIN {_PAGE} k ON k.provider_id = %s AND k.key = f.key
            LEFT JOIN {_CHECK} c ON c.provider_id = %s AND c.key = f.key
        WHERE f.run_id = %s AND f.key > %s AND f.request->>'refreshes' IS NOT NULL AND NOT f.request ? 'before'
        ORDER BY f.key LIMIT {_CHUNK}
        """,  # noqa: S608
        [further, run.provider_id, run.provider_id, run.pk, last],
    ):
        last = rows[-1]["key"]
        yield [row for row in rows if not row["is_settled"]]


def _changed_further(run: Run) -> list[str]:
    """Return, as JSON, of which records a further page of the details has changed."""
    rows = sql.query(
        f"SELECT DISTINCT request->>'refreshes' AS record FROM {_FETCH} "  # noqa: S608
        "WHERE run_id = %s AND request ? 'before' AND counts ? 'changed' AND request->>'refreshes' IS NOT NULL",
        [run.pk],
    )
    return [row["record"] for row in rows]


def _keep(run: Run, policy: Policy, asked: Sequence[tuple[sql.Row, Gamma]]) -> None:
    """Write what was seen of the pages, and when each is due; what was asked for the first time has seen the second."""
    if not asked:
        return
    wait = cache(policy.wait)  # what is worked out step by step is the same for all that a first run reads
    rows = []
    for row, first_seen in asked:
        seen = first_seen if row["since"] is None else _learnt(policy, row)
        kept = {name: row[name] for name in ("scope_id", "key", "request")} | {"checked_at": row["asked_at"]}
        rows.append(kept | {"wait_days": wait(seen), "changes": seen.changes, "days": seen.days})
    # As its page, a time stays with the scope whose runs lead to it: that of a lookup is mostly not followed.
    of_runs = "" if run.mode == Run.Mode.LOOKUP else "scope_id = EXCLUDED.scope_id, request = EXCLUDED.request,"
    sql.execute(
        f"""
        INSERT INTO {_CHECK} (provider_id, scope_id, key, request, checked_at, check_at, changes, days)
        SELECT %s, scope_id, key, request, checked_at, checked_at + wait_days * interval '1 day', changes, days
        FROM jsonb_to_recordset(%s::jsonb) AS r({", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())})
        ORDER BY key
        ON CONFLICT (provider_id, key) DO UPDATE SET {of_runs} checked_at = EXCLUDED.checked_at,
            check_at = EXCLUDED.check_at, changes = EXCLUDED.changes, days = EXCLUDED.days
        """,  # noqa: S608
        [run.provider_id, msgspec.json.encode(rows).decode()],
    )


def _learnt(policy: Policy, row: sql.Row) -> Gamma:
    """Return what was seen of a page with this check; never less than nothing, which another prior could not bear."""
    seen = learnt(policy.prior, Gamma(row["changes"], row["days"]), row["since"], changed=row["changed"])
    return Gamma(max(0.0, seen.changes), max(0.0, seen.days))


def _put_off(run: Run, policy: Policy, rows: Sequence[sql.Row]) -> None:
    """Let what could not be read be due after the shortest wait, where it has a time; what was seen of it stays."""
    if not rows:
        return
    wait = timedelta(days=policy.least)
    due = [{"key": row["key"], "check_at": row["asked_at"] + wait} for row in rows]
    sql.execute(
        f"UPDATE {_CHECK} c SET check_at = greatest(c.check_at, r.check_at) "  # noqa: S608
        "FROM jsonb_to_recordset(%s::jsonb) AS r(key text, check_at timestamptz) "
        "WHERE c.provider_id = %s AND c.key = r.key",
        [msgspec.json.encode(due).decode(), run.provider_id],
    )


def _ask_before_long(run: Run, policy: Policy) -> None:
    """Let details of which a further page could not be read be due after the shortest wait: it goes with them."""
    sql.execute(
        f"UPDATE {_CHECK} c SET check_at = least(c.check_at, f.finished_at + %s * interval '1 day') "  # noqa: S608
        f"FROM {_FETCH} f WHERE f.run_id = %s AND f.status <> 'applied' AND f.request ? 'before' "
        "AND c.provider_id = %s AND c.request->'refreshes' = f.request->'refreshes' AND c.checked_at < f.finished_at",
        [policy.least, run.pk, run.provider_id],
    )


def _forget(run: Run, keys: list[str]) -> None:
    if keys:
        PageCheck.objects.filter(provider_id=run.provider_id, key__in=keys).delete()


def _note_undone(run: Run, rows: list[sql.Row]) -> None:
    names = ("scope_id", "key", "request")
    sql.insert_missing(
        _CHECK,
        {"provider_id": "bigint", "scope_id": "bigint", "key": "text", "request": "jsonb", "changes": "float8"}
        | {"days": "float8"},
        [
            {name: row[name] for name in names} | {"provider_id": run.provider_id, "changes": 0.0, "days": 0.0}
            for row in rows
        ],
        "provider_id, key",
    )


# --- price and prior --------------------------------------------------------------------------------------------------


def tune(provider: Provider) -> None:
    """Learn the provider's prior and price from a sample of its pages, so that its incremental runs are used up.

    Pages of scopes that are not followed are asked by none of them, and do not count. Nothing changes where the sample
    is too small to say anything.
    """
    timed = PageCheck.objects.filter(provider=provider, check_at__isnull=False, scope__active=True)
    sample = [Gamma(*seen) for seen in timed.order_by("?").values_list("changes", "days")[:SAMPLE]]
    if len(sample) < LEAST_SAMPLE:
        return
    policy = policy_of(provider)
    beliefs = [policy.prior + seen for seen in sample]
    rate = sum(belief.rate for belief in beliefs) / len(beliefs)
    still = sum(belief.is_still(_MONTH) for belief in beliefs) / len(beliefs)
    prior = prior_of(min(max(rate, _SLOWEST), _FASTEST), still)
    of_sample = provider.most_checks * _runs_a_day(provider) * len(sample) / timed.count()

    def checks_a_day(price: float) -> float:
        tried = Policy(prior, price, policy.least, policy.most)
        return sum(1 / tried.wait(seen) for seen in sample)

    tuned = {"price": price_for(checks_a_day, of_sample), "changes": prior.changes, "days": prior.days}
    Tuning.objects.update_or_create(provider=provider, defaults=tuned)


def _runs_a_day(provider: Provider) -> float:
    """Return how many incremental runs the provider had a day in the last week, one at least."""
    row = sql.query(
        f"SELECT count(*) AS n, "  # noqa: S608
        "greatest(1, extract(epoch FROM now() - min(started_at)) / 86400)::float8 AS days "
        f"FROM {_RUN} WHERE provider_id = %s AND mode = 'incremental' "
        "AND started_at > now() - make_interval(days => %s)",
        [provider.pk, _WEEK],
    )[0]
    return max(1.0, row["n"] / row["days"]) if row["n"] else 1.0
