import itertools
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="NumPy is missing: pip install -r requirements-bench.txt")

from benchmarks.refreshing import optimal_intervals, optimal_price  # noqa: E402 - after the check for NumPy

WIDE = {"shortest": 0.001, "longest": 1e6}


def freshness(rates: Any, checks_a_day: Any) -> Any:
    expected = rates / checks_a_day
    return (-np.expm1(-expected) / expected).sum()


def test_pages_that_are_alike_share_the_budget_alike() -> None:
    rates = np.full(10, 0.3)
    intervals = optimal_intervals(rates, optimal_price(rates, 2.0, **WIDE), **WIDE)
    assert intervals == pytest.approx(5.0, rel=0.02)


def test_no_other_way_to_spend_the_budget_keeps_more_pages_fresh() -> None:
    rates, budget = np.array([0.05, 0.4, 3.0]), 1.0
    intervals = optimal_intervals(rates, optimal_price(rates, budget, **WIDE), **WIDE)
    shares = np.arange(0.005, 1, 0.005)
    others = [
        freshness(rates, np.array([first, second, budget - first - second]))
        for first, second in itertools.product(shares, shares)
        if first + second < budget - 1e-9
    ]
    found = freshness(rates, 1 / intervals)
    assert (1 / intervals).sum() <= budget
    assert found == pytest.approx(max(others), rel=0.005)


def test_the_fastest_pages_are_not_chased_where_the_budget_is_small() -> None:
    rates = np.array([0.1, 0.1, 100.0])
    intervals = optimal_intervals(rates, optimal_price(rates, 0.2, **WIDE), **WIDE)
    assert intervals[2] > 1000 * intervals[0]
