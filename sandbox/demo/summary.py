"""What came of the demo, held against what the sandbox announced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from musicsync import queries
from musicsync.management.progress import clock
from musicsync.models import Run, SourceTrack, Track
from musicsync.queries import Progress
from musicsync.sync.sources import LIVE
from musicsync.words import counted
from sandbox.demo.simulator import Asked, Expected, Simulator

_EXAMPLES = 3
_LOOKED_THROUGH = 200
_COUNTS = ("fetched", "created", "updated", "unchanged", "removed", "rejected", "merged ids")


class Side(Struct, frozen=True):
    """One of the demo's providers: its dialect of the sandbox below ``path``, and its budget in requests per second."""

    slug: str
    dialect: str
    path: str
    trust: int
    rate: float


class Outcome(Struct, frozen=True):
    """What came of one provider's run. ``expected`` is ``None`` where the last demo was interrupted."""

    side: Side
    progress: Progress
    counts: dict[str, int]
    live: int
    asked: Asked
    tracks: int
    expected: dict[str, int] | None

    @property
    def agrees(self) -> bool:
        """Tell whether the catalogue shows what the sandbox announced."""
        if self.progress.status != Run.Status.DONE or self.live != self.tracks:
            return False
        return self.expected is None or all(self.counts[name] == number for name, number in self.expected.items())


def live_tracks(slug: str) -> int:
    """Return how many tracks the provider has by what it last said."""
    return SourceTrack.objects.filter(provider__slug=slug, state__in=LIVE).count()


def outcome(
    side: Side, progress: Progress, simulator: Simulator, before: int | None | Literal["nothing"], now: int
) -> Outcome:
    """Return what came of a run, given the generation that the catalogue showed ``before`` it, and the one ``now``."""
    announced = simulator.expected(side.dialect, before if isinstance(before, int) else now, now)
    return Outcome(
        side=side,
        progress=progress,
        counts=_counts(progress.totals),
        live=live_tracks(side.slug),
        asked=simulator.asked(side.dialect),
        tracks=announced.tracks,
        expected=None if before is None else _expected(announced, from_nothing=before == "nothing"),
    )


def show(console: Console, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Print the tables, and how the sandbox's own account compares."""
    console.print()
    console.print(_provider_table(outcomes))
    totals = [f"[bold]{number:,}[/] {name}" for name, number in queries.catalogue_totals().items()]
    console.print(f"\nthe catalogue: {', '.join(totals)}\n")
    for track in _examples():
        console.print(_example_table(track))
        console.print()
    for one in outcomes:
        console.print(_verdict(one))
    console.print(f"[dim]all of it took {clock(seconds)}[/]")


def show_next(console: Console, var: Path) -> None:
    """Print where to look next."""
    here = f"MUSICSYNC_VAR={escape(str(var))}"
    console.print(
        "\nwhere to look next\n"
        "  make demo                          again: everything is unchanged\n"
        "  make demo EVOLVE=1                 let the catalogues move on first\n"
        f"  {here} make up\n"
        "                                     this catalogue in the admin, with Flower\n"
        f"  {here} .venv/bin/python manage.py runs\n"
        "                                     its runs; `manage.py help sync` says how to start one",
        soft_wrap=True,
    )


def _counts(totals: dict[str, int]) -> dict[str, int]:
    fetched, created, updated = (totals.get(name, 0) for name in ("distinct_tracks", "track.created", "track.updated"))
    return {
        "fetched": fetched,
        "created": created,
        "updated": updated,
        "unchanged": fetched - created - updated,
        "removed": totals.get("track.removed", 0),
        "rejected": totals.get("rejected", 0),
        "merged ids": totals.get("artist.merged", 0),
    }


def _expected(announced: Expected, *, from_nothing: bool) -> dict[str, int]:
    return {
        "updated": announced.edited,
        "removed": announced.removed,
        "created": announced.tracks if from_nothing else announced.added,
        "merged ids": announced.merged_artists,
    }


def _provider_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    table.add_column("tracks by provider", no_wrap=True)
    for name in (*_COUNTS, "time"):
        table.add_column(name, justify="right")
    for one in outcomes:
        numbers = (f"{one.counts[name]:,}" for name in _COUNTS)
        table.add_row(one.side.slug, *numbers, clock(one.progress.seconds))
    return table


def _examples() -> list[Track]:
    """Return tracks of different releases, of which more than one provider tells."""
    of_release: dict[int, Track] = {}
    for track in queries.told_by_several(_LOOKED_THROUGH):
        of_release.setdefault(track.release_id, track)
    return list(of_release.values())[:_EXAMPLES]


def _example_table(track: Track) -> Table:
    fields = queries.who_said_what(track)
    providers = sorted({provider for field in fields for provider in field["said"]}, reverse=True)
    # Text, because what providers say is no markup.
    title = Text.assemble((track.recording.title, "bold"), f" – {track.recording.artist_credit}")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", title=title)
    table.title_justify, table.title_style = "left", ""
    table.add_column("", width=11, style="dim")
    for provider in providers:
        table.add_column(provider, width=40, no_wrap=True, overflow="ellipsis")
    for field in fields:
        cells = (
            Text(str(field["said"].get(provider, "–")), style="green" if provider == field["by"] else "dim")
            for provider in providers
        )
        table.add_row(field["field"], *cells)
    return table


def _verdict(one: Outcome) -> str:
    requests = f"{counted(one.asked.served + one.asked.refused, 'request')}, {one.asked.refused:,} refused"
    name = f"[bold]{one.side.slug}[/]"
    if one.progress.status != Run.Status.DONE:
        return f"[red]✗[/] {name}: run {one.progress.run_id} is {one.progress.status}; {requests}"
    if one.expected is None:
        said = f"{counted(one.tracks, 'track')} (which of them changed was lost with the last, interrupted demo)"
        shown = f"{one.live:,}"
    else:
        said, shown = _words(one.expected, one.tracks), _words(one.counts, one.live)
    if one.agrees:
        return f"[green]✓[/] {name}: the sandbox says {said}\n  – the catalogue shows the same; {requests}"
    return f"[red]✗[/] {name}: the sandbox says {said}\n  – the catalogue shows {shown}; {requests}"


def _words(counts: dict[str, int], tracks: int) -> str:
    words = {"updated": "edited", "removed": "removed", "created": "new", "merged ids": "merged"}
    changes = ", ".join(f"{counts[name]:,} {word}" for name, word in words.items())
    return f"{counted(tracks, 'track')}, {changes}"
