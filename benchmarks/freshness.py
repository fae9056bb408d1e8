"""How true a catalogue stays under a fixed number of requests a day, by when its pages are asked for again.

``python -m benchmarks.freshness [--pages 1000000] [--days 360] [--seed 1]`` lets a million pages (a release, an artist:
whatever one request refreshes) change at random for a year, and asks for some of them each day, by the policies of
``refreshing.py``: one after the other; 12 h, 30 or 60 days after the last time by age; that of musicsync, which knows
of a page what its own checks said; and the optimal one, which knows all rates.

A page changes as a Poisson process, at a rate of its own, which another takes the place of every two years or so; new
releases change ten times as often at first, and a twentieth of the catalogue is new each year. The rates:

catalogue
    30 % of the pages never change, the others log-normally: once a year at the median, one in a hundred twice a week.
    In a year half of all do not change, as Ntoulas, Cho and Olston found of web pages ("What's new on the Web?", 2004);
    that the others spread over orders of magnitude is what all such studies say. A model, not a measurement.
web
    by Cho and Garcia-Molina ("The evolution of the Web and implications for an incremental crawler", 2000): 23 % change
    daily, 15 % weekly, 16 % monthly, 16 % within four months, 30 % more seldom. Far livelier than music.

Freshness is the share of pages whose copy is true; age is for how many days the others have not been, over all pages.
Both are means over the second half of the time; the first half is for learning.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.refreshing import POLICIES, Floats, Places, Policy
from benchmarks.report import COLOURS, plot, table, write_part

RUNS = (("catalogue", 10), ("catalogue", 30), ("catalogue", 60), ("web", 10))
"""Rates of change, and after how many days each page could be asked again if all were alike."""
PLOTTED = ("catalogue", 30)
SMALLER = 10
"""How many times fewer pages the runs have that are not plotted."""
NEW_A_YEAR = 0.05
NEW_FOR_DAYS, NEW_TIMES = 60.0, 10.0
STEADY_FOR_DAYS = 730.0
LIVELY = 0.7
"""The share of the catalogue's pages that change at all."""
_YEAR = 365.0
_WEB_SHARES = (0.23, 0.15, 0.16, 0.16, 0.30)
_WEB_DAYS = np.array([0.5, 1, 7, 30, 120, 2000])


class World:
    """The pages as the provider has them; ``released_at`` is in days, some after the first."""

    def __init__(self, kind: str, pages: int, days: int, rng: np.random.Generator) -> None:
        self.released_at = rng.uniform(-_YEAR / NEW_A_YEAR, days, pages)
        self._kind, self._rng = kind, rng
        self._lasting = self._draw(pages)
        self.rates = self._lasting

    def pass_day(self, day: int) -> Places:
        """Let a day go by; return the pages that changed in it."""
        pages = len(self._lasting)
        moved = self._rng.integers(0, pages, self._rng.poisson(pages / STEADY_FOR_DAYS))
        self._lasting[moved] = self._draw(len(moved))
        age = day - self.released_at
        self.rates = np.where(age > 0, self._lasting, 0)
        new = np.flatnonzero((age > 0) & (age < 5 * NEW_FOR_DAYS))
        self.rates[new] *= 1 + (NEW_TIMES - 1) * np.exp(-age[new] / NEW_FOR_DAYS)
        summed = np.cumsum(self.rates)
        return np.unique(np.searchsorted(summed, self._rng.random(self._rng.poisson(summed[-1])) * summed[-1]))

    def _draw(self, pages: int) -> Floats:
        """Return rates, in changes a day."""
        if self._kind == "catalogue":
            return np.exp(2 * self._rng.standard_normal(pages)) / _YEAR * (self._rng.random(pages) < LIVELY)
        group = self._rng.choice(len(_WEB_SHARES), pages, p=_WEB_SHARES)
        shortest, longest = _WEB_DAYS[group], _WEB_DAYS[group + 1]
        return 1 / (shortest * (longest / shortest) ** self._rng.random(pages))


class Outcome(NamedTuple):
    """What became of one policy: freshness and age day by day, and the share of checks that found a change."""

    name: str
    freshness: list[float]
    age: list[float]
    hits: float

    @property
    def settled(self) -> tuple[float, float]:
        """Freshness and age over the second half."""
        half = len(self.age) // 2
        return float(np.mean(self.freshness[half:])), float(np.mean(self.age[half:]))


def simulate(kind: str, pages: int, every: int, days: int, seed: int) -> list[Outcome]:
    """Return what each policy makes of the same changes with ``pages`` / ``every`` checks a day."""
    world = World(kind, pages, days, np.random.default_rng(seed))
    policies: list[Policy] = [
        policy(world.released_at, pages // every, np.random.default_rng(seed)) for policy in POLICIES
    ]
    course: list[list[tuple[float, float]]] = [[] for _ in policies]
    for day in range(1, days + 1):
        changed = world.pass_day(day)
        for policy, states in zip(policies, course, strict=True):
            states.append(policy.pass_day(day, changed, world.rates))
    return [
        Outcome(
            policy.name, [state[0] for state in states], [state[1] for state in states], policy.hits / policy.checks
        )
        for policy, states in zip(policies, course, strict=True)
    ]


def main() -> None:
    """Simulate, and write tables and a plot into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness", description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=360)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    rows: list[list[str]] = []
    picture = ""
    for kind, every in RUNS:
        pages = options.pages if (kind, every) == PLOTTED else options.pages // SMALLER
        outcomes = simulate(kind, pages, every, options.days, options.seed)
        rows += _rows(f"{kind}, {pages:,} pages, {pages // every:,} a day", outcomes)
        print(table(_HEADS, rows[-len(outcomes) :]))
        if (kind, every) == PLOTTED:
            picture = plot("freshness", lambda axes, found=outcomes: _draw(axes, found))
    write_part("freshness", f"{table(_HEADS, rows)}\n\n{picture}")
    print(f"{time.monotonic() - began:.0f} s")


_POINTS = "offset points"
_HEADS = ("pages and requests", "policy", "fresh", "of the optimum", "stale", "age, days", "checks that found a change")


def _rows(title: str, outcomes: list[Outcome]) -> list[list[str]]:
    best = outcomes[-1].settled[0]
    return [
        [
            title if place == 0 else "",
            outcome.name,
            f"{outcome.settled[0]:.4f}",
            f"{outcome.settled[0] / best:.1%}",
            f"{1 - outcome.settled[0]:.2%}",
            f"{outcome.settled[1]:.2f}",
            f"{outcome.hits:.1%}",
        ]
        for place, outcome in enumerate(outcomes)
    ]


def _draw(axes: Any, outcomes: list[Outcome]) -> None:
    lines = [(100 * (1 - np.array(outcome.freshness)), outcome.name) for outcome in outcomes]
    highest = max(stale.max() for stale, _ in lines)
    heights: list[float] = []
    for (stale, name), colour in sorted(zip(lines, COLOURS, strict=False), key=lambda line: line[0][0][-1]):
        axes.plot(stale, color=colour, linewidth=1.6)
        # No two names on top of each other.
        heights.append(max(stale[-1], heights[-1] + highest / 18 if heights else 0.0))
        axes.annotate(name, (len(stale), heights[-1]), color=colour, va="center", xytext=(4, 0), textcoords=_POINTS)
    axes.set(title="Share of pages whose copy is not true, by day", ylabel="%", xlabel="day", ylim=(0, None))
    axes.set_xlim(0, len(outcomes[0].freshness) * 1.25)


if __name__ == "__main__":
    main()
