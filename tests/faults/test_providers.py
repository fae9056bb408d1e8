"""Providers that answer late, wrongly, too much or not at all."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import redis

from musicsync.models import Alert, Budget, Circuit, Fetch, Provider, Run, SourceTrack
from musicsync.sync import fetches
from tests.faults.compare import assert_as_if_nothing_happened, changes
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.stack import Stack
from tests.faults.table import Recovers
from tests.helpers import wait_until
from tests.integration.cataloguing import catalogue
from tests.integration.working import Broker
from tests.servers import RedisServer

pytestmark = pytest.mark.slow

BOTH = ("musicbrainz", "deezer")
FEW = 300
FAILURES: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (500, 502, 503, 504)),
    *({"kind": "reset", "at": at} for at in ("request", "headers", "body")),
    *({"kind": kind} for kind in ("shed", "truncated", "half", "empty", "html", "hang", "huge", "endless")),
    *({"kind": kind} for kind in ("gzip_bomb", "malformed", "wrong_type", "nul", "nan", "duplicate_key", "deep")),
    {"kind": "latency", "ms": 3000},
    {"kind": "deezer_code", "code": 700, "dialect": "deezer"},
    {"kind": "status", "status": 403},
    {"kind": "false_404"},
]
"""Every fault that befalls one request, but for those below."""
DRIPS = [{"kind": kind, "bytes_per_second": 1, "count": 1} for kind in ("slow", "slow_headers")]
"""Answers that never stand still: they are given up after 40 s."""
SPREAD = 7
"""So many right answers between two wrong ones: a provider that fails four times in a row is not asked any more."""

SLOWLY, QUICKLY = 1.0, 20.0
"""Requests a second: by the one a run of few tracks is under way for so long that a fault comes amid it."""


def ask(provider: Provider, rate: float) -> None:
    Budget.objects.filter(pk=provider.budget_id).update(rate=rate, burst=1)


@pytest.fixture
def small(new_stack: NewStack) -> Stack:
    """A stack with a sandbox of fewer tracks, where what is waited for is not work."""
    return new_stack("--tracks", str(FEW), "--no-limits")


def test_every_wrong_answer_in_one_run(stack: Stack, fault_free: FaultFree, recovers: Recovers) -> None:
    rules = [rule | {"every": SPREAD * (place + 1), "count": 1} for place, rule in enumerate(FAILURES)]
    stack.sandbox.control("faults", json=rules)
    followed = stack.follow(*BOTH)
    workers = [stack.worker("one"), stack.worker("two")]
    stack.start(*workers, stack.beat())
    children = [child for worker in workers for child in worker.children()]
    run, run_of_deezer = stack.wait_for(*stack.sync(*followed))
    assert {rule["hits"] for rule in stack.sandbox.control("faults")} == {1}
    assert {run.status, run_of_deezer.status} <= {"done", "errors"}

    # Each process kept within its 200 MB, or Celery had replaced it: not one was ended by the bombs.
    assert [child for worker in workers for child in worker.children()] == children
    assert max(most_memory(child) for child in children) < 200_000_000

    # What no second question mends, an operator replays; what was taken for an answer, the next full run corrects.
    stack.sandbox.control("faults", json=[])
    with_errors = [ended for ended in (run, run_of_deezer) if ended.status == "errors"]
    for ended in with_errors:
        stack.manage("run", "replay", str(ended.pk))
    recovers(
        "a provider hangs, resets, sends 10 GB, a gzip bomb, or what is no page",
        "no process of over 200 MB; what five tries did not mend is replayed",
        lambda: Run.objects.filter(status="done").count() == len(BOTH),
        within=30,
    )
    assert {ended.status for ended in stack.wait_for(*stack.sync(*followed))} == {"done"}
    assert catalogue() == fault_free(*BOTH).catalogue
    assert changes()


def test_false_404s_remove_nothing(small: Stack, fault_free: FaultFree) -> None:
    followed = small.follow(*BOTH)
    small.start(small.worker("one"), small.beat())
    small.wait_for(*small.sync(*followed))
    small.sandbox.control("faults", json=[{"kind": "false_404", "every": 7}])
    assert {run.status for run in small.wait_for(*small.sync(*followed))} == {"done"}
    assert Fetch.objects.filter(outcome="gone").count() > len(BOTH)
    assert not SourceTrack.objects.filter(state="gone").exists()
    small.sandbox.control("faults", json=[])
    small.wait_for(*small.sync(*followed))
    assert catalogue() == fault_free(*BOTH, tracks=FEW).catalogue


def most_memory(pid: int) -> int:
    """Return the most bytes of memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024


RETRY_AFTER: list[dict[str, Any]] = [
    *({"retry_after": text} for text in ("0", "1", "2.5", "-5", "", "soon", "1e400", "9" * 40)),
    *({"retry_in": seconds} for seconds in (2, -3600)),
    {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2"}},
    {"headers": {"X-RateLimit-Reset": "yesterday"}},
    {},
]


def test_a_storm_of_refusals_with_every_form_of_retry_after(
    stack: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    storm = [{"kind": "status", "status": 429, "dialect": "deezer", "count": 1} | form for form in RETRY_AFTER]
    storm += [{"kind": "deezer_code", "code": 4, "dialect": "deezer", "count": 2}]
    stack.sandbox.control("faults", json=storm)
    followed = stack.follow(*BOTH)
    # Many at once, so that the pauses of many forms are one.
    stack.start(stack.worker("one", "--concurrency", "8"), stack.beat())
    opened = stack.sync(*followed)
    wait_until(lambda: all(rule["hits"] == rule["count"] for rule in stack.sandbox.control("faults")), 90)
    recovers(
        "a provider refuses for its rate limit, with any Retry-After",
        "asked again after its pause, or after 10 s where it names none",
        applied_since(opened[1]),
        within=30,
    )
    ended = stack.wait_for(*opened)
    assert_as_if_nothing_happened(ended, fault_free(*BOTH))
    assert not Fetch.objects.filter(failures__gt=0).exists()
    assert not Circuit.objects.exclude(opened_at=None).exists()


def applied_since(run: Run) -> Callable[[], bool]:
    """Return what tells whether more of the run was applied than now, or the run has ended."""
    before = run.fetches.filter(status="applied").count()

    def goes_on() -> bool:
        return run.fetches.filter(status="applied").count() > before or not fetches.any_open(run.pk)

    return goes_on


def test_a_pause_of_a_day_occupies_nobody(small: Stack, fault_free: FaultFree, recovers: Recovers) -> None:
    assert isinstance(small.broker, RedisServer)
    day = {"kind": "status", "status": 429, "retry_after": 86_400, "dialect": "deezer", "every": 20, "count": 1}
    small.sandbox.control("faults", json=[day])
    followed = small.follow(*BOTH)
    small.start(small.worker("one"), small.beat())
    other, paused = small.sync(*followed)
    assert [run.status for run in small.wait_for(other)] == ["done"]
    parked = paused.fetches.filter(status="waiting")
    wait_until(lambda: parked.exists() and not paused.fetches.filter(status__in=("queued", "leased")).exists())
    assert {round((fetch.not_before - fetch.run.started_at).total_seconds() / 3600) for fetch in parked} == {24}
    asked = small.sandbox.asked("deezer")["served"]
    broker = Broker(small.env)
    try:
        wait_until(lambda: not any(messages(small.broker)) and not any(at_work(broker)))
    finally:
        broker.app.close()
    assert small.sandbox.asked("deezer")["served"] == asked

    # An operator knows better, and ends the pause.
    Budget.objects.filter(pk=paused.provider.budget_id).update(cooldown_until=None)
    recovers("a pause of a day, ended by an operator", "goes on with the next sweep", applied_since(paused), within=20)
    assert_as_if_nothing_happened(small.wait_for(other, paused), fault_free(*BOTH, tracks=FEW))


def messages(server: RedisServer) -> Iterable[int]:
    """Give how many messages wait in each place where Redis keeps any."""
    with redis.Redis(port=server.port) as client:
        yield from (client.llen(queue) for queue in ("fetch", "maintenance", "notify"))
        yield client.zcard("unacked_index")


def at_work(broker: Broker) -> Iterable[int]:
    """Give how many tasks the workers work on, have taken, and keep for later."""
    for what in ("active", "reserved", "scheduled"):
        yield from (len(tasks) for tasks in broker.inspect(what).values())


def test_a_provider_that_is_down_for_longer_than_all_retries_loses_nothing(
    small: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    # Two answers of the other one, which is up, come a byte a second.
    small.sandbox.control("faults", json=[drip | {"dialect": "musicbrainz"} for drip in DRIPS])
    first, second = small.follow(*BOTH)
    ask(second, SLOWLY)
    small.start(small.worker("one"), small.worker("two"), small.beat())
    (other,) = small.sync(first)
    # They have begun before their rules are replaced, whichever run the workers would have begun with.
    wait_until(lambda: {rule["hits"] for rule in small.sandbox.control("faults")} == {1})
    (down,) = small.sync(second)
    wait_until(lambda: down.fetches.filter(status="applied").count() > 5)
    small.sandbox.control("faults", json=[{"kind": "reset", "dialect": "deezer"}])
    begun = time.monotonic()
    circuit = Circuit.objects.filter(provider=down.provider).exclude(opened_at=None)
    recovers("a provider is down", "not asked any more but by a probe now and then", circuit.exists, within=20)
    assert [run.status for run in small.wait_for(other)] == ["done"]
    # Two, four, ... 32 s, then a request would be dead; the probes come 10, 30 and 70 s after the circuit opened.
    wait_until(lambda: time.monotonic() - begun > 62 and circuit.get().probes >= 2, 90)
    (outage,) = small.sandbox.control("faults")
    # A probe is counted before it asks.
    assert outage["hits"] <= 4 + 4 + circuit.get().probes, "four failures in a row, those on their way, and the probes"
    small.sandbox.control("faults", json=[])
    ask(second, QUICKLY)
    recovers(
        "a provider answers again", "seen by the next probe, 5 minutes later at most", applied_since(down), within=100
    )
    assert_as_if_nothing_happened(small.wait_for(other, down), fault_free(*BOTH, tracks=FEW))
    assert other.fetches.filter(failures=1).count() == len(DRIPS)
    assert [alert.occurrences for alert in Alert.objects.filter(key__startswith="circuit:")] == [1]


def test_a_refused_credential_stops_everything_and_loses_nothing(
    small: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    refused = {"kind": "status", "status": 401, "dialect": "deezer"}
    first, second = small.follow(*BOTH)
    ask(second, SLOWLY)
    small.start(small.worker("one"), small.beat())
    other, stopped = small.sync(first, second)
    wait_until(lambda: stopped.fetches.filter(status="applied").count() > 5)
    small.sandbox.control("faults", json=[refused])
    circuit = Circuit.objects.filter(provider=stopped.provider).exclude(opened_at=None)
    recovers("a credential is refused (401)", "nothing is asked any more, one alert", circuit.exists, within=10)
    (rule,) = small.sandbox.control("faults")
    assert rule["hits"] <= 2 * 2, "the requests that were on their way, each with a probe"
    small.sandbox.control("faults", json=[])
    ask(second, QUICKLY)
    recovers("a refused credential is accepted again", "seen by the next probe", applied_since(stopped), within=40)
    assert_as_if_nothing_happened(small.wait_for(other, stopped), fault_free(*BOTH, tracks=FEW))
    assert [alert.occurrences for alert in Alert.objects.filter(key__startswith="circuit:")] == [1]
