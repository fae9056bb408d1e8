"""When runs start, and that they start once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from celery.exceptions import Retry
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from musicsync import schedule, tasks
from musicsync.models import Provider, Run
from tests.integration.paging import open_run, provider

pytestmark = pytest.mark.usefixtures("db")

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


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
    seed(apps, None)
    sweep.refresh_from_db()
    assert (sweep.enabled, sweep.task) == (False, "something.else")
    assert PeriodicTask.objects.filter(name__startswith="musicsync:").count() == 2


def test_a_deleted_provider_takes_its_schedules_along(one: Provider) -> None:
    one.delete()
    assert not PeriodicTask.objects.filter(name__startswith="one:").exists()


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
    assert schedule.slot_of("one: full", NOW) == slot
    assert schedule.slot_of("one: full", NOW + timedelta(seconds=1)) == slot


def test_the_slot_of_an_interval_is_the_same_for_two_beats_a_moment_apart(one: Provider) -> None:
    every = IntervalSchedule.objects.create(every=10, period="minutes")
    PeriodicTask.objects.filter(name="one: full").update(crontab=None, interval=every)
    slot = schedule.slot_of("one: full", NOW)
    assert slot == datetime(2026, 3, 14, 15, 0, tzinfo=UTC)
    assert schedule.slot_of("one: full", NOW + timedelta(seconds=3)) == slot
    assert schedule.slot_of("one: full", NOW + timedelta(minutes=10)) == slot + timedelta(minutes=10)


def test_a_schedule_that_is_not_there_has_no_slot() -> None:
    assert schedule.slot_of("nobody: full", NOW) is None


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
    app = current_app._get_current_object()
    with app.connection_for_read() as broker:
        queue = broker.SimpleQueue(app.amqp.queues["maintenance"])
        queue.clear()
        with pytest.raises(Retry) as waiting:
            start(one, "full", periodic_task_name="one: full", id="1", delivery_info={})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    assert waiting.value.when == 60
    assert message.headers["periodic_task_name"] == "one: full"
    assert message.headers["retries"] == 1
