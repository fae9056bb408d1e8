"""When each page is asked again: what is due, and what a run learnt (ADR 14).

A page has a time of its own where it holds details (``Request.refreshes``), or is what a scope begins with: the further
pages of the scope go with it. Feeds, and whatever follows a watermark, have none, since every run asks them.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from musicsync.freshness import APPEARED, NOTHING, UNKNOWN, Gamma, interval, learnt, price_for, prior_of
from musicsync.models import Fetch, KnownPage, PageCheck, Provider, Run, Scope, Tuning
from musicsync.providers import base, registry
from musicsync.records import Mode, Request, ScopeKind
from musicsync.sync import sql

Owed = tuple[int, Request]
"""A request, after the id of the scope that it belongs to."""

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


def first_asked(provider: Provider, mode: Mode, plans: Sequence[tuple[Scope, list[Request]]]) -> list[Owed]:
    """Return what a run begins with, in its order: ``plans`` has what its scopes begin with.

    An incremental run leaves out the scopes that are not due, and asks besides for details that are. What follows a
    feed and what was never answered comes first, then what has been due for longest, up to the provider's limit.
    """
    if mode != "incremental":
        return [(scope.pk, request) for scope, requests in plans for request in requests]
    for cancelled in _cancelled_since_last(provider):
        settle(cancelled)
    owed: list[Owed] = []
    timed: dict[str, list[Owed]] = {}
    for scope, requests in plans:
        of_scope = [(scope.pk, request) for request in requests]
        if requests and _has_time(scope):
            timed.setdefault(requests[0].key, of_scope)
        else:
            owed += of_scope
    scope_ids = [scope.pk for scope, _ in plans]
    for row in (*_never_answered(provider, list(timed), scope_ids), *_due(provider, list(timed), scope_ids)):
        owed += timed.get(row["key"]) or [(row["scope_id"], msgspec.convert(row["request"], Request))]
    return owed


def _never_answered(provider: Provider, first_keys: list[str], scope_ids: list[int]) -> list[sql.Row]:
    """Return the first pages of scopes that were never read, then details that a run found and left undone."""
    unread = sql.query(
        f"SELECT k.key FROM unnest(%s::text[]) WITH ORDINALITY AS k(key, place) "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {_CHECK} c WHERE c.provider_id = %s AND c.key = k.key) ORDER BY k.place",
        [first_keys, provider.pk],
    )
    undone = sql.query(
        f"SELECT key, scope_id, request FROM {_CHECK} "  # noqa: S608
        "WHERE provider_id = %s AND check_at IS NULL AND (scope_id = ANY(%s::bigint[]) OR key = ANY(%s::text[])) "
        "ORDER BY id",
        [provider.pk, scope_ids, first_keys],
    )
    return unread + undone


def _due(provider: Provider, first_keys: list[str], scope_ids: list[int]) -> list[sql.Row]:
    """Return the pages that are due, the most overdue first, as many as a run may ask.

    The first page of a scope counts only under its key of now: an adapter may come to ask in another form.
    """
    return sql.query(
        f"""
        SELECT key, scope_id, request FROM {_CHECK}
        WHERE provider_id = %s AND check_at <= clock_timestamp()
          AND (request->>'refreshes' IS NOT NULL AND scope_id = ANY(%s::bigint[]) OR key = ANY(%s::text[]))
        ORDER BY check_at, id LIMIT %s
        """,  # noqa: S608
        [provider.pk, scope_ids, first_keys, provider.most_checks],
    )


def _cancelled_since_last(provider: Provider) -> list[Run]:
    """Return the cancelled runs since the last that went to its end: a cancel acts at once, and settles nothing."""
    ended = Run.objects.filter(provider=provider).exclude(status__in=(Run.Status.CANCELLED, Run.Status.RUNNING))
    last = ended.filter(mode=Run.Mode.INCREMENTAL).order_by("-pk").values_list("pk", flat=True).first()
    cancelled = Run.objects.filter(provider=provider, status=Run.Status.CANCELLED, pk__gt=last or 0)
    return list(cancelled.select_related("provider").order_by("pk"))


# --- what a run learnt ------------------------------------------------------------------------------------------------


def settle(run: Run) -> None:
    """Set when the pages that an ended run asked are due again, by what it learnt of them; a second time is no harm.

    A scope was checked where all its pages were applied, and has changed where one of them has; otherwise it stays due.
    Details that nobody answered and nobody knows are noted, so that they are not lost.
    """
    policy = policy_of(run.provider)
    scopes = _scopes_asked(run)
    unread_before = {row["scope_id"] for row in scopes if row["since"] is None}
    _keep(run, policy, [(row, NOTHING) for row in scopes])
    for chunk in _details_asked(run):
        done = [row for row in chunk if row["is_whole"]]
        _forget(run, [row["key"] for row in done if row["is_gone"]])
        answered = [row for row in done if not row["is_gone"]]
        _keep(run, policy, [(row, _first_seen(run, row, unread_before)) for row in answered])
        _note_undone(run, [row for row in chunk if not row["is_whole"] and not row["is_known"]])


def forget(provider: Provider) -> None:
    """Set no times any more by what was asked: for a provider that is asked in another way from now on.

    Its next incremental run begins with all scopes, and asks for what they lead to in the new way.
    """
    PageCheck.objects.filter(provider=provider).delete()


def forget_unknown(provider_id: int) -> None:
    """Ask no more for what no page leads to: for the end of a full run that dropped such pages."""
    sql.execute(
        f"DELETE FROM {_CHECK} c WHERE c.provider_id = %s AND NOT EXISTS "  # noqa: S608
        f"(SELECT 1 FROM {_PAGE} k WHERE k.provider_id = c.provider_id AND k.key = c.key)",
        [provider_id],
    )


def _first_seen(run: Run, row: sql.Row, unread_before: set[int]) -> Gamma:
    """Return what is seen of a page by reading it once: one that joined a list that was known has just appeared."""
    appeared = run.mode == Run.Mode.INCREMENTAL and row["scope_id"] not in unread_before
    return APPEARED if appeared else NOTHING


def _scopes_asked(run: Run) -> list[sql.Row]:
    """Return the first page of each scope that was read to its end, with what became of all its pages together."""
    return sql.query(
        f"""
        WITH asked AS (
            SELECT f.scope_id, min(f.id) AS first_id, max(f.finished_at) AS asked_at,
                   bool_or(f.counts ? 'changed') AS changed
            FROM {_FETCH} f JOIN {_SCOPE} s ON s.id = f.scope_id
            WHERE f.run_id = %s AND f.request->>'refreshes' IS NULL AND s.kind <> 'feed' AND s.watermark IS NULL
            GROUP BY f.scope_id HAVING bool_and(f.status = 'applied')
        )
        SELECT asked.scope_id, f.key, f.request, asked_at, changed, {_SEEN}
        FROM asked JOIN {_FETCH} f ON f.id = asked.first_id
            LEFT JOIN {_CHECK} c ON c.provider_id = %s AND c.key = f.key
        WHERE c.checked_at IS NULL OR c.checked_at < asked_at
        """,  # noqa: S608
        [run.pk, run.provider_id],
    )


def _details_asked(run: Run) -> Iterator[list[sql.Row]]:
    """Yield the details that the run owed, with what became of each, but for those that were settled before."""
    last = ""
    while rows := sql.query(
        f"""
        SELECT f.scope_id, f.key, f.request, asked_at, f.counts ? 'changed' AS changed, {_SEEN},
               f.status = 'applied' AS is_whole, k.id IS NOT NULL AS is_known,
               k.id IS NULL AND f.outcome = 'gone' AS is_gone, c.checked_at >= asked_at AS is_settled
        FROM {_FETCH} f CROSS JOIN LATERAL (SELECT f.finished_at AS asked_at) finished
            LEFT JOIN {_PAGE} k ON k.provider_id = %s AND k.key = f.key
            LEFT JOIN {_CHECK} c ON c.provider_id = %s AND c.key = f.key
        WHERE f.run_id = %s AND f.key > %s AND f.request->>'refreshes' IS NOT NULL ORDER BY f.key LIMIT {_CHUNK}
        """,  # noqa: S608
        [run.provider_id, run.provider_id, run.pk, last],
    ):
        last = rows[-1]["key"]
        yield [row for row in rows if not row["is_settled"]]


def _keep(run: Run, policy: Policy, asked: Sequence[tuple[sql.Row, Gamma]]) -> None:
    """Write what was seen of the pages, and when each is due; what was asked for the first time has seen the second."""
    if not asked:
        return
    rows = []
    for row, first_seen in asked:
        seen = first_seen if row["since"] is None else _learnt(policy, row)
        kept = {name: row[name] for name in ("scope_id", "key", "request")} | {"checked_at": row["asked_at"]}
        rows.append(kept | {"wait_days": policy.wait(seen), "changes": seen.changes, "days": seen.days})
    sql.execute(
        f"""
        INSERT INTO {_CHECK} (provider_id, scope_id, key, request, checked_at, check_at, changes, days)
        SELECT %s, scope_id, key, request, checked_at, checked_at + wait_days * interval '1 day', changes, days
        FROM jsonb_to_recordset(%s::jsonb) AS r({", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())})
        ORDER BY key
        ON CONFLICT (provider_id, key) DO UPDATE SET scope_id = EXCLUDED.scope_id, request = EXCLUDED.request,
            checked_at = EXCLUDED.checked_at, check_at = EXCLUDED.check_at, changes = EXCLUDED.changes,
            days = EXCLUDED.days
        """,  # noqa: S608
        [run.provider_id, msgspec.json.encode(rows).decode()],
    )


def _learnt(policy: Policy, row: sql.Row) -> Gamma:
    """Return what was seen of a page with this check; never less than nothing, which another prior could not bear."""
    seen = learnt(policy.prior, Gamma(row["changes"], row["days"]), row["since"], changed=row["changed"])
    return Gamma(max(0.0, seen.changes), max(0.0, seen.days))


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

    Nothing changes where the sample is too small to say anything.
    """
    sample = [
        Gamma(row["changes"], row["days"])
        for row in sql.query(
            f"SELECT changes, days FROM {_CHECK} WHERE provider_id = %s AND check_at IS NOT NULL "  # noqa: S608
            "ORDER BY random() LIMIT %s",
            [provider.pk, SAMPLE],
        )
    ]
    if len(sample) < LEAST_SAMPLE:
        return
    policy = policy_of(provider)
    beliefs = [policy.prior + seen for seen in sample]
    rate = sum(belief.rate for belief in beliefs) / len(beliefs)
    still = sum(belief.is_still(_MONTH) for belief in beliefs) / len(beliefs)
    prior = prior_of(min(max(rate, _SLOWEST), _FASTEST), still)
    pages = PageCheck.objects.filter(provider=provider, check_at__isnull=False).count()
    of_sample = provider.most_checks * _runs_a_day(provider) * len(sample) / pages

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
