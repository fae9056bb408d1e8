"""A budget that four worker processes share is used to the full, and never more than that."""

import time

import pytest

from tests.faults.conftest import NewStack
from tests.helpers import wait_until

PER_SECOND, SECONDS = 20, 60
AT_LEAST = 0.98


@pytest.mark.slow
def test_four_processes_use_a_budget_to_the_full_and_no_more(new_stack: NewStack) -> None:
    stack = new_stack("--tracks", "20000", "--deezer-quota", str(PER_SECOND * 5))
    (provider,) = stack.follow("deezer", rate=PER_SECOND, burst=1)
    stack.workers(4, "--concurrency", "1")
    stack.start(stack.beat())
    stack.sync(provider)
    wait_until(lambda: stack.sandbox.asked("deezer")["served"] > 3 * PER_SECOND)
    begun, before = time.monotonic(), stack.sandbox.asked("deezer")["served"]
    time.sleep(SECONDS)
    asked = stack.sandbox.asked("deezer")
    took = time.monotonic() - begun
    assert asked["refused"] == 0
    assert asked["worst_5s"] <= PER_SECOND * 5
    assert (asked["served"] - before) / (PER_SECOND * took) >= AT_LEAST
