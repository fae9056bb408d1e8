"""What people read: every page of the admin over big tables, the change feed, and what the commands list.

The benchmark measures each over a million tracks; a test looks at the plans of its statements over less.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db.models import Max, Min, Model
from msgspec import Struct

from musicsync import queries
from musicsync.admin.base import RunFilter
from musicsync.admin.show import link_address, list_url
from musicsync.models import (
    Alert,
    Artist,
    Change,
    Failure,
    Fetch,
    Provider,
    Recording,
    Rejection,
    Release,
    Run,
    Scope,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
    Worker,
)

LISTS: tuple[type[Model], ...] = (
    *(Artist, Release, Recording, Track, SourceArtist, SourceRelease, SourceTrack, Change),
    *(Fetch, Rejection, Scope, Failure, Alert, Run, Provider, Worker),
)
_CATALOGUE = (Artist, Release, Recording, Track)
_SOURCES = (SourceArtist, SourceRelease, SourceTrack)
_PORTION = 1000
Get = Callable[[str], Any]
_ISRC, _GTIN = "USRC00000077", "00000000000077"
_SEARCHES: tuple[tuple[type[Model], str, str], ...] = (
    *((model, "frequent prefix", "love") for model in (Release, Recording, Track)),
    (Artist, "frequent prefix", "the love"),
    *((model, "one letter", "i") for model in (Recording, Track)),
    (Track, "frequent title", "intro"),
    *((model, "rare prefix", "quixotic quix") for model in (Release, Recording, Track)),
    (Artist, "rare prefix", "the quixotic quix"),
    *((model, "no hit", "zzyzx") for model in (*_CATALOGUE, *_SOURCES, Change, Fetch, Rejection, Scope)),
    *((model, "ISRC", _ISRC) for model in (Recording, Track)),
    (Release, "GTIN", _GTIN),
    *((Artist, "id", "a77"), (Release, "id", "r77"), (Track, "id", "t77")),
    *((SourceArtist, "id", "a77"), (SourceRelease, "id", "r77"), (SourceTrack, "id", "t77")),
    *((SourceTrack, "release's id", "r77"), (SourceTrack, "recording's id", "g77")),
    *((Change, "row", "track 77"), (Change, "row's number", "77")),
    *((Fetch, "request", "album/r77"), (Fetch, "number", "77"), (Fetch, "error", "503 from")),
    *((Rejection, "page", "album/r20"), (Rejection, "reason", "no title"), (Scope, "key", "a77")),
)


class Reading(Struct, frozen=True):
    """One thing that is read; ``read`` does it and returns how many rows it showed. ``group`` has those alike."""

    group: str
    name: str
    read: Callable[[], int]


def readings(get: Get) -> list[Reading]:
    """Return all readings over what ``filling`` made; ``get`` answers an address of the admin."""
    overview = Reading("overview", "overview", lambda: shown(get("/admin/")))
    return [overview, *_lists(get), *_details(get), *_feed(), *_of_runs(), *_commands()]


def shown(answer: Any) -> int:
    """Return how many rows the list or the tables of a page have.

    Raises:
        RuntimeError: it is an error page, or leads elsewhere.
    """
    if answer.status_code != 200:  # noqa: PLR2004 - OK
        raise RuntimeError(f"a page of the admin answered {answer.status_code}")
    context = answer.context_data
    if "cl" in context:
        return len(context["cl"].result_list)
    return sum(len(panel.rows) for panel in context.get("panels", ()))


def _lists(get: Get) -> list[Reading]:
    found: list[tuple[type[Model], str, str, dict[str, Any]]] = []
    for model in LISTS:
        ends = model.objects.aggregate(first=Min("pk"), last=Max("pk"))
        middle = (ends["first"] + ends["last"]) // 2
        found.append((model, "pages", "newest", {}))
        if model is not Provider:
            found += [
                (model, "pages", "a deep page", {"p": middle}),
                (model, "pages", "the one before", {"p": -middle}),
            ]
        found += [(model, "filters", f"{name}={value}", {name: value}) for name, value in _choices(get, model)]
        found += [(model, "searches", what, {"q": term}) for searched, what, term in _SEARCHES if searched is model]
    for model in _CATALOGUE:
        found.append((model, "searches", "frequent prefix, gone", {"q": "love", "state__exact": "gone"}))
    for model in _SOURCES:
        found += _of_the_first_provider(model)
    return [
        _page(get, f"{m._meta.verbose_name_plural}: {group}", name, list_url(m, **q)) for m, group, name, q in found
    ]


def _of_the_first_provider(model: Any) -> list[tuple[type[Model], str, str, dict[str, Any]]]:
    """Return its pages by its own ids, and with a filter more."""
    chosen = {"provider__id__exact": Provider.objects.order_by("pk")[0].pk}
    ordered = model.objects.filter(provider=chosen["provider__id__exact"]).order_by("external_id").values_list("pk")
    (middle,) = ordered[ordered.count() // 2]
    return [
        (model, "filters", "the first provider, a deep page", chosen | {"p": middle}),
        (model, "filters", "the first provider, the page before", chosen | {"p": -middle}),
        *(
            (model, "filters", f"the first provider, {state}", chosen | {"state__exact": state})
            for state in ("present", "gone")
        ),
    ]


def _choices(get: Get, model: type[Model]) -> list[tuple[str, str]]:
    """Return the choices of each filter that a list offers, as they stand in the address, the ends of runs."""
    changes = get(list_url(model)).context_data["cl"]
    found = []
    for spec in changes.filter_specs:
        queries_ = [choice["query_string"].removeprefix("?") for choice in spec.choices(changes)]
        choices = [(name, value) for name, _, value in (text.partition("=") for text in queries_) if value]
        found += [choices[0], choices[-1]] if isinstance(spec, RunFilter) else choices
    return found


def _details(get: Get) -> list[Reading]:
    rows: list[tuple[str, Model]] = []
    for model in LISTS:
        ordered = model.objects.order_by("pk")
        rows.append((str(model._meta.verbose_name), ordered[min(76, ordered.count() - 1)]))
    dead = Fetch.objects.filter(status=Fetch.Status.DEAD).order_by("pk")[0]
    ended, running = Run.objects.order_by("pk")[0], Run.objects.order_by("-pk")[0]
    rows += [("full run that ended", ended), ("full run under way", running), ("dead fetch", dead)]
    return [_page(get, "pages of one row", name, link_address(row)) for name, row in rows]


def _page(get: Get, group: str, name: str, address: str) -> Reading:
    return Reading(group, name, lambda: shown(get(address)))


def _feed() -> list[Reading]:
    ordered = Change.objects.order_by("transaction", "pk")
    middle, last = ordered[ordered.count() // 2], ordered.reverse()[0]
    points = {"begin": (0, 0), "middle": (middle.transaction, middle.pk), "end": (last.transaction, last.pk)}
    return [
        Reading("change feed", f"{_PORTION:,} from the {where} on", partial(_changes_after, *point))
        for where, point in points.items()
    ]


def _changes_after(transaction: int, change_id: int) -> int:
    return len(queries.changes_after(transaction, change_id, _PORTION))


def _of_runs() -> list[Reading]:
    ended, running = Run.objects.order_by("pk")[0], Run.objects.order_by("-pk")[0]
    said = [row for model in _CATALOGUE for row in model.objects.order_by("pk")[76:77]]
    return [
        *(
            Reading("progress and forecast of a run", name, partial(_progress, run))
            for name, run in (("full run under way", running), ("full run that ended", ended))
        ),
        *(Reading("who said what", str(row._meta.verbose_name), partial(_who_said_what, row)) for row in said),
    ]


def _progress(run: Run) -> int:
    far = queries.progress(run.pk)
    queries.forecast_of(run, far)
    return far.done


def _who_said_what(row: Any) -> int:
    return len(queries.who_said_what(row))


def _commands() -> list[Reading]:
    ended, running = Run.objects.order_by("pk")[0], Run.objects.order_by("-pk")[0]
    commands: tuple[tuple[str, ...], ...] = (
        ("runs",),
        ("runs", "--provider", "deezer", "--json"),
        ("run", "show", str(running.pk)),
        ("run", "show", str(ended.pk)),
        ("fetches", "list"),
        ("fetches", "list", "--run", str(ended.pk)),
        ("fetches", "list", "--run", str(running.pk), "--status", "applied"),
        ("fetches", "list", "--provider", "deezer", "--error", "503"),
        ("fetches", "show", "77"),
        ("provider", "list"),
    )
    return [Reading("commands", f"manage.py {' '.join(command)}", partial(_said, command)) for command in commands]


def _said(command: tuple[str, ...]) -> int:
    said = io.StringIO()
    call_command(*command, stdout=said)
    return said.getvalue().count("\n")
