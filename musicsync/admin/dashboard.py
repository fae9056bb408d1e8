"""The overview: how it is going, in a few cheap reads."""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from msgspec import Struct

from musicsync.admin.health import circuit_table, process_table
from musicsync.admin.show import (
    NOTHING,
    RUN_COLOURS,
    Table,
    anchor,
    elapsed,
    link,
    list_link,
    list_url,
    moment,
    short,
    status_badge,
)
from musicsync.forecast import in_words
from musicsync.models import Artist, Failure, Fetch, Provider, Recording, Rejection, Release, Run, Track
from musicsync.queries import Progress, forecast_of, progress_of
from musicsync.words import counted

_COUNT_LIMIT = 1000
_NONE = "0"


class Figure(Struct, frozen=True):
    """A number, what it counts, and where its rows are."""

    title: str
    value: str
    address: str
    alarming: bool = False


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the overview, with what the user may see of it."""
    if not request.user.has_perm("musicsync.view_run"):
        return context
    return context | {"figures": _figures(), "panels": _panels()}


def _panels() -> list[Table]:
    circuits = circuit_table()
    return [*([circuits] if circuits.rows else []), _running(), _providers(), process_table()]


def _figures() -> list[Figure]:
    dead, rejected = _up_to(Fetch.objects.filter(status=Fetch.Status.DEAD)), _up_to(Rejection.objects.all())
    return [
        *_sizes(),
        Figure("Dead fetches", dead, list_url(Fetch, status__exact="dead"), dead != _NONE),
        Figure("Open rejections", rejected, list_url(Rejection), rejected != _NONE),
        Figure("Failures on record", _up_to(Failure.objects.exclude(kind=Failure.Kind.RETRY)), list_url(Failure)),
    ]


def _sizes() -> list[Figure]:
    """Return about how many rows the catalogue's tables have, by PostgreSQL's statistics: counting would read all."""
    tables: tuple[QuerySet[Any], ...] = (
        Track.objects.all(),
        Recording.objects.all(),
        Release.objects.all(),
        Artist.objects.all(),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE oid = ANY(%s::regclass[])",
            [[rows.model._meta.db_table for rows in tables]],
        )
        counted = dict(cursor.fetchall())
    sizes = []
    for rows in tables:
        opts, count = rows.model._meta, counted[rows.model._meta.db_table]
        # Never analysed (-1): too young or too small for statistics.
        value = f"≈ {count:,}" if count > _COUNT_LIMIT else _up_to(rows)
        sizes.append(Figure(str(opts.verbose_name_plural).capitalize(), value, list_url(rows.model)))
    return sizes


def _up_to(rows: QuerySet[Any]) -> str:
    """Return how many rows there are, counted no further than is of interest."""
    count = rows.order_by()[: _COUNT_LIMIT + 1].count()
    return f"{count:,}" if count <= _COUNT_LIMIT else f"> {_COUNT_LIMIT:,}"


def _running() -> Table:
    rows = []
    running = list(Run.objects.filter(status=Run.Status.RUNNING).select_related("provider__budget").order_by("pk"))
    progress = progress_of(running)
    for run in running:
        far = progress[run.pk]
        rows.append(
            (
                link(run, run.pk),
                link(run.provider),
                run.mode,
                f"{far.done:,} of {counted(far.done + far.owed, 'request')}",
                f"{far.tracks:,}",
                list_link(Fetch, f"{far.dead:,}", run=run.pk, status__exact="dead") if far.dead else NOTHING,
                elapsed(far.seconds),
                _ahead(run, far),
            )
        )
    return Table("Under way", ("Run", "Provider", "Mode", "Progress", "Tracks", "Dead", "For", "Ahead"), rows)


def _ahead(run: Run, far: Progress) -> str:
    found = forecast_of(run, far)
    return NOTHING if found is None else in_words(found, datetime.now(UTC)).removeprefix("this run ")


def _providers() -> Table:
    rows = []
    for provider in Provider.objects.order_by("trust", "slug"):
        last = provider.runs.exclude(mode=Run.Mode.LOOKUP).order_by("-pk").first()
        rows.append(
            (
                link(provider),
                "on" if provider.enabled else "off",
                link(last, f"run {last.pk} ({last.mode})") if last else "never ran",
                status_badge(last, RUN_COLOURS) if last else NOTHING,
                moment(last.started_at) if last else NOTHING,
                short(last.error) if last and last.error else NOTHING,
            )
        )
    more = "" if rows else format_html("Nothing is followed yet: {}.", anchor(list_url(Provider) + "add/", "add one"))
    return Table("Providers", ("Provider", "Schedules", "Last run", "Status", "Started", "Error"), rows, more)
