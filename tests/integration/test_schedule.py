"""When runs start, and that they start once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import Retry
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from musicsync import heartbeat, schedule, tasks
from musicsync.models import Alert, Leader, Provider, Run
from musicsync.sync import leader
from tests.integration.paging import open_run, provider
from tests.integration.sending import messages_to

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one")


def scheduled(of: Provider, mode: str) -> PeriodicTask:
    return PeriodicTask.objects.get(name=schedule.name_of(of, mode))


def test_a_new_provider_is_synced_every_three_hours_and_every_night(one: Provider) -> None:
    often, nightly = scheduled(one, "incremental"), scheduled(one, "full")
    assert often.crontab.hour == "*/3"
    assert nightly.crontab.hour in {"1", "2", "3"}
    assert json.loads(often.kwargs) == {"provider": "one", "mode": "incremental"}
    assert json.loads(nightly.kwargs) == {"provider": "one", "mode": "full"}
    assert {often.task, nightly.task} == {tasks.start_run.name}
    assert often.enabled


def test_providers_start_at_minutes_of_their_own(one: Provider) -> None:
    made = [one, *(provider(f"provider-{number}") for number in range(5))]
    for mode in ("incremental", "full"):
        times = {(scheduled(of, mode).crontab.hour, scheduled(of, mode).crontab.minute) for of in made}
        assert len(times) == len(made)


def test_an_operator_s_edit_and_deletion_stay(one: Provider) -> None:
    rarely, _ = CrontabSchedule.objects.get_or_create(minute="5", hour="5", day_of_week="1")
    PeriodicTask.objects.filter(name="one: full").update(crontab=rarely, enabled=False)
    scheduled(one, "incremental").delete()
    one.trust = 7
    one.save()
    nightly = scheduled(one, "full")
    assert (nightly.crontab, nightly.enabled) == (rarely, False)
    assert not PeriodicTask.objects.filter(name="one: incremental").exists()


def test_migrating_again_overwrites_no_edit_of_what_musicsync_sends_for_itself(one: Provider) -> None:
    migration = MigrationLoader(connection).get_migration("musicsync", "0002_schedules")
    seed = migration.operations[0].code
    seed(apps, None)
    sweep = PeriodicTask.objects.get(name="musicsync: sweep")
    assert (sweep.task, sweep.interval.every, sweep.interval.period) == (tasks.sweep.name, 5, "seconds")
    assert PeriodicTask.objects.get(name="musicsync: prune").task == tasks.prune.name
    PeriodicTask.objects.filter(pk=sweep.pk).update(enabled=False, task="something.else")
    known = set(PeriodicTask.objects.values_list("name", flat=True))
    seed(apps, None)
    sweep.refresh_from_db()
    assert (sweep.enabled, sweep.task) == (False, "something.else")
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == known


def test_a_deleted_provider_takes_its_schedules_along(one: Provider) -> None:
    one.delete()
    assert not PeriodicTask.objects.filter(name__startswith="one:").exists()


MOMENT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def at(moment: datetime, name: str = "one: full") -> PeriodicTask:
    """Return the schedule as beat finds it at that time, made long before."""
    PeriodicTask.objects.filter(name=name).update(date_changed=moment - timedelta(days=400))
    task = PeriodicTask.objects.get(name=name)
    task.now = moment
    return task


def every(number: int, period: str, name: str = "one: full") -> None:
    interval, _ = IntervalSchedule.objects.get_or_create(every=number, period=period)
    PeriodicTask.objects.filter(name=name).update(crontab=None, interval=interval)


@pytest.mark.parametrize(
    ("fields", "slot"),
    [
        ({"minute": "5"}, datetime(2026, 3, 14, 15, 5, tzinfo=UTC)),
        ({"minute": "9", "hour": "15"}, datetime(2026, 3, 14, 15, 9, tzinfo=UTC)),
        ({"minute": "10", "hour": "*/3"}, datetime(2026, 3, 14, 12, 10, tzinfo=UTC)),
        ({"minute": "30", "hour": "15"}, datetime(2026, 3, 13, 15, 30, tzinfo=UTC)),
        ({"minute": "0", "hour": "4", "day_of_week": "1"}, datetime(2026, 3, 9, 4, tzinfo=UTC)),
        ({"minute": "0", "hour": "4", "day_of_month": "31"}, datetime(2026, 1, 31, 4, tzinfo=UTC)),
        ({"minute": "0", "hour": "17", "timezone": "Asia/Tokyo"}, datetime(2026, 3, 14, 8, tzinfo=UTC)),
    ],
)
def test_the_slot_of_a_crontab_is_the_time_that_it_last_meant(
    one: Provider, fields: dict[str, str], slot: datetime
) -> None:
    due = CrontabSchedule.objects.create(**({"hour": "*", "timezone": "UTC"} | fields))
    PeriodicTask.objects.filter(name="one: full").update(crontab=due)
    assert schedule.due_slot(at(MOMENT)) == slot
    assert schedule.due_slot(at(MOMENT + timedelta(seconds=1))) == slot


def test_the_slot_of_an_interval_is_the_same_whoever_asks_a_moment_later(one: Provider) -> None:
    every(10, "minutes")
    slot = datetime(2026, 3, 14, 15, 0, tzinfo=UTC)
    assert schedule.due_slot(at(MOMENT)) == schedule.due_slot(at(MOMENT + timedelta(seconds=3))) == slot
    assert schedule.due_slot(at(MOMENT + timedelta(minutes=10))) == slot + timedelta(minutes=10)


def waiting(name: str = "one: full") -> PeriodicTask:
    return next(task for task in schedule.waiting() if task.name == name)


def last_sent(ago: timedelta, name: str = "one: full") -> None:
    PeriodicTask.objects.filter(name=name).update(
        last_run_at=timezone.now() - ago, date_changed=timezone.now() - timedelta(days=30)
    )


def test_a_slot_is_due_until_it_is_sent_and_the_missed_ones_before_it_never(one: Provider) -> None:
    every(1, "hours")
    last_sent(timedelta(hours=7))
    task = waiting()
    assert task.now - timedelta(hours=1) < (schedule.due_slot(task) or task.now) <= task.now
    schedule.sent(task)
    again = waiting()
    assert schedule.due_slot(again) is None
    assert (again.last_run_at, again.total_run_count) == (task.now, 1)


def test_a_beat_that_was_stopped_for_a_while_takes_nothing_back_that_another_noted(one: Provider) -> None:
    every(1, "hours")
    last_sent(timedelta(hours=7))
    stopped = waiting()
    other = waiting()
    schedule.sent(other)
    stopped.now -= timedelta(hours=3)
    schedule.sent(stopped)
    assert waiting().last_run_at == other.now


def test_what_a_clock_that_was_ahead_wrote_counts_from_now(one: Provider) -> None:
    every(5, "seconds")
    PeriodicTask.objects.update(
        last_run_at=timezone.now() + timedelta(hours=1), date_changed=timezone.now() + timedelta(hours=1)
    )
    task = waiting()
    assert (task.last_run_at, task.date_changed) <= (task.now, task.now)
    task.now += timedelta(seconds=5)
    assert schedule.due_slot(task) is not None


def test_a_schedule_owes_nothing_of_the_time_before_it_was_edited(one: Provider) -> None:
    every(1, "days")
    edits = [
        lambda: PeriodicTask.objects.get(name="one: full").save(),
        IntervalSchedule.objects.get(every=1, period="days").save,
        one.save,
    ]
    for edit in edits:
        last_sent(timedelta(days=2))
        assert schedule.due_slot(waiting()) is not None
        edit()
        assert schedule.due_slot(waiting()) is None


@pytest.mark.parametrize("action", ["enable_tasks", "toggle_tasks"])
def test_a_schedule_that_the_admin_s_list_switches_on_owes_nothing_of_the_time_before(
    one: Provider, action: str, admin_client: Client
) -> None:
    every(1, "days")
    last_sent(timedelta(days=2))
    PeriodicTask.objects.filter(name="one: full").update(enabled=False)
    chosen = PeriodicTask.objects.get(name="one: full")
    answer = admin_client.post(
        reverse("admin:django_celery_beat_periodictask_changelist"), {"action": action, "_selected_action": [chosen.pk]}
    )
    assert answer.status_code == 302
    task = waiting()
    assert task.now - task.date_changed < timedelta(minutes=1)
    task.now = task.date_changed + timedelta(days=1)
    assert schedule.due_slot(task) is not None


def test_a_schedule_begins_at_its_start_and_ends_when_it_expires(one: Provider) -> None:
    every(10, "minutes")
    last_sent(timedelta(days=1))
    now = timezone.now()
    PeriodicTask.objects.filter(name="one: full").update(start_time=now - timedelta(minutes=25))
    assert schedule.due_slot(waiting()) == now - timedelta(minutes=5)
    PeriodicTask.objects.filter(name="one: full").update(start_time=now + timedelta(minutes=1))
    assert schedule.due_slot(waiting()) is None
    PeriodicTask.objects.filter(name="one: full").update(expires=now)
    assert "one: full" not in {task.name for task in schedule.waiting()}


def test_a_time_that_is_meant_once_is_sent_once(one: Provider) -> None:
    moment = timezone.now() - timedelta(minutes=5)
    clocked = ClockedSchedule.objects.create(clocked_time=moment)
    PeriodicTask.objects.filter(name="one: full").update(crontab=None, clocked=clocked, one_off=True)
    task = waiting()
    assert schedule.due_slot(task) == moment
    schedule.sent(task)
    assert not PeriodicTask.objects.get(name="one: full").enabled


def test_a_schedule_that_is_not_there_has_no_slot() -> None:
    assert schedule.slot_of("nobody: full") is None


def overdue(of: Provider, mode: str = "full", ago: timedelta = timedelta(minutes=30)) -> datetime:
    """Let the schedule have meant a run that long ago; return the slot."""
    slot = timezone.now() - ago
    every(2, "days", f"{of.slug}: {mode}")
    PeriodicTask.objects.filter(name=f"{of.slug}: {mode}").update(
        start_time=slot, date_changed=slot - timedelta(days=1)
    )
    return slot


def missing() -> list[tuple[str, datetime]]:
    return [(run.schedule, run.slot) for run in schedule.missing_runs()]


def a_run(of: Provider, **fields: Any) -> Run:
    started_at = fields.pop("started_at", timezone.now())
    run = Run.objects.create(provider=of, mode="full", trigger="cli", **fields)
    Run.objects.filter(pk=run.pk).update(started_at=started_at)
    return run


def test_a_run_that_was_meant_and_not_started_is_missing(one: Provider) -> None:
    assert missing() == []
    slot = overdue(one)
    assert missing() == [("one: full", slot)]
    a_run(one, status="done", schedule="one: full", slot=slot, finished_at=slot - timedelta(hours=1))
    assert missing() == []


def test_a_run_is_missing_after_ten_minutes_only(one: Provider) -> None:
    overdue(one, ago=timedelta(minutes=9))
    assert missing() == []


def test_no_run_is_missing_of_what_is_switched_off_or_was_edited_since(one: Provider) -> None:
    overdue(one)
    Provider.objects.update(enabled=False)
    assert missing() == []
    one.save()
    assert missing() == []
    overdue(one)
    PeriodicTask.objects.update(enabled=False)
    assert missing() == []


def test_a_run_under_way_excuses_an_incremental_one_and_a_full_one_for_two_hours(one: Provider) -> None:
    often = overdue(one, "incremental", timedelta(hours=3))
    nightly = overdue(one, "full", timedelta(hours=3))
    running = a_run(one, started_at=often - timedelta(hours=1))
    assert missing() == [("one: full", nightly)]
    overdue(one, "full", timedelta(hours=2))
    assert missing() == []
    Run.objects.filter(pk=running.pk).update(status="done", finished_at=often - timedelta(minutes=1))
    assert {name for name, _ in missing()} == {"one: incremental", "one: full"}


def test_a_lookup_excuses_no_run(one: Provider) -> None:
    slot = overdue(one, "incremental")
    lookup = a_run(one)
    Run.objects.filter(pk=lookup.pk).update(mode="lookup")
    assert missing() == [("one: incremental", slot)]


def test_a_schedule_that_is_wrong_is_no_reason_to_miss_the_others(one: Provider) -> None:
    slot = overdue(one)
    wrong = [
        {"kwargs": "{", "interval": IntervalSchedule.objects.create(every=1, period="days")},
        {"solar": SolarSchedule.objects.create(event="sunset", latitude=0, longitude=0)},
        {"crontab": CrontabSchedule.objects.create(minute="61")},
    ]
    for number, fields in enumerate(wrong):
        PeriodicTask.objects.create(name=f"wrong {number}", task=tasks.start_run.name, **fields)
    assert missing() == [("one: full", slot)]


def test_people_are_told_of_a_missing_run_and_it_is_sent_again_once_an_hour(one: Provider) -> None:
    slot = overdue(one)
    with messages_to("maintenance") as sent:
        tasks.watch()
        tasks.watch()
    told = Alert.objects.get(key="missing-run:one: full")
    assert told.subject == f"one: full: no run was started for {slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    assert told.occurrences == 2
    assert [headers["slot"] for headers in sent] == [slot.isoformat()]
    assert [headers["periodic_task_name"] for headers in sent] == ["one: full"]


def test_what_is_made_up_for_is_the_last_slot_and_no_earlier_one(one: Provider) -> None:
    slot = overdue(one)
    every(10, "minutes")
    (found,) = schedule.missing_runs()
    assert (found.slot, found.last_slot) == (slot + timedelta(minutes=20), slot + timedelta(minutes=30))


@pytest.mark.parametrize(("off", "said"), [(-60, "is ahead of the database's"), (60, "is behind the database's")])
def test_people_are_told_of_a_worker_whose_clock_is_off(off: int, said: str) -> None:
    heartbeat.look_around(timezone.now())
    assert not Alert.objects.exists()
    heartbeat.look_around(timezone.now() + timedelta(seconds=off))
    assert said in Alert.objects.get().subject


def test_nobody_is_told_of_a_beat_that_never_was_and_everybody_of_one_that_is_no_more() -> None:
    assert schedule.beat_is_missing() is None
    leader.claim(schedule.BEAT, "one")
    assert schedule.beat_is_missing() is None
    Leader.objects.update(expires_at=timezone.now() - timedelta(seconds=46))
    assert (schedule.beat_is_missing() or "").startswith("no beat since ")


def test_one_of_two_has_the_lease_until_it_gives_it_up_or_it_runs_out() -> None:
    assert [leader.claim("x", holder) for holder in ("one", "two", "one")] == [True, False, True]
    leader.give_up("x", "two")
    assert not leader.claim("x", "two")
    leader.give_up("x", "one")
    assert leader.claim("x", "two")
    Leader.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert leader.claim("x", "one")
    assert not leader.claim("x", "two")


def test_a_claim_that_began_before_that_of_a_quicker_one_takes_nothing() -> None:
    leader.claim("x", "one")
    Leader.objects.update(expires_at=F("expires_at") + timedelta(seconds=1))
    assert not leader.claim("x", "two")


def test_a_lease_of_before_the_database_s_clock_was_put_back_has_run_out() -> None:
    leader.claim("x", "one")
    Leader.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert leader.claim("x", "two")


def test_who_leads_since_when_is_known() -> None:
    leader.claim("x", "one")
    since = Leader.objects.get().since
    leader.claim("x", "one")
    assert Leader.objects.get().since == since
    leader.give_up("x", "one")
    leader.claim("x", "two")
    assert Leader.objects.get().since > since


def start(of: Provider, mode: str, **request: Any) -> Any:
    """Run the task that a schedule sends, as a worker would."""
    task = tasks.start_run
    task.push_request(args=(), kwargs={"provider": of.slug, "mode": mode}, called_directly=False, **request)
    try:
        return task.run(provider=of.slug, mode=mode)
    finally:
        task.pop_request()


def test_the_same_slot_starts_one_run_however_many_beats_there_are(one: Provider) -> None:
    first = start(one, "full", periodic_task_name="one: full")
    run = Run.objects.get(pk=first)
    assert (run.trigger, run.schedule, run.mode) == ("schedule", "one: full", "full")
    assert run.slot is not None
    Run.objects.update(status="done")
    assert start(one, "full", periodic_task_name="one: full") is None
    assert Run.objects.count() == 1


def test_a_provider_that_is_switched_off_is_left_alone(one: Provider) -> None:
    Provider.objects.update(enabled=False)
    assert start(one, "full") is None
    assert not Run.objects.exists()


def test_an_incremental_run_is_left_to_the_next_slot_when_another_is_under_way(one: Provider) -> None:
    open_run(one)
    assert start(one, "incremental") is None


def test_a_full_run_waits_for_the_one_that_is_under_way_and_keeps_its_schedule(one: Provider) -> None:
    open_run(one)
    slot = datetime(2026, 3, 14, 1, 30, tzinfo=UTC)
    with messages_to("maintenance") as sent, pytest.raises(Retry) as waiting:
        start(one, "full", periodic_task_name="one: full", slot=slot.isoformat(), id="1", delivery_info={})
    assert waiting.value.when == 60
    (headers,) = sent
    assert (headers["periodic_task_name"], headers["slot"], headers["retries"]) == ("one: full", slot.isoformat(), 1)


def test_a_run_takes_the_slot_that_its_message_names_however_late_it_is(one: Provider) -> None:
    slot = datetime(2026, 3, 14, 1, 30, tzinfo=UTC)
    number = start(one, "full", periodic_task_name="one: full", slot=slot.isoformat())
    assert Run.objects.get(pk=number).slot == slot
