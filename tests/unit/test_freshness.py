import math
from itertools import pairwise

import pytest

from musicsync.freshness import (
    APPEARED,
    MEMORY_DAYS,
    NOTHING,
    UNKNOWN,
    Gamma,
    interval,
    learnt,
    price_for,
    prior_of,
    worth,
)


def after(*checks: tuple[float, bool]) -> Gamma:
    """Return the belief about a page after checks, each so many days after the one before: changed or not."""
    seen = NOTHING
    for days, changed in checks:
        seen = learnt(UNKNOWN, seen, days, changed=changed)
    return UNKNOWN + seen


def due(belief: Gamma, price: float = 1.0) -> float:
    return interval(belief, price, 0.5, 365.0)


def test_a_page_that_stays_as_it_is_is_asked_for_later_and_later() -> None:
    intervals = [due(after(*[(30, False)] * checks)) for checks in range(6)]
    assert all(later > before for before, later in pairwise(intervals))


def test_a_page_that_changed_is_asked_for_sooner() -> None:
    still = [(30, False)] * 5
    assert due(after(*still, (30, True))) < 0.6 * due(after(*still, (30, False)))


def test_a_page_that_changes_faster_than_it_is_worth_is_not_chased() -> None:
    assert due(after(*[(0.5, True)] * 200), price=5.0) == pytest.approx(365, rel=0.05)


def test_the_interval_keeps_its_bounds() -> None:
    for price in (1e-9, 1.0, 1e9):
        for belief in (Gamma(0.01, 1e5), Gamma(1.0, 1.0), Gamma(500.0, 1.0)):
            assert 0.5 <= due(belief, price) <= 365


def test_what_was_seen_long_ago_fades() -> None:
    seen = learnt(UNKNOWN, NOTHING, 1, changed=True)
    faded = learnt(UNKNOWN, seen, MEMORY_DAYS, changed=False)
    assert faded.changes == pytest.approx(seen.changes / 2, rel=0.01)


@pytest.mark.parametrize("truth", [0.01, 0.1, 1.0])
def test_the_rate_of_a_page_that_changes_regularly_is_found(truth: float) -> None:
    days = 0.5 / truth
    changed_share = 1 - math.exp(-truth * days)
    owed, prior, seen = 0.0, Gamma(0.5, 1.0), NOTHING
    for _ in range(200):
        owed += changed_share
        seen = learnt(prior, seen, days, changed=owed >= 1)
        owed -= owed >= 1
    assert (prior + seen).rate == pytest.approx(truth, rel=0.15)


@pytest.mark.parametrize("belief", [Gamma(0.3, 20.0), Gamma(1.0, 10.0), Gamma(4.0, 30.0)])
@pytest.mark.parametrize("days", [0.1, 5.0, 300.0])
def test_a_changed_page_is_believed_to_have_the_mean_and_variance_that_follow(belief: Gamma, days: float) -> None:
    """Against the integral over all rates, by the sum over many."""
    rates = [math.exp(-23 + 30 * (step + 0.5) / 20_000) for step in range(20_000)]
    # One more power of the rate, as the steps are of its logarithm.
    weights = [rate**belief.changes * math.exp(-belief.days * rate) * -math.expm1(-rate * days) for rate in rates]
    mean = math.fsum(w * r for w, r in zip(weights, rates, strict=True)) / math.fsum(weights)
    variance = math.fsum(w * (r - mean) ** 2 for w, r in zip(weights, rates, strict=True)) / math.fsum(weights)
    found = belief + learnt(belief, NOTHING, days, changed=True)
    assert found.rate == pytest.approx(mean, rel=0.01)
    assert found.rate / found.days == pytest.approx(variance, rel=0.01)


@pytest.mark.parametrize("changes", [0.2, 1.0, 1.0 + 1e-9, 3.0])
def test_a_check_is_worth_the_days_of_truth_that_it_wins(changes: float) -> None:
    belief, days, steps = Gamma(changes, 12.0), 40.0, 10_000
    true_days = math.fsum(belief.is_still(days * (step + 0.5) / steps) for step in range(steps)) * days / steps
    assert worth(belief, days) == pytest.approx(true_days - days * belief.is_still(days), rel=1e-4)


def test_the_price_uses_the_budget_and_no_more() -> None:
    beliefs = [Gamma(0.1 + 0.05 * place, 10.0) for place in range(100)]

    def checks_a_day(price: float) -> float:
        return sum(1 / due(belief, price) for belief in beliefs)

    price = price_for(checks_a_day, 5.0)
    assert 4.9 < checks_a_day(price) <= 5.0


def test_a_prior_has_the_rate_and_the_share_of_still_pages_that_were_asked_for() -> None:
    prior = prior_of(0.02, 0.8)
    assert prior.rate == pytest.approx(0.02)
    assert prior.is_still(30) == pytest.approx(0.8, rel=0.001)


def test_what_has_just_appeared_is_asked_sooner_than_what_was_read_once() -> None:
    assert due(UNKNOWN + APPEARED) < due(UNKNOWN + NOTHING)
