"""The reads behind the admin, the command line and the feed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from django.db.models import Count, Min
from django.db.models.functions import Now
from msgspec import Struct

from musicsync.forecast import Allowance, Forecast, forecast, in_words
from musicsync.models import (
    Artist,
    Budget,
    Change,
    Circuit,
    Fetch,
    PageCheck,
    Provider,
    Recording,
    Release,
    Run,
    SourceTrack,
    Tally,
    Track,
)
from musicsync.sync import sql
from musicsync.sync.merging import POLICY, Entity
from musicsync.sync.sources import LIVE
from musicsync.sync.tallies import RECENT_SECONDS, added_up
from musicsync.words import counted

_FETCH, _RUN, _TALLY = (model._meta.db_table for model in (Fetch, Run, Tally))
MOST_DUE = 1000
"""Pages that are due, beyond which nobody needs to know how many: a provider may have a million."""
_DONE = (Fetch.Status.APPLIED, Fetch.Status.DEAD, Fetch.Status.DISCARDED)


class Progress(Struct, frozen=True):
    """How far a run is. ``budget_used`` is the share of the allowed rate that the last seconds used."""

    run_id: int
    provider: str
    status: str
    mode: str
    done: int
    owed: int
    dead: int
    tracks: int
    totals: dict[str, int]
    budget_used: float
    seconds: float

    @property
    def of_all(self) -> str:
        """Return how many of the requests that are known of are done, in words."""
        return f"{self.done:,} of {self.done + self.owed:,}"

    @property
    def ended(self) -> bool:
        """Tell whether the run has come to its end."""
        return self.status != Run.Status.RUNNING


class DueChecks(Struct, frozen=True):
    """How many known pages of a provider are due to be asked again, and since when the one that waits longest is.

    They are counted no further than ``MOST_DUE``; ``more`` tells that there are more.
    """

    pages: int
    since: datetime | None
    more: bool = False

    def __str__(self) -> str:
        return ("> " if self.more else "") + counted(self.pages, "page")


class _Counted(Struct, frozen=True):
    """The fetches of a run by what became of them, ``at`` that time; ``recent`` were sent in the last seconds."""

    done: int
    owed: int
    dead: int
    recent: int
    totals: dict[str, int]
    at: datetime


def progress(run_id: int) -> Progress:
    """Return how far the run is.

    Raises:
        Run.DoesNotExist: there is no such run.
    """
    return progress_of([Run.objects.select_related("provider__budget").get(pk=run_id)])[run_id]


def progress_of(runs: Sequence[Run]) -> dict[int, Progress]:
    """Return how far each of the runs is at this moment, and of one that has ended what was added up at its end.

    What runs under way have done is taken from their tallies and the fetches since, all in one statement. Read the runs
    with ``provider__budget``.
    """
    counted = _counted([run.pk for run in runs if run.status == Run.Status.RUNNING])
    return {run.pk: _progress(run, counted.get(run.pk) or _counted_at_its_end(run)) for run in runs}


def _progress(run: Run, counted: _Counted) -> Progress:
    totals = counted.totals | run.summary
    seconds = ((run.finished_at or counted.at) - run.started_at).total_seconds()
    allowed = run.provider.budget.rate * max(min(RECENT_SECONDS, seconds), 1.0)
    return Progress(
        run_id=run.pk,
        provider=run.provider.slug,
        status=run.status,
        mode=run.mode,
        done=counted.done,
        owed=counted.owed,
        dead=counted.dead,
        tracks=sum(totals.get(f"track.{what}", 0) for what in ("created", "updated", "unchanged")),
        totals=totals,
        budget_used=min(1.0, counted.recent / allowed),
        seconds=seconds,
    )


def _some_fetches(which: str) -> str:
    return f"""
        SELECT f.status, f.counts, count(*) AS n,
               count(*) FILTER (WHERE f.started_at > clock_timestamp() - make_interval(secs => %s)) AS recent
        FROM {_FETCH} f WHERE f.run_id = r.id AND f.status {which} GROUP BY f.status, f.counts"""  # noqa: S608


# Each part goes by an index of its own; what is owed may be many, and is counted by it alone.
_COUNTED = f"""
    SELECT r.id AS run_id, clock_timestamp() AS at, found.*
    FROM {_RUN} r LEFT JOIN {_TALLY} t ON t.run_id = r.id CROSS JOIN LATERAL (
        SELECT 'pending' AS status, '{{}}'::jsonb AS counts, count(*) AS n, 0 AS recent
        FROM {_FETCH} f WHERE f.run_id = r.id AND f.status = 'pending'
        UNION ALL
        SELECT 'applied', tallied.counts, tallied.n, 0  -- the first of them has the counts of all
        FROM (VALUES (t.counts, 1), ('{{}}', t.applied - 1)) AS tallied(counts, n) WHERE t.applied > 0
        UNION ALL {_some_fetches("= 'applied' AND f.id >= coalesce(t.below, 0)")}
        UNION ALL {_some_fetches("IN ('queued', 'leased', 'waiting')")}
        UNION ALL {_some_fetches("= 'dead'")}
        UNION ALL {_some_fetches("= 'discarded'")}
    ) found
    WHERE r.id = ANY(%s)
"""  # noqa: S608


def _counted(run_ids: list[int]) -> dict[int, _Counted]:
    if not run_ids:
        return {}
    rows = sql.query(_COUNTED, [*[RECENT_SECONDS] * _COUNTED.count("secs => %s"), run_ids])
    return {run_id: _sum(of_run) for run_id, of_run in sql.grouped(rows, "run_id").items()}


def _sum(rows: list[sql.Row]) -> _Counted:
    of_status = Counter[str]()
    for row in rows:
        of_status[row["status"]] += row["n"]
    done = sum(of_status[status] for status in _DONE)
    return _Counted(
        done=done,
        owed=sum(of_status[status] for status in Fetch.OPEN),
        dead=of_status[Fetch.Status.DEAD],
        recent=sum(row["recent"] for row in rows),
        totals={**added_up(rows), "requests": done},
        at=rows[0]["at"],
    )


def _counted_at_its_end(run: Run) -> _Counted:
    """Take what was added up when the run ended: its fetches may be many, or deleted since."""
    dead = Fetch.objects.filter(run=run, status=Fetch.Status.DEAD).count()
    done = run.summary.get("requests", 0)
    return _Counted(done=done, owed=0, dead=dead, recent=0, totals={}, at=run.finished_at or run.started_at)


def still_needed(run: Run, far: Progress) -> int:
    """Return how many requests a run that is under way will still send, as far as that is known.

    They are those that it owes now, or what the last run of this kind needed in all, less those done: whichever is
    more. Pages lead to further pages, so a run that has just begun owes little.
    """
    alike = Run.objects.filter(provider=run.provider_id, mode=run.mode, scope=run.scope_id, pk__lt=run.pk)
    last = alike.filter(status__in=(Run.Status.DONE, Run.Status.ERRORS, Run.Status.HELD)).order_by("-pk").first()
    return max(far.owed, last.summary.get("requests", 0) - far.done if last else 0)


def forecast_of(run: Run, far: Progress) -> Forecast | None:
    """Return when the run will be done, as if nothing else used its budget; ``None`` where it is."""
    if far.ended:
        return None
    budget = Budget.objects.get(providers=run.provider_id)
    circuit = Circuit.objects.filter(provider=run.provider_id, opened_at__isnull=False).first()
    now = datetime.now(UTC)
    return forecast(still_needed(run, far), allowance(budget, now, circuit), now)


def outlook(run: Run) -> str:
    """Return in words what a run that is under way needs still, how long that takes, and what it waits for."""
    found = forecast_of(run, progress(run.pk))
    return "it has ended" if found is None else in_words(found, datetime.now(UTC))


def allowance(budget: Budget, now: datetime, circuit: Circuit | None = None) -> Allowance:
    """Return what the budget allows from now on; of an open ``circuit`` nobody knows how long it is."""
    used_today, used_this_month = used(budget, now)
    ahead = (budget.theoretical_arrival_at - now).total_seconds() * budget.rate
    return Allowance(
        rate=budget.rate,
        at_once=min(float(budget.burst), max(0.0, budget.burst - ahead)),
        per_day=budget.per_day,
        left_today=None if budget.per_day is None else max(0, budget.per_day - used_today),
        per_month=budget.per_month,
        left_this_month=None if budget.per_month is None else max(0, budget.per_month - used_this_month),
        paused_until=budget.cooldown_until,
        waits_for=f"{circuit.provider} answers again" if circuit else "",
    )


def used(budget: Budget, now: datetime) -> tuple[int, int]:
    """Return how many requests were counted on the day and in the month (UTC) that ``now`` is in."""
    today = now.astimezone(UTC).date()
    return (
        budget.used_in_day if budget.day == today else 0,
        budget.used_in_month if budget.month == today.replace(day=1) else 0,
    )


def due_checks(provider: Provider) -> DueChecks:
    """Return what the provider's next incremental runs are to ask again, of scopes that are followed."""
    due = PageCheck.objects.filter(provider=provider, check_at__lte=Now(), scope__active=True).order_by("check_at")
    found = due.values("check_at")[: MOST_DUE + 1].aggregate(pages=Count("*"), since=Min("check_at"))
    return DueChecks(min(found["pages"], MOST_DUE), found["since"], more=found["pages"] > MOST_DUE)


def catalogue_totals() -> dict[str, int]:
    """Return how many live rows the catalogue has of each kind. Counts every row: for a summary, not for a page."""
    return {
        "artists": Artist.objects.filter(state=Artist.State.PRESENT).count(),
        "releases": Release.objects.filter(state=Release.State.PRESENT).count(),
        "recordings": Recording.objects.filter(state=Recording.State.PRESENT).count(),
        "tracks": Track.objects.filter(state=Track.State.PRESENT).count(),
    }


def who_said_what(entity: Artist | Release | Recording | Track) -> list[dict[str, Any]]:
    """Return for each field of a catalogue row what it shows, whose word that is, and what each provider says.

    Each is ``{"field", "shown", "by", "said": {provider: value}}``, the most trusted provider first; fields that nobody
    has are left out. A track has its recording's fields too. ``shown`` is ``None`` where no provider's value will do
    (an invalid GTIN), and ``by`` where what is shown is not the word of one (ISRCs are those of all).
    """
    sources = list(
        entity.sources.filter(state__in=LIVE)
        .select_related("provider")
        .order_by("provider__trust", "provider__slug", "external_id")
    )
    fields: list[dict[str, Any]] = []
    for name, (shown, given_by) in _shown(entity).items():
        said: dict[str, Any] = {}
        for source in sources:
            value = _readable(name, _said_of(name, source.fields))
            if value not in (None, ""):
                said.setdefault(source.provider.slug, value)
        if said or shown not in (None, ""):
            by = given_by or next((provider for provider, value in said.items() if value == shown), None)
            fields.append({"field": name, "shown": shown, "by": by, "said": said})
    return fields


def _said_of(name: str, fields: Mapping[str, Any]) -> Any:
    return (fields.get("credits") or fields.get("main_artists")) if name == "credits" else fields.get(name)


def _shown(row: Artist | Release | Recording | Track) -> dict[str, tuple[Any, str | None]]:
    """Return each field's value in the catalogue, and the provider that it is noted to be of."""
    policy = POLICY[cast("Entity", row._meta.model_name)]
    # A link to another row is nothing that a provider says.
    values = {name: getattr(row, name) for name in policy if not row._meta.get_field(name).is_relation}
    if isinstance(row, (Release, Recording)):
        values["credits"] = row.artist_credit or None
    if isinstance(row, Recording):
        values["isrcs"] = list(row.isrcs.values_list("code", flat=True)) or None
    own = {name: (_readable(name, value), row.provenance.get(name)) for name, value in values.items()}
    return _shown(row.recording) | own if isinstance(row, Track) else own


def changes_after(transaction: int, change_id: int, limit: int) -> list[Change]:
    """Return the changes that were committed after the given one, in commit order, ``limit`` at most.

    Start with (0, 0) and go on with the ``transaction`` and ``id`` of the last one returned. A change whose
    transaction may still be followed by an older one (some transaction that began before is open) is held back, so
    that no reader misses a row.
    """
    return list(
        Change.objects.extra(
            where=[
                "(transaction, id) > (%s, %s)",
                "transaction < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint",
            ],
            params=[transaction, change_id],
        ).order_by("transaction", "id")[:limit]
    )


def told_by_several(count: int) -> list[Track]:
    """Return the first tracks that more than one provider describes."""
    shared = (
        SourceTrack.objects.filter(track__isnull=False, state=SourceTrack.State.PRESENT)
        .values("track_id")
        .annotate(providers=Count("provider_id", distinct=True))
        .filter(providers__gt=1)
        .order_by("track_id")
        .values_list("track_id", flat=True)
    )
    return list(Track.objects.filter(pk__in=list(shared[:count])).select_related("release", "recording").order_by("pk"))


def _readable(name: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if name == "credits":
        return "".join(line["name"] + line["join_phrase"] for line in value)
    return ", ".join(sorted(value) if name == "isrcs" else value)
