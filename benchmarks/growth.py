"""How the time and the memory of a first import grow with the catalogue.

``python -m benchmarks.growth [--sizes 10000 100000 1000000]`` imports a bulk feed of each size into an empty database,
and writes a table and plots into ``docs/benchmarks.md``. Five million tracks take about 20 minutes and 25 GB of disk.
"""

import argparse
from typing import Any

from benchmarks.end_to_end import Outcome, measure
from benchmarks.report import COLOURS, machine, plot, table, write_part

_THOUSAND = 1000


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    write_part("growth", growth([measure(size, "--only-first") for size in sorted(set(options.sizes))]))


def growth(outcomes: list[Outcome]) -> str:
    """Return the table and the plots of the first imports by size."""
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
    return "\n\n".join(
        [f"{machine()}.", table((*heads, "largest worker process, MB", "PostgreSQL, MB"), rows), *pictures]
    )


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
