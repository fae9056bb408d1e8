"""How many fetches of a run are kept ready."""

import pytest

from musicsync.models import Budget, Provider


@pytest.mark.parametrize(("rate", "window"), [(0.1, 3), (1, 3), (1.2, 4), (9, 11), (31.5, 34), (500, 64)])
def test_what_the_rate_takes_in_a_second_is_kept_ready(rate: float, window: int) -> None:
    assert Provider(budget=Budget(rate=rate)).window == window
