"""Beat: one of any number leads, and sends each slot once. What takes longer to show is in `tests/faults`."""

import atexit
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, SolarSchedule

from musicsync import schedule, tasks
from musicsync.models import Alert, Leader
from musicsync.sync import leader
from project.beat import LeadingScheduler
from tests.helpers import running, wait_until
from tests.integration.sending import messages_to
from tests.servers import RedisServer

BEAT = [sys.executable, "-m", "celery", "-A", "project", "beat", "--loglevel", "INFO"]


def often(name: str = "often", **fields: Any) -> PeriodicTask:
    """Make a schedule with a slot each second, and one that is due, the only one but for those made by this."""
    PeriodicTask.objects.filter(name__startswith="musicsync:").delete()
    interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    made = PeriodicTask.objects.create(name=name, **({"task": tasks.prune.name, "interval": interval} | fields))
    PeriodicTask.objects.filter(pk=made.pk).update(date_changed=timezone.now() - timedelta(hours=2))
    return made


@pytest.fixture
def beat(db: None) -> Iterator[LeadingScheduler]:
    """A beat in this process."""
    made = LeadingScheduler(current_app._get_current_object())
    yield made
    atexit.unregister(made._give_up)


def test_what_is_due_is_sent_with_its_slot_once(beat: LeadingScheduler) -> None:
    given = {"args": '["one"]', "kwargs": '{"mode": "full"}', "headers": '{"c": 2}'}
    often(task=tasks.start_run.name, queue="notify", expire_seconds=60, **given)
    PeriodicTask.objects.update(start_time=timezone.now() - timedelta(hours=1))
    weekly, _ = IntervalSchedule.objects.get_or_create(every=7, period="days")
    PeriodicTask.objects.update(interval=weekly)
    with messages_to("notify") as sent:
        assert [beat.tick(), beat.tick()] == [1.0, 1.0]
    (headers,) = sent
    row = PeriodicTask.objects.get()
    assert headers["slot"] == row.start_time.isoformat()
    assert (headers["task"], headers["periodic_task_name"], headers["c"]) == (tasks.start_run.name, "often", 2)
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("['one']", "{'mode': 'full'}")
    assert headers["expires"] is not None
    assert (row.total_run_count, row.last_run_at is None) == (1, False)


def test_who_does_not_have_the_lease_sends_nothing(beat: LeadingScheduler) -> None:
    often()
    leader.claim(schedule.BEAT, "another")
    with messages_to("maintenance") as sent:
        assert beat.tick() == 5
    assert sent == []


def test_a_schedule_that_cannot_be_sent_is_told_of_once_and_the_others_go_on(beat: LeadingScheduler) -> None:
    often("broken", kwargs="{")
    often("nowhere", queue="no-such-queue")
    often("by the sun", interval=None, solar=SolarSchedule.objects.create(event="sunset", latitude=0, longitude=0))
    often()
    with messages_to("maintenance") as sent:
        beat.tick()
        beat.tick()
    assert "often" in {headers["periodic_task_name"] for headers in sent}
    told = {alert.key: alert for alert in Alert.objects.all()}
    assert set(told) == {"schedule:broken", "schedule:nowhere", "schedule:by the sun"}
    assert told["schedule:broken"].subject.startswith("Schedule broken cannot be sent: Expecting property name")
    assert {alert.occurrences for alert in told.values()} == {1}
    assert {task.last_run_at for task in PeriodicTask.objects.exclude(name="often")} == {None}


def test_a_task_that_this_release_does_not_know_is_sent_by_its_name(beat: LeadingScheduler) -> None:
    often(task="another.application.task")
    with messages_to("maintenance") as sent:
        beat.tick()
    assert sent[0]["task"] == "another.application.task"


def test_two_beats_send_each_slot_once_and_one_follows_the_other_at_once(
    process_env: dict[str, str], redis_server: Path, tmp_path: Path
) -> None:
    often()
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    with ExitStack() as ends:
        one, two = (ends.enter_context(running(BEAT, process_env, log, "beat: Starting...")) for log in logs)
        wait_until(lambda: waiting_messages(redis_server) >= 2)
        by_pid = {one.pid: one, two.pid: two}
        first = by_pid[leading_pid()]
        first.send_signal(signal.SIGTERM)
        first.wait(60)
        # Given up, or taken by the other already: it does not have to run out by itself.
        assert Leader.objects.filter(Q(expires_at__lte=Now()) | ~Q(holder__contains=f":{first.pid}:")).exists()
        seen = waiting_messages(redis_server)
        wait_until(lambda: leading_pid() != first.pid)
        wait_until(lambda: waiting_messages(redis_server) >= seen + 2)
    slots = sent_slots(logs)
    assert len(set(slots)) == len(slots)
    assert sorted(log.read_text().count(" follows") for log in logs) == [0, 0]


def leading_pid() -> int:
    return int(Leader.objects.get(name=schedule.BEAT).holder.split(":")[1])


def waiting_messages(server: Path) -> int:
    with redis.Redis(unix_socket_path=str(server)) as client:
        return int(client.llen("maintenance"))


def sent_slots(logs: list[Path]) -> list[str]:
    lines = [line for log in logs for line in log.read_text().splitlines() if "Sending due task often" in line]
    return [line.rpartition(" slot ")[2] for line in lines]


def test_a_slot_that_no_broker_took_is_sent_when_it_is_back_and_the_database_may_hang_up_meanwhile(
    process_env: dict[str, str], short_folder: Path, tmp_path: Path
) -> None:
    if missing := RedisServer.missing():
        pytest.skip(missing)
    log = tmp_path / "beat.log"
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    with RedisServer(short_folder) as server:
        env = process_env | {"CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": ""}
        with running(BEAT, env, log, " leads"):
            server.kill()
            often(interval=hourly)
            wait_until(lambda: "nothing sent: OperationalError" in log.read_text())
            hang_up()
            assert PeriodicTask.objects.get().last_run_at is None
            server.start()
            wait_until(lambda: PeriodicTask.objects.get().last_run_at is not None)
            with redis.Redis.from_url(server.url) as client:
                assert client.llen("maintenance") == 1


def hang_up() -> None:
    """End every other session of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
