"""Workers that are killed, stopped and replaced in the middle of their work."""

import os
import random
import time
from signal import SIGKILL, SIGTERM

import pytest

from musicsync.models import Budget, Failure, Fetch, Worker
from tests.faults.compare import assert_as_if_nothing_happened
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.going import ALL, LIMITS, RATE, SANDBOX, Going
from tests.faults.stack import CeleryProcess, Stack
from tests.faults.table import Recovers
from tests.helpers import wait_until

KILLS = 20
FEW = 300
"""Tracks where the test is one of those that `make test` runs."""


def leased_by(worker: CeleryProcess) -> dict[int, object]:
    """Give what a worker holds: of each fetch, the token of its lease."""
    name = worker.name
    row = Worker.objects.get(name=name)
    return dict(Fetch.objects.filter(worker=row, status=Fetch.Status.LEASED).values_list("pk", "lease_token"))


def none_is_held(held: dict[int, object]) -> bool:
    now = dict(Fetch.objects.filter(pk__in=held).values_list("pk", "lease_token"))
    return not any(now[fetch] == token for fetch, token in held.items())


def both_slow_ones(worker: CeleryProcess) -> dict[int, object]:
    """Wait until both processes of a worker wait for answers of Deezer that a rule holds; give what they hold."""
    of_deezer: dict[int, object] = {}

    def both_wait() -> bool:
        slow = Fetch.objects.filter(run__provider__adapter="deezer").values_list("pk", flat=True)
        of_deezer.clear()
        of_deezer.update({pk: token for pk, token in leased_by(worker).items() if pk in set(slow)})
        return len(of_deezer) == 2

    wait_until(both_wait)
    return of_deezer


def test_what_a_killed_child_held_is_taken_back_at_once(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers
) -> None:
    stack = new_stack("--tracks", str(FEW), "--no-limits")
    stack.sandbox.control("faults", json=[{"kind": "latency", "ms": 10_000, "count": 2, "dialect": "deezer"}])
    providers = stack.follow(*ALL)
    worker, beat = stack.worker("worker"), stack.beat()
    stack.start(worker, beat)
    opened = stack.sync(*providers)
    held = both_slow_ones(worker)
    for child in worker.children():
        os.kill(child, SIGKILL)
    recovers(
        "a worker's child is killed (`kill -9`) while it works on a fetch",
        "the fetch is taken back at once, and asked again after 2 s",
        lambda: none_is_held(held),
        within=15,
    )
    stack.sandbox.control("faults", json=[])
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free(*ALL, tracks=FEW))
    assert Failure.objects.filter(kind="worker_lost").exists()
    assert len(worker.children()) == 2


@pytest.mark.slow
def test_what_a_lost_worker_held_is_taken_back_by_another(
    stack: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    stack.sandbox.control("faults", json=[{"kind": "slow", "bytes_per_second": 1, "count": 2, "dialect": "deezer"}])
    providers = stack.follow(*ALL)
    worker, other = stack.worker("worker"), stack.worker("other")
    stack.start(worker, stack.beat())
    opened = stack.sync(*providers)
    held = both_slow_ones(worker)
    stack.start(other)
    worker.kill()
    recovers(
        "a machine with a worker on it is lost (`kill -9` of every process)",
        "what it held is taken back within 30 s, and the others go on meanwhile",
        lambda: none_is_held(held),
        within=30,
    )
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free(*ALL))
    assert not Fetch.objects.filter(crashes__gt=1).exists()


@pytest.mark.slow
def test_twenty_kills_in_one_run_change_nothing(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    stack = new_stack(*SANDBOX)
    stack.sandbox.control("faults", json=[{"kind": "latency", "ms": 150}])
    going = Going(stack, workers=3, rate=RATE / 2)
    chance = random.Random(1)
    going.begin()
    kills = 0
    while kills < KILLS:
        kills += kill_one(chance.choice(going.workers), chance)
        time.sleep(chance.uniform(0.2, 1.5))
    recovers(
        f"{KILLS} kills (`kill -9`) of children and whole workers at random moments of one run",
        "the run goes on, and no page is applied twice or lost",
        going.catches_up(),
        within=30,
    )
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))
    stack.sandbox.control("faults", json=[])
    stack.sandbox.control("evolve", json={"expected": False})
    Budget.objects.update(rate=RATE)
    ended = []
    for provider in going.providers:
        again = stack.sync(provider)
        wait_until(lambda: kill_child(chance.choice(going.workers), chance))
        ended += stack.wait_for(*again)
    assert_as_if_nothing_happened(ended, fault_free(*ALL, generations=1))
    going.assert_never_too_fast()


def kill_one(worker: CeleryProcess, chance: random.Random) -> bool:
    """Kill a child of a worker, its main process alone, or all of it, which is started again at once."""
    what = chance.choice(["child", "child", "main", "all"])
    if what == "child":
        return kill_child(worker, chance)
    if what == "main":
        worker.kill_main()
    worker.kill()
    worker.begin()
    return True


def kill_child(worker: CeleryProcess, chance: random.Random) -> bool:
    """Kill a child of a worker; ``False`` where it has none yet, or it ended by itself first."""
    children = worker.children()
    if not children:
        return False
    try:
        os.kill(chance.choice(children), SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_is_told_to_stop_holds_nothing_when_it_has(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers
) -> None:
    stack = new_stack("--tracks", str(FEW), "--no-limits")
    stack.sandbox.control("faults", json=[{"kind": "latency", "ms": 300}])
    providers = stack.follow(*ALL)
    worker = stack.worker("worker")
    stack.start(worker, stack.beat())
    opened = stack.sync(*providers)
    wait_until(lambda: len(leased_by(worker)) == 2)
    os.kill(worker.pid, SIGTERM)
    recovers(
        "a worker is told to stop (SIGTERM)",
        "it finishes what it has under way, and holds nothing then",
        worker.has_ended,
        within=25,
    )
    assert not Fetch.objects.filter(status=Fetch.Status.LEASED).exists()
    stack.sandbox.control("faults", json=[])
    worker.start()
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free(*ALL, tracks=FEW))
    assert_nothing_was_counted()


def assert_nothing_was_counted() -> None:
    """A stop is nobody's failure."""
    assert not Fetch.objects.filter(crashes__gt=0).exists()
    assert not Fetch.objects.filter(failures__gt=0).exists()


@pytest.mark.slow
def test_a_worker_that_waits_for_a_slow_provider_stops_all_the_same(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers
) -> None:
    stack = new_stack("--tracks", "3300", "--no-limits")
    (provider,) = stack.follow("deezer")
    worker = stack.worker("worker")
    stack.start(worker, stack.beat())
    opened = stack.sync(provider)
    wait_until(lambda: Fetch.objects.filter(status=Fetch.Status.APPLIED).count() > 300)
    stack.sandbox.control("faults", json=[{"kind": "slow", "bytes_per_second": 1}])
    slow_at = time.monotonic()
    wait_until(lambda: len(leased_by(worker)) == 2 and time.monotonic() > slow_at + 1)
    os.kill(worker.pid, SIGTERM)
    recovers(
        "a worker is told to stop (SIGTERM) amid 1,000 fetches of a provider that sends a byte a second",
        "it gives back what it holds after 15 s, and ends within 30 s",
        worker.has_ended,
        within=30,
    )
    assert not Fetch.objects.filter(status=Fetch.Status.LEASED).exists()
    stack.sandbox.control("faults", json=[])
    worker.start()
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free("deezer", tracks=3300))
    assert_nothing_was_counted()


@pytest.mark.slow
def test_a_rolling_restart_of_every_process_loses_nothing(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack("--tracks", "2000", *LIMITS))
    going.begin()
    for process in (*going.workers, going.beat, *going.workers):
        process.restart()
    recovers(
        "every process is restarted in turn (SIGTERM) during a run",
        "the run goes on; nothing is lost and no failure counted",
        going.catches_up(),
        within=30,
    )
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL, tracks=2000))
    assert_nothing_was_counted()
