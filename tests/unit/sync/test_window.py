"""How many requests of a provider may be in flight."""

import pytest

from musicsync.models import Budget, Provider


@pytest.mark.parametrize(("rate", "window"), [(0.1, 2), (1, 2), (1.2, 3), (9, 18), (31.5, 63), (500, 64)])
def test_the_window_uses_the_rate_at_the_latency_that_is_assumed(rate: float, window: int) -> None:
    assert Provider(budget=Budget(rate=rate)).window == window
