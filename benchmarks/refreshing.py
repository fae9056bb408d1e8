"""The policies that ``freshness.py`` compares: each says, after each check of a page, when the next one is due.

The pages that have been due for longest are asked first, and all that the budget allows are asked, due or not.
"""

from abc import ABC, abstractmethod
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicsync.freshness import UNKNOWN, Gamma, interval, learnt, price_for, prior_of

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Truths = NDArray[np.bool_]

SHORTEST, LONGEST = 1.0, 365.0
"""The bounds of the schedule's intervals, in days."""
NEVER = 1e5
"""The optimal policy may give a page up."""
_SAMPLE = 5000
_TUNE_DAYS = 5
_HALVINGS = 12
_RATES = np.geomspace(1e-6, 100, 500)


class Checked(NamedTuple):
    """Pages that were just asked for, each ``days`` after the time before, and whether it had changed."""

    pages: Places
    days: Floats
    changed: Truths


class Policy(ABC):
    """A copy of the pages that is kept up by ``budget`` checks a day, and how true it is."""

    name: str

    def __init__(self, released_at: Floats, budget: int, rng: np.random.Generator) -> None:
        pages = len(released_at)
        self.budget = budget
        self.rng = rng
        self.checks = self.hits = 0
        self.day = 0
        # The true ones of today, for those who may look.
        self.rates = np.zeros(pages)
        self.released_at = released_at
        # Pages are known as soon as they are released; the first copy of those of old took a round.
        self.checked_at = np.maximum(released_at, -rng.random(pages) * pages / budget)
        self.due_at = self.checked_at + pages / budget
        self._is_stale = np.zeros(pages, bool)
        self._stale_since = np.zeros(pages)

    @abstractmethod
    def next_due(self, checked: Checked) -> Floats:
        """Return when the pages that were checked today are due again."""

    def tune(self) -> None:  # noqa: B027 - most have nothing to tune
        """Adapt to the budget, every few days."""

    def pass_day(self, day: int, changed: Places, rates: Floats) -> tuple[float, float]:
        """Live through a day on which pages change and some are checked; return freshness and age in its middle."""
        began = self._truth()
        self.day, self.rates = day, rates
        self._go_stale(changed, day - 0.5)
        ended = self._truth()
        if day % _TUNE_DAYS == 1:
            self.tune()
        due_at = np.where(self.released_at < day, self.due_at, np.inf)
        self._check(np.argpartition(due_at, self.budget)[: self.budget])
        return (began[0] + ended[0]) / 2, (began[1] + ended[1]) / 2

    def _go_stale(self, pages: Places, at: float) -> None:
        newly = pages[~self._is_stale[pages]]
        self._is_stale[newly] = True
        self._stale_since[newly] = at

    def _check(self, pages: Places) -> None:
        checked = Checked(pages, self.day - self.checked_at[pages], self._is_stale[pages])
        self.checks += len(pages)
        self.hits += int(checked.changed.sum())
        self.due_at[pages] = self.next_due(checked)
        self.checked_at[pages] = self.day
        self._is_stale[pages] = False

    def _truth(self) -> tuple[float, float]:
        stale = np.flatnonzero(self._is_stale)
        pages = np.count_nonzero(self.released_at <= self.day)
        return 1 - len(stale) / pages, float(np.sum(self.day - self._stale_since[stale])) / pages


class Uniform(Policy):
    """One page after the other, round and round."""

    name = "uniform"

    def next_due(self, checked: Checked) -> Floats:
        """Return a whole round later."""
        return np.full(len(checked.pages), self.day + len(self.released_at) / self.budget)


class AgeTiers(Policy):
    """Twice a day, every 30 or every 60 days, by the time since release or the last change that was seen."""

    name = "age tiers"
    _NEWS, _OLD = 14.0, 365.0
    _INTERVALS = (0.5, 30.0, 60.0)

    def __init__(self, released_at: Floats, budget: int, rng: np.random.Generator) -> None:
        super().__init__(released_at, budget, rng)
        self._news_at = released_at.copy()

    def next_due(self, checked: Checked) -> Floats:
        """Return the interval of the tier later."""
        self._news_at[checked.pages[checked.changed]] = self.day
        age = self.day - self._news_at[checked.pages]
        new, middle, old = self._INTERVALS
        return self.day + np.where(age < self._NEWS, new, np.where(age < self._OLD, middle, old))


class Learning(Policy):
    """``musicsync/freshness.py``: it knows what its own checks said, changed or not, and nothing else."""

    name = "musicsync"

    def __init__(self, released_at: Floats, budget: int, rng: np.random.Generator) -> None:
        super().__init__(released_at, budget, rng)
        self.prior, self.price = UNKNOWN, 1.0
        self._changes = np.zeros(len(released_at))
        self._days = np.zeros(len(released_at))

    def tune(self) -> None:
        """Learn the prior and the price from a sample."""
        known = np.flatnonzero(self.released_at < self.day)
        sample = self.rng.choice(known, min(_SAMPLE, len(known)))
        belief = self.prior + self._seen(sample)
        self.prior = prior_of(float(np.mean(belief.rate)), float(np.mean(belief.is_still(30))))
        belief = self.prior + self._seen(sample)
        share = len(sample) / len(known)
        self.price = price_for(
            lambda price: float(np.sum(1 / interval(belief, price, SHORTEST, LONGEST))) / share, self.budget
        )

    def next_due(self, checked: Checked) -> Floats:
        """Return when a check will be worth its price."""
        seen = learnt(self.prior, self._seen(checked.pages), checked.days, changed=checked.changed)
        self._changes[checked.pages], self._days[checked.pages] = seen.changes, seen.days
        return self.day + interval(self.prior + seen, self.price, SHORTEST, LONGEST)

    def _seen(self, pages: Places) -> Gamma:
        return Gamma(self._changes[pages], self._days[pages])


class Optimal(Policy):
    """Cho and Garcia-Molina (2003), with the rates known that nobody knows."""

    name = "optimal, rates known"

    def tune(self) -> None:
        """Solve for the price, and go by it and the rates as they are now with all pages."""
        known = self.rates[self.released_at < self.day]
        sample = self.rng.choice(known, min(4 * _SAMPLE, len(known)))
        self.price = optimal_price(sample, self.budget * len(sample) / len(known))
        self._table = optimal_intervals(_RATES, self.price)
        self.due_at = self.checked_at + self._interval(self.rates)

    def next_due(self, checked: Checked) -> Floats:
        """Return the optimal interval later."""
        return self.day + self._interval(self.rates[checked.pages])

    def _interval(self, rates: Floats) -> Floats:
        return np.interp(rates, _RATES, self._table)


POLICIES = (Uniform, AgeTiers, Learning, Optimal)


def optimal_intervals(rates: Floats, price: float, shortest: float = SHORTEST, longest: float = NEVER) -> Floats:
    """Return the interval, in days, at which one more check a day of each page would win ``price`` days of truth.

    By Lagrange: of the freshness (1 - exp(-r i)) / (r i) of a page with rate r and interval i, the derivative by the
    checks a day, (1 - (1 + r i) exp(-r i)) / r, is the same for all pages. It grows with the interval.
    """
    rates = np.maximum(rates, 1e-9)
    found = np.full(len(rates), shortest)
    for halving in range(1, _HALVINGS + 1):
        step = (longest / shortest) ** 0.5**halving
        expected = rates * found * step
        won = -(np.expm1(-expected) + expected * np.exp(-expected)) / rates
        found = np.where(won < price, found * step, found)
    return found


def optimal_price(rates: Floats, budget: float, shortest: float = SHORTEST, longest: float = NEVER) -> float:
    """Return the price at which pages with these rates, at the optimal intervals, use ``budget`` checks a day."""
    intervals = partial(optimal_intervals, rates, shortest=shortest, longest=longest)
    return price_for(lambda price: float(np.sum(1 / intervals(price))), budget)
