"""Two and three beats, killed and frozen, and clocks that are moved: one run for each slot, and none lost."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from signal import SIGKILL

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from musicsync import schedule, tasks
from musicsync.models import Budget, Failure, Leader, Provider, Run
from tests.faults.clocks import DatabaseClock, MachineClock
from tests.faults.compare import assert_as_if_nothing_happened
from tests.faults.conftest import FaultFree
from tests.faults.stack import CeleryProcess, Stack, asking
from tests.faults.table import Recovers
from tests.helpers import wait_until

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)


def syncs(provider: Provider, **fields: object) -> PeriodicTask:
    """Make a schedule of incremental runs of the provider that has been there for long."""
    made = PeriodicTask.objects.create(
        name="often",
        task=tasks.start_run.name,
        kwargs=json.dumps({"provider": provider.slug, "mode": "incremental"}),
        **fields,
    )
    PeriodicTask.objects.filter(pk=made.pk).update(date_changed=timezone.now() - timedelta(days=2))
    return made


def seconds(number: int) -> IntervalSchedule:
    made, _ = IntervalSchedule.objects.get_or_create(every=number, period="seconds")
    return made


def leading(beats: list[CeleryProcess]) -> CeleryProcess:
    pid = int(Leader.objects.get(name=schedule.BEAT).holder.split(":")[1])
    return next(beat for beat in beats if beat.pid == pid)


def sent(beat: CeleryProcess, name: str = "often") -> list[str]:
    """Return the slots of the schedule that the beat has sent."""
    lines = [line for line in beat.log.read_text().splitlines() if f"Sending due task {name} (" in line]
    return [line.rpartition(" slot ")[2] for line in lines]


def assert_one_run_for_each_slot(beats: list[CeleryProcess]) -> None:
    slots = [slot for beat in beats for slot in sent(beat)]
    assert len(set(slots)) == len(slots)
    runs = Run.objects.filter(trigger="schedule")
    assert {run.slot.isoformat() for run in runs} <= set(slots)
    assert runs.exclude(status=Run.Status.DONE).count() == 0


def test_a_beat_that_is_killed_or_frozen_is_followed_within_30_s_and_each_slot_has_one_run(
    stack: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    (feed,) = stack.follow("feed")
    beats = [stack.beat(f"beat-{number}") for number in range(1, 4)]
    stack.start(stack.worker("worker"), *beats)
    wait_until(Leader.objects.exists)
    opened = stack.sync(feed)
    ended = stack.wait_for(*opened)
    syncs(feed, interval=seconds(2))
    wait_until(lambda: Run.objects.filter(trigger="schedule").count() >= 2)

    killed = leading(beats)
    os.kill(killed.pid, SIGKILL)
    others = [beat for beat in beats if beat is not killed]
    so_far = Run.objects.latest("pk").pk
    recovers(
        "a beat is killed (`kill -9`), of three",
        "another leads, and runs start again",
        lambda: Run.objects.filter(pk__gt=so_far, trigger="schedule").exists() and leading(others),
        within=30,
    )

    frozen = leading(others)
    frozen.freeze()
    last = next(beat for beat in others if beat is not frozen)
    so_far = Run.objects.latest("pk").pk
    recovers(
        "a beat is frozen (SIGSTOP), of two",
        "the other leads, and runs start again",
        lambda: Run.objects.filter(pk__gt=so_far, trigger="schedule").exists() and len(sent(last)) > 1,
        within=30,
    )
    before = len(sent(frozen))
    frozen.thaw()
    wait_until(lambda: " follows" in frozen.log.read_text())
    assert len(sent(frozen)) == before

    last.stop()
    so_far = Run.objects.latest("pk").pk
    recovers(
        "a beat is stopped (SIGTERM), of two",
        "the other leads, and runs start again",
        lambda: Run.objects.filter(pk__gt=so_far, trigger="schedule").exists() and len(sent(frozen)) > before,
        within=15,
    )
    stop_schedule()
    assert_one_run_for_each_slot(beats)
    assert_as_if_nothing_happened(ended, fault_free("feed"))


def forget_reserved_slots(clock: DatabaseClock) -> None:
    """Let the budgets reserve from the clock's time on, so that no run waits for what was reserved by another time."""
    Budget.objects.update(theoretical_arrival_at=clock.now())


def stop_schedule() -> None:
    """Send nothing more, and wait until what was started has ended."""
    PeriodicTask.objects.filter(name="often").update(enabled=False)
    wait_until(lambda: not Run.objects.filter(status=Run.Status.RUNNING).exists())


@pytest.mark.parametrize("broker", ["Redis", "RabbitMQ"])
def test_a_slot_whose_message_a_hung_broker_did_not_take_is_sent_when_it_answers(
    broker: str, new_stack: Callable[..., Stack], request: pytest.FixtureRequest, recovers: Recovers
) -> None:
    given = {"broker": request.getfixturevalue("rabbit")} if broker == "RabbitMQ" else {}
    stack = new_stack("--tracks", "100", "--no-limits", **given)
    (feed,) = stack.follow("feed")
    beat = stack.beat()
    stack.start(stack.worker("worker"), beat)
    wait_until(lambda: len(sent(beat, "musicsync: sweep")) >= 2)
    stack.broker.freeze()
    syncs(feed, interval=IntervalSchedule.objects.create(every=1, period="hours"))
    wait_until(lambda: beat.log.read_text().count("nothing sent") >= 2)
    assert leading([beat])
    stack.broker.thaw()
    recovers(
        f"{broker} hangs (SIGSTOP) at the time of a slot",
        "its run is started when it answers again",
        lambda: Run.objects.filter(schedule="often").exists(),
        within=30,
    )
    stack.wait_for(Run.objects.get(schedule="often"))


def test_slots_that_all_beats_missed_are_run_once(stack: Stack, fault_free: FaultFree, recovers: Recovers) -> None:
    (feed,) = stack.follow("feed")
    start = timezone.now() - timedelta(minutes=31)
    ten_minutes = IntervalSchedule.objects.create(every=10, period="minutes")
    syncs(feed, interval=ten_minutes, start_time=start, last_run_at=timezone.now() - 12 * HOUR)
    beats = [stack.beat(f"beat-{number}") for number in (1, 2)]
    begun = time.monotonic()
    stack.start(stack.worker("worker"), *beats)
    recovers(
        "no beat for hours, and four slots missed",
        "the last of them is run, once",
        Run.objects.exists,
        within=30,
        since=begun,
    )
    (run,) = stack.wait_for(Run.objects.get())
    assert run.slot == start + timedelta(minutes=30)
    wait_until(lambda: sum(len(sent(beat, "musicsync: sweep")) for beat in beats) >= 3)
    assert [len(sent(beat)) for beat in beats] in ([0, 1], [1, 0])
    assert_as_if_nothing_happened([run], fault_free("feed"))


def test_a_beat_whose_machine_s_clock_is_moved_by_an_hour_misses_and_doubles_nothing(
    stack: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    if missing := MachineClock.missing():
        pytest.skip(missing)
    clock = MachineClock(stack.folder / "clock")
    (feed,) = stack.follow("feed")
    beat = stack.beat(env=clock.env)
    stack.start(stack.worker("worker"), beat)
    ended = stack.wait_for(*stack.sync(feed))
    syncs(feed, interval=seconds(2))
    wait_until(lambda: Run.objects.filter(trigger="schedule").count() >= 2)
    for moved, text in ((HOUR, "put forward by an hour"), (-HOUR, "put back by an hour")):
        clock.move(moved)
        so_far = Run.objects.latest("pk").pk
        recovers(
            f"the clock of beat's machine is {text}",
            "runs start at their slots all the same",
            lambda: Run.objects.filter(pk__gt=so_far, trigger="schedule").count() >= 2,  # noqa: B023 - called at once
            within=15,
        )
    wait_until(lambda: len(sent(beat, "musicsync: sweep")) >= 3)
    assert "is behind the database's: set both by NTP" in beat.log.read_text()
    stop_schedule()
    assert_one_run_for_each_slot([beat])
    assert not Failure.objects.filter(kind=Failure.Kind.REVOKED).exists()
    assert_as_if_nothing_happened(ended, fault_free("feed"))


def test_a_database_whose_clock_is_moved_by_an_hour_gets_no_slot_twice_and_schedules_go_on(
    stack: Stack, recovers: Recovers
) -> None:
    clock = DatabaseClock()
    (feed,) = stack.follow("feed")
    syncs(feed, interval=seconds(2))
    beats = [stack.beat(f"beat-{number}") for number in (1, 2)]
    stack.start(stack.worker("worker"), *beats)
    wait_until(lambda: Run.objects.filter(trigger="schedule", status=Run.Status.DONE).count() >= 2)
    for moved, text in ((HOUR, "put forward by an hour"), (-HOUR, "put back by an hour")):
        stop_schedule()
        so_far = Run.objects.latest("pk").pk
        clock.move(moved)
        forget_reserved_slots(clock)
        PeriodicTask.objects.filter(name="often").update(enabled=True)
        recovers(
            f"the database's clock is {text}",
            "schedules go on at once, by its time",
            lambda: Run.objects.filter(pk__gt=so_far, trigger="schedule").count() >= 2,  # noqa: B023 - called at once
            within=20,
        )
    stop_schedule()
    slots = list(Run.objects.filter(trigger="schedule").values_list("slot", flat=True))
    assert len(set(slots)) == len(slots)
    assert sum(slot > clock.now() + HOUR / 2 for slot in slots) >= 2


@pytest.mark.parametrize(
    ("night", "slots"),
    [
        # 02:30 in Berlin exists twice: at 00:30 and at 01:30 UTC.
        (datetime(2026, 10, 25, tzinfo=UTC), ["24 00:30", "25 00:30", "26 01:30"]),
        # 02:30 does not exist: the clock goes from 02:00 to 03:00 at 01:00 UTC, and 02:30 is 03:30.
        (datetime(2026, 3, 29, tzinfo=UTC), ["28 01:30", "29 01:30", "30 00:30"]),
    ],
)
def test_a_nightly_run_is_started_once_in_a_night_when_clocks_move(
    stack: Stack, night: datetime, slots: list[str]
) -> None:
    clock = DatabaseClock()
    clock.set(night - timedelta(hours=30))
    (feed,) = stack.follow("feed")
    nightly = CrontabSchedule.objects.create(hour="2", minute="30", timezone="Europe/Berlin")
    syncs(feed, crontab=nightly)
    PeriodicTask.objects.filter(name="often").update(date_changed=clock.now())
    forget_reserved_slots(clock)
    beats = [stack.beat(f"beat-{number}") for number in (1, 2)]
    stack.start(stack.worker("worker"), *beats)
    for day in (-1, 0, 1):
        for half_past in (0, 1, 2):
            clock.set(night + timedelta(days=day, hours=half_past, minutes=29, seconds=59))
            swept = sum(len(sent(beat, "musicsync: sweep")) for beat in beats)
            wait_until(lambda: sum(len(sent(beat, "musicsync: sweep")) for beat in beats) > swept + 1, 40)  # noqa: B023
            wait_until(asking(lambda: not Run.objects.filter(status=Run.Status.RUNNING).exists()))
    runs = Run.objects.filter(trigger="schedule").order_by("pk")
    assert [f"{run.slot:%d %H:%M}" for run in runs] == slots
    assert {run.status for run in runs} == {Run.Status.DONE}
