"""When a page should be asked for again, so that a budget of requests keeps as much as possible true.

A page changes at random, at a rate of its own that nobody knows. What is believed of the rate is a gamma distribution
(``Gamma``); it begins as what is known of all pages (``prior_of``) and learns from each check of the page
(``learnt``). A check has a price, the same for all pages, and is made as soon as it is worth that (``interval``); the
price is such that the budget is used up (``price_for``). With rates that are known this is the optimal policy of Cho
and Garcia-Molina ("Effective page refresh policies for web crawlers", 2003): what changes now and then is asked often,
what is still seldom, and what changes faster than it can be asked is not chased.

The formulas are arithmetic alone, so that they take numbers or NumPy arrays. Times are in days, rates in changes a day.
"""

from collections.abc import Callable
from dataclasses import dataclass

MEMORY_DAYS = 180.0
"""How long what was seen counts: pages that were lively calm down, and still ones are taken up again."""
_SOONEST_DAYS = 0.001
_HALVINGS = 8
_PRICE_HALVINGS = 40
_DEAREST = 1e4
_MONTH = 30.0
_LEAST_SHAPE = 0.02
_MOST_DAYS = 1e5


@dataclass(frozen=True, slots=True)
class Gamma:
    """A belief about a rate, as if ``changes`` had been seen in ``days``; the sum of two is a prior and what was seen.

    What was seen of a page begins as ``Gamma(0, 0)``.
    """

    changes: float
    days: float

    def __add__(self, other: "Gamma") -> "Gamma":
        return Gamma(self.changes + other.changes, self.days + other.days)

    @property
    def rate(self) -> float:
        """The rate to expect."""
        return self.changes / self.days

    def is_still(self, days: float) -> float:
        """Return the chance that a page does not change for so long."""
        chance: float = (1 + days / self.days) ** -self.changes
        return chance


UNKNOWN = Gamma(0.5, 30.0)
"""The prior of a provider of which nothing is known yet: some pages change every week, many never."""

NOTHING = Gamma(0.0, 0.0)
"""What was seen of a page that was read once."""
APPEARED = Gamma(1.0, 0.0)
"""The same, where it was not there before: that is a change, and what is new changes often at first."""


def learnt(prior: Gamma, seen: Gamma, days: float, *, changed: bool) -> Gamma:
    """Return what was seen of a page with one more check, ``days`` after the one before.

    A page that did not change is that much calmer. One that did may have done so more than once: the belief takes the
    mean and the variance that follow from "at least once".
    """
    days = days + _SOONEST_DAYS
    kept = 2 ** (-days / MEMORY_DAYS)
    belief = prior + Gamma(seen.changes * kept, seen.days * kept)
    mean, square = _moments_if_changed(belief, days)
    sharpness = mean / (square - mean * mean)
    return Gamma(
        changed * (mean * sharpness) + (1 - changed) * belief.changes - prior.changes,
        changed * sharpness + (1 - changed) * (belief.days + days) - prior.days,
    )


def worth(belief: Gamma, days: float) -> float:
    """Return what a check is worth that comes after so many days: the days of truth that it wins.

    Of as many days from now on the page is true for the first ones; unasked it is only by the chance that it is still.
    """
    order = belief.changes - 1 + 1e-6 * (belief.changes == 1)  # at 1 the formula has a logarithm instead
    true_days: float = belief.days * (1 - (1 + days / belief.days) ** -order) / order
    return true_days - days * belief.is_still(days)


def interval(belief: Gamma, price: float, shortest: float, longest: float) -> float:
    """Return after how many days a check is worth its price, between ``shortest`` and ``longest``, to some per cent."""
    found = shortest + 0 * belief.days
    for halving in range(1, _HALVINGS + 1):
        step = (longest / shortest) ** 0.5**halving
        # A truth value as exponent is a choice for numbers and arrays alike.
        found = found * step ** (worth(belief, found * step) < price)
    return found


def price_for(checks_a_day: Callable[[float], float], budget: float) -> float:
    """Return the price at which no more checks come due in a day than the budget allows.

    ``checks_a_day`` says how many do at a price: the sum of 1 / ``interval`` over all pages, or over a sample, scaled.
    """
    low, high = 1 / _DEAREST, _DEAREST
    for _ in range(_PRICE_HALVINGS):
        middle: float = (low * high) ** 0.5
        low, high = (middle, high) if checks_a_day(middle) > budget else (low, middle)
    return high


def prior_of(rate: float, still_for_a_month: float) -> Gamma:
    """Return the prior of pages with this mean rate and this share that does not change in 30 days.

    Both are means over the beliefs about the pages. Those began with an earlier prior: a few rounds, one with each
    tuning of the price, settle it.
    """
    low, high = _LEAST_SHAPE / rate, _MOST_DAYS
    for _ in range(_PRICE_HALVINGS):
        middle = (low * high) ** 0.5
        too_mixed = Gamma(rate * middle, middle).is_still(_MONTH) > still_for_a_month
        low, high = (middle, high) if too_mixed else (low, middle)
    return Gamma(rate * high, high)


def _moments_if_changed(belief: Gamma, days: float) -> tuple[float, float]:
    """Return the mean of the rate and of its square, given that the page changed at least once in so many days."""
    calmer = 1 / (1 + days / belief.days)
    changed = 1 - calmer**belief.changes
    mean = belief.rate * (1 - calmer ** (belief.changes + 1)) / changed
    square = belief.rate * (belief.changes + 1) / belief.days * (1 - calmer ** (belief.changes + 2)) / changed
    return mean, square
