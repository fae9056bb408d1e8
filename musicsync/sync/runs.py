"""A run from its first row to its last: open, finish, cancel, replay, discard, approve."""

from datetime import datetime, timedelta

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from musicsync.models import Fetch, KnownPage, Provider, Run, Scope
from musicsync.providers import base, registry
from musicsync.records import Mode, MusicsyncError, Request
from musicsync.sync import checks, fetches, removal, sql, tallies
from musicsync.sync.asking import check_ready
from musicsync.words import counted

_FETCH, _PAGE = Fetch._meta.db_table, KnownPage._meta.db_table

KEEP_FETCHES = timedelta(days=30)
_PRUNE_CHUNK = 10_000
_NEVER_APPLIED = (Fetch.Status.DEAD, Fetch.Status.DISCARDED)
"""Of what these asked for a run knows nothing, so it cannot tell what is gone."""


class AlreadyRunning(MusicsyncError):
    """The provider has a run under way, or the scope its lookup; one at a time. ``run`` is that one."""

    def __init__(self, message: str, run: Run | None = None) -> None:
        super().__init__(message)
        self.run = run


class SlotTaken(MusicsyncError):
    """The schedule's slot has its run already."""


def open_run(
    provider: Provider,
    mode: Mode,
    trigger: str,
    *,
    scope: Scope | None = None,
    schedule: str | None = None,
    slot: datetime | None = None,
) -> Run:
    """Write down a run and the first fetches that it owes, in one transaction. Nothing is sent.

    ``scope`` limits the run to that one; otherwise it goes over all active scopes. A lookup is of one scope with a key,
    and goes on beside other runs.

    Raises:
        AlreadyRunning: the provider has a run under way, or the scope its lookup.
        SlotTaken: this slot of the schedule has its run.
        MusicsyncError: the provider follows nothing, a setting is missing, or a lookup is of no scope with a key.
    """
    adapter = registry.adapter_of(provider)
    check_ready(provider, adapter)
    if mode == "lookup" and (scope is None or not scope.key):
        raise MusicsyncError(f"a lookup is of one thing by its key: start an incremental or a full run of {provider}")
    scopes = [scope] if scope else list(provider.scopes.filter(active=True).order_by("pk"))
    if not scopes:
        raise MusicsyncError(
            f"provider {provider} follows nothing: add a scope in the admin or with "
            f"`manage.py provider follow {provider} KIND:KEY`"
        )
    run = Run(provider=provider, mode=mode, trigger=trigger, scope=scope, schedule=schedule, slot=slot)
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            checks.owe_first(run, [checks.Plan(followed, _plan(adapter, followed, mode)) for followed in scopes])
    except IntegrityError as error:
        raise _refusal(error, run) from error
    return run


def _plan(adapter: base.Adapter, followed: Scope, mode: Mode) -> list[Request]:
    requests = checks.plan(adapter, followed, mode)
    return _as_known(followed, requests) if mode == "lookup" else requests


def finish(run_id: int) -> Run | None:
    """End the run if nothing is owed any more: watermarks, next checks, totals, removals, status.

    Returns ``None`` where it goes on, has ended before, or is being ended by another worker.
    """
    with transaction.atomic():
        locked = Run.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        run = locked.select_related("provider").filter(pk=run_id, status=Run.Status.RUNNING).first()
        if run is None or fetches.any_open(run_id):
            return None
        dead = Fetch.objects.filter(run=run, status__in=_NEVER_APPLIED).count()
        _keep_watermarks(run)
        checks.settle(run)
        totals = run_totals(run_id) | {"distinct_tracks": _distinct_tracks(run_id)}
        run.status = Run.Status.DONE
        if dead:
            run.status = Run.Status.ERRORS if totals["requests"] > dead else Run.Status.FAILED
            run.error = _first_error(run, dead)
        elif run.mode == Run.Mode.FULL and run.scope_id is None and _is_latest(run):
            # A page that one scope has no more may be another's: only a run over all of them can tell. Last, because
            # from here on lookups wait for the end of the transaction.
            totals |= _remove(run)
        run.summary = totals
        run.finished_at = Now()
        run.save()
    run.refresh_from_db()
    return run


def approve(run: Run) -> dict[str, int]:
    """Carry out the removals that a held run asked about; return what was removed.

    Meanwhile the run is under way, and so no other but lookups: what that read would be removed with the rest.

    Raises:
        AlreadyRunning: the provider has a run under way.
        MusicsyncError: the run is not held, or not the provider's latest full run.
    """
    with transaction.atomic():
        held = Run.objects.select_for_update(of=("self",)).select_related("provider").get(pk=run.pk)
        if held.status != Run.Status.HELD:
            raise MusicsyncError(f"run {run.pk} is {held.get_status_display()}: there is nothing to approve")
        _reopen(held)
        if not _is_latest(held):
            raise MusicsyncError(
                f"run {run.pk} is not the latest full run of {held.provider}: approve that, or start another"
            )
        removed = removal.remove(held, removal.find(held))
        held.status, held.error, held.summary = Run.Status.DONE, "", held.summary | removed
        held.save()
    return removed


@sql.in_one_transaction
def cancel(run: Run) -> int:
    """Cancel the run at once: no fetch of it is worked on any more. Returns how many were owed.

    Raises:
        MusicsyncError: it has ended already.
    """
    # First the run: a worker that holds a page of it commits or finds its lease gone, nothing between.
    ended = Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).update(
        status=Run.Status.CANCELLED, finished_at=Now()
    )
    if not ended:
        run.refresh_from_db()
        raise MusicsyncError(f"run {run.pk} has ended already: it is {run.get_status_display()}")
    cancelled = 0
    # The first time round waits for pages that are being applied, and may find nothing else; what those owed on is
    # found the next time.
    while fetches.any_open(run.pk):
        cancelled += Fetch.objects.filter(run=run, status__in=Fetch.OPEN).update(
            status=Fetch.Status.CANCELLED, lease_token=None, finished_at=Now()
        )
    Run.objects.filter(pk=run.pk).update(summary=run_totals(run.pk))
    return cancelled


def unsettled() -> list[int]:
    """Return the cancelled runs of which nothing was learnt yet, those apart whose fetches are pruned."""
    cancelled = Run.objects.filter(status=Run.Status.CANCELLED, settled=False)
    return list(cancelled.filter(finished_at__gt=timezone.now() - KEEP_FETCHES).values_list("pk", flat=True))


def settle(run_id: int) -> None:
    """Learn from what a cancelled run read, and note what it left undone, where nobody did or does that already.

    A cancel acts at once, and of a large run this takes minutes.
    """
    with transaction.atomic():
        locked = Run.objects.select_for_update(of=("self",), no_key=True, skip_locked=True).select_related("provider")
        run = locked.filter(pk=run_id, status=Run.Status.CANCELLED, settled=False).first()
        if run is not None:
            checks.settle(run)
            run.settled = True
            run.save(update_fields=["settled"])


def replay(run: Run, chosen: QuerySet[Fetch]) -> int:
    """Let the dead ones of the chosen fetches of the run be tried again, and the run go on; return how many those are.

    Raises:
        AlreadyRunning: the provider has another run under way, or the scope another lookup.
        MusicsyncError: the run was cancelled: what it never asked for would be taken for gone.
    """
    with transaction.atomic():
        tallies.reset(run.pk)
        replayed = chosen.filter(run=run, status=Fetch.Status.DEAD).update(
            status=Fetch.Status.PENDING, failures=0, crashes=0, not_before=None
        )
        if replayed and not _reopen(run):
            raise MusicsyncError(f"run {run.pk} was cancelled: start a new one of {run.provider} instead")
    return replayed


def discard(chosen: QuerySet[Fetch]) -> int:
    """Give up the dead ones of the chosen fetches for good; return how many those are.

    What their pages held before stays as it is, and their run is never a success nor removes anything.
    """
    return chosen.filter(status=Fetch.Status.DEAD).update(status=Fetch.Status.DISCARDED)


def prune() -> int:
    """Delete the fetches of runs that ended a month ago; the runs keep their totals. Returns how many."""
    old = Fetch.objects.filter(run__finished_at__lt=timezone.now() - KEEP_FETCHES)
    deleted = 0
    # In portions, so that no transaction grows with what has piled up.
    while chosen := list(old.values_list("pk", flat=True)[:_PRUNE_CHUNK]):
        deleted += Fetch.objects.filter(pk__in=chosen).delete()[0]
    return deleted


def run_totals(run_id: int) -> dict[str, int]:
    """Return the run's totals, added up from its fetches: "requests", "track.created", "rejected", ..."""
    rows = sql.query(
        f"SELECT c.key, sum(c.value::bigint)::bigint AS n FROM {_FETCH} f, jsonb_each_text(f.counts) c "  # noqa: S608
        "WHERE f.run_id = %s GROUP BY 1",
        [run_id],
    )
    requests = Fetch.objects.filter(run_id=run_id, status__in=(Fetch.Status.APPLIED, *_NEVER_APPLIED)).count()
    return {row["key"]: row["n"] for row in rows} | {"requests": requests}


def _is_latest(run: Run) -> bool:
    """Tell whether no later run has read all of the provider, as one may have when this one was replayed or held.

    What other runs have read since is newer too: ``removal`` counts it in.
    """
    later = Run.objects.filter(provider=run.provider, pk__gt=run.pk, mode=Run.Mode.FULL, scope=None)
    return not later.exclude(status=Run.Status.CANCELLED).exists()


def _as_known(scope: Scope, requests: list[Request]) -> list[Request]:
    """Return the first requests of a lookup as they are made on the way to pages that another scope leads to.

    As such a page is a release's details, so are those that follow it: an incremental run goes on leaving them out.
    """
    if scope.kind != Scope.Kind.RELEASE:
        return requests
    pages = KnownPage.objects.filter(provider=scope.provider_id, key__in=[request.key for request in requests])
    elsewhere = set(pages.exclude(scope=scope).values_list("key", flat=True))
    return [
        msgspec.structs.replace(request, refreshes=("release", scope.key)) if request.key in elsewhere else request
        for request in requests
    ]


def _reopen(run: Run) -> bool:
    """Let the run be under way again; ``False`` where it was cancelled."""
    ended = Run.objects.filter(pk=run.pk).exclude(status=Run.Status.CANCELLED)
    try:
        with transaction.atomic():
            return bool(ended.update(status=Run.Status.RUNNING, finished_at=None, error=""))
    except IntegrityError as error:
        raise _refusal(error, run) from error


def _remove(run: Run) -> dict[str, int]:
    """Carry out the removals of a full run, or hold the run where they are too many to be believed."""
    unmentioned = removal.find(run)
    if unmentioned.share <= run.provider.removal_limit:
        return removal.remove(run, unmentioned)
    run.status = Run.Status.HELD
    run.error = (
        f"{len(unmentioned.ids['track']):,} of {counted(unmentioned.tracks_in_all, 'track')} ({unmentioned.share:.0%}) "
        f"would be removed, more than the provider's removal limit of {run.provider.removal_limit:.0%}: look, then "
        f"`manage.py run approve {run.pk}`"
    )
    return {}


def _keep_watermarks(run: Run) -> None:
    """Keep where the next incremental run goes on: the mark of each scope's first page, which all later ones pass.

    It moves where the scope's own pages were all applied; details that were not are noted (``checks``).
    """
    rows = sql.query(
        f"SELECT DISTINCT ON (f.scope_id) f.scope_id, k.watermark FROM {_FETCH} f "  # noqa: S608
        f"JOIN {_PAGE} k ON k.provider_id = %s AND k.key = f.key "
        f"WHERE f.run_id = %s AND k.watermark IS NOT NULL AND f.scope_id NOT IN (SELECT scope_id FROM {_FETCH} "
        "WHERE run_id = %s AND status <> 'applied' AND request->>'refreshes' IS NULL) ORDER BY f.scope_id, f.id",
        [run.provider_id, run.pk, run.pk],
    )
    for row in rows:
        Scope.objects.filter(pk=row["scope_id"]).exclude(watermark=row["watermark"]).update(watermark=row["watermark"])


def _distinct_tracks(run_id: int) -> int:
    """Return how many different tracks the run's pages mention; one track may stand on several pages."""
    found: int = sql.query(
        f"SELECT count(DISTINCT t.id) AS n FROM {_FETCH} f JOIN {Run._meta.db_table} r ON r.id = f.run_id "  # noqa: S608
        f"JOIN {_PAGE} k ON k.provider_id = r.provider_id AND k.key = f.key CROSS JOIN unnest(k.tracks) AS t(id) "
        "WHERE f.run_id = %s AND f.status = 'applied'",
        [run_id],
    )[0]["n"]
    return found


def _first_error(run: Run, dead: int) -> str:
    unread = Fetch.objects.filter(run=run, status__in=_NEVER_APPLIED).order_by("pk")
    discarded = unread.filter(status=Fetch.Status.DISCARDED).count()
    given_up = f" ({discarded:,} discarded)" if discarded else ""
    first = unread.first()
    which = "" if dead == 1 else "the first "
    return (
        f"{counted(dead, 'fetch is', 'fetches are')} dead{given_up}, {which}with: {first.error_line if first else ''}"
    )


def _refusal(error: IntegrityError, run: Run) -> Exception:
    """Return what stands in the way of the run, by the constraint that it broke."""
    diagnosis = getattr(error.__cause__, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None)
    if constraint == "run_one_active_per_provider":
        others = Run.objects.filter(provider=run.provider, status=Run.Status.RUNNING).exclude(mode=Run.Mode.LOOKUP)
        active = others.first()
        number = f"run {active.pk}" if active else "a run"
        return AlreadyRunning(f"provider {run.provider} has {number} under way: wait for it, or cancel it", active)
    if constraint == "run_one_lookup_per_scope":
        # It may have ended just now: what it read is as new.
        latest = Run.objects.filter(scope=run.scope, mode=Run.Mode.LOOKUP).exclude(pk=run.pk).order_by("-pk").first()
        number = f"run {latest.pk}" if latest else "a run"
        return AlreadyRunning(f"{run.scope} of {run.provider} is being looked up by {number} already", latest)
    if constraint == "run_one_per_slot":
        return SlotTaken(f"schedule {run.schedule} has its run for {run.slot} already")
    return error
