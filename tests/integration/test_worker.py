"""A real worker on a real PostgreSQL and a real broker: `celery -A project worker`, as it is typed."""

import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.db.models import F

from musicsync import tasks
from musicsync.models import Failure, Fetch, Run, SourceTrack
from musicsync.sync import fetches, lookups, runs
from tests.helpers import wait_until
from tests.integration.alerting import taking_alerts
from tests.integration.cataloguing import catalogue, forget_all_but_providers
from tests.integration.driving import control, follow, sync
from tests.integration.paging import open_run, provider
from tests.integration.working import Broker, wait_for, worker
from tests.unit.sandbox.serving import serve


@pytest.fixture
def env(process_env: dict[str, str], settings: Any) -> dict[str, str]:
    settings.MUSICSYNC_CONTACT = "tests@localhost"
    return process_env | {"MUSICSYNC_CONTACT": "tests@localhost"}


@pytest.fixture
def folder_env(env: dict[str, str], short_folder: Path) -> dict[str, str]:
    """The same with a folder for a broker."""
    return env | {"CELERY_BROKER_URL": "filesystem://", "CELERY_RESULT_BACKEND": "", "MUSICSYNC_VAR": str(short_folder)}


def start_two(base: str) -> list[Run]:
    providers = [follow(base, "musicbrainz", trust=1), follow(base, "deezer", trust=2)]
    return [runs.open_run(provider, "full", "cli") for provider in providers]


def assert_done(ended: list[Run], tracks: int) -> None:
    assert [(run.status, run.error, run.summary["distinct_tracks"]) for run in ended] == [("done", "", tracks)] * 2


def test_two_processes_sync_two_providers_over_redis(env: dict[str, str], tmp_path: Path) -> None:
    with serve(1000) as base:
        control(base, "faults", json=[{"kind": "status", "status": 500, "every": 50, "count": 1}])
        opened = start_two(base)
        with worker(env, tmp_path / "worker.log") as broker:
            broker.sweep()
            wait_until(lambda: SourceTrack.objects.count() > 100)
            assert [answer["ok"] for answer in broker.inspect("ping").values()] == ["pong"]
            active = [task for found in broker.inspect("active").values() for task in found]
            assert {type(argument) for task in active for argument in task["args"]} <= {int}
            queues = [queue["name"] for found in broker.inspect("active_queues").values() for queue in found]
            assert sorted(queues) == ["fetch", "maintenance", "notify"]
            assert_done(wait_for(*opened), 1000)
    retry = Failure.objects.get()
    assert (retry.kind, retry.task) == ("retry", "musicsync.tasks.work_fetch")
    assert retry.run in opened
    assert "500" in retry.error
    assert "Traceback" in retry.traceback
    assert Fetch.objects.get(failures=1).status == "applied"


def test_two_processes_sync_over_a_folder_what_one_does_alone(folder_env: dict[str, str], tmp_path: Path) -> None:
    with serve(200) as base:
        opened = start_two(base)
        with worker(folder_env, tmp_path / "worker.log") as broker:
            broker.sweep()
            assert [answer["ok"] for answer in broker.inspect("ping").values()] == ["pong"]
            assert_done(wait_for(*opened), 200)
        by_worker = catalogue()
        forget_all_but_providers()
        for run in opened:
            sync(run.provider)
    assert catalogue() == by_worker


def test_a_run_outlives_a_process_that_is_killed(env: dict[str, str], tmp_path: Path) -> None:
    with serve(200) as base:
        control(base, "faults", json=[{"kind": "latency", "ms": 10_000, "count": 2}])
        opened = start_two(base)
        with worker(env, tmp_path / "worker.log") as broker:
            broker.sweep()
            at_work = slow_task(broker)
            os.kill(at_work["worker_pid"], signal.SIGKILL)
            wait_until(lambda: Failure.objects.filter(kind="worker_lost").exists())
            lost = Fetch.objects.get(pk=at_work["args"][0])
            failure = Failure.objects.get(kind="worker_lost")
            assert (failure.run, failure.arguments) == (lost.run, f"[[{lost.pk}], {{}}]")
            assert "SIGKILL" in failure.error or "signal 9" in failure.error
            assert lost.crashes == 1, "what the process held is taken back before anybody sweeps"
            assert_done(wait_for(*opened), 200)
    row = Fetch.objects.get(pk=lost.pk)
    assert (row.status, row.attempts, row.failures) == ("applied", 2, 0)


def test_a_lookup_is_done_while_a_full_run_owes_hundreds_of_requests(env: dict[str, str], tmp_path: Path) -> None:
    with serve(5000) as base:
        one = follow(base, "deezer", rate=2, burst=1)
        artist = one.scopes.order_by("pk").last().key
        wanted = control(base, f"../deezer/artist/{artist}/albums")["data"][0]["id"]
        full = runs.open_run(one, "full", "cli")
        with worker(env, tmp_path / "worker.log") as broker:
            broker.sweep()
            wait_until(lambda: Fetch.objects.filter(run=full, status="waiting", slot_at__isnull=False).exists())
            lookup = lookups.start(lookups.Target(one, "release", str(wanted)), "cli").run
            for fetch_id in fetches.fill_window(lookup.pk, one.window):
                broker.send(tasks.work_fetch.name, fetch_id)
            (done,) = wait_for(lookup)
            full.refresh_from_db()
            owed = Fetch.objects.filter(run=full, status__in=Fetch.OPEN).count()
            runs.cancel(full)
    assert (done.status, done.error, full.status) == ("done", "", "running")
    assert owed > 200
    # Each of its requests comes behind the slots that are held (a window), and those at work in two processes.
    last = done.fetches.latest("started_at").started_at
    meanwhile = full.fetches.filter(status="applied", started_at__gt=done.started_at, started_at__lt=last)
    assert meanwhile.count() <= done.summary["requests"] * (one.window + 2)


def slow_task(broker: Broker) -> dict[str, Any]:
    """Return what a worker says of a task that waits for a slow answer."""
    found: list[dict[str, Any]] = []

    def is_found() -> bool:
        at_work = [task for tasks_of in broker.inspect("active").values() for task in tasks_of]
        found[:] = [task for task in at_work if task["name"] == tasks.work_fetch.name]
        return bool(found) and Fetch.objects.filter(pk=found[0]["args"][0], status="leased").exists()

    wait_until(is_found)
    return found[0]


def pass_time(by: timedelta) -> None:
    """Let the ledger think that this much time went by."""
    for name in ("lease_expires_at", "not_before", "queued_at"):
        Fetch.objects.filter(status__in=Fetch.OPEN, **{f"{name}__isnull": False}).update(**{name: F(name) - by})


def test_a_run_outlives_a_broker_that_forgets_everything(
    env: dict[str, str], redis_server: Path, tmp_path: Path
) -> None:
    with serve(200) as base:
        control(base, "faults", json=[{"kind": "latency", "ms": 20}])
        opened = start_two(base)
        with worker(env, tmp_path / "worker.log") as broker:
            broker.sweep()
            wait_until(lambda: Fetch.objects.filter(status="applied").count() > 10)
            with redis.Redis(unix_socket_path=str(redis_server)) as client:
                client.flushall()
            pass_time(timedelta(seconds=61))
            broker.sweep()
            assert_done(wait_for(*opened), 200)


def test_what_no_worker_understands_is_written_down_and_told(env: dict[str, str], tmp_path: Path) -> None:
    with taking_alerts() as (url, received), worker(env | {"MUSICSYNC_ALERT_WEBHOOK": url}, tmp_path / "log") as broker:
        broker.send("musicsync.tasks.of_old", 7, queue="maintenance")
        broker.send("musicsync.tasks.of_old", 8, queue="maintenance")
        broker.put(b'{"no": "task"}', "maintenance")
        broker.put(b"no JSON at all", "maintenance")
        broker.send(tasks.work_fetch.name, "no number")
        broker.send(tasks.prune.name, expires=-1)
        wait_until(lambda: Failure.objects.count() >= 6)
        wait_until(lambda: len(received) >= 5)
        assert [answer["ok"] for answer in broker.inspect("ping").values()] == ["pong"]
    found = {(row.kind, row.task): row for row in Failure.objects.all()}
    assert set(found) == {
        ("unknown", "musicsync.tasks.of_old"),
        ("rejected", ""),
        ("failure", "musicsync.tasks.work_fetch"),
        ("revoked", "musicsync.tasks.prune"),
    }
    assert Failure.objects.filter(kind="unknown").count() == 2
    assert set(Failure.objects.filter(kind="rejected").values_list("arguments", flat=True)) == {
        repr(b'{"no": "task"}'),
        repr(b"no JSON at all"),
    }
    failure = found["failure", "musicsync.tasks.work_fetch"]
    assert failure.arguments == '[["no number"], {}]'
    assert failure.traceback.startswith("Traceback")
    assert failure.worker.startswith("celery@")
    assert found["revoked", "musicsync.tasks.prune"].error == "expired"
    assert len({alert["key"] for alert in received}) == len(received) == 5


def test_every_task_has_a_queue_and_every_queue_a_task() -> None:
    app = current_app._get_current_object()
    own = [name for name in app.tasks if name.startswith("musicsync.")]
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in own}
    assert len(own) >= 6
    assert set(queues.values()) == {"fetch", "maintenance", "notify"} == {queue.name for queue in app.conf.task_queues}
    assert (queues[tasks.work_fetch.name], queues[tasks.send_alert.name]) == ("fetch", "notify")


@pytest.mark.usefixtures("db")
def test_a_message_is_json_and_names_a_row() -> None:
    run = open_run(provider("one"), ["page"])
    app = current_app._get_current_object()
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.amqp.queues["fetch"])
        queue.clear()
        tasks.begin(run)
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    assert (message.content_type, message.headers["task"]) == ("application/json", "musicsync.tasks.work_fetch")
    (arguments, keywords, _) = json.loads(message.body)
    assert (arguments, keywords) == ([run.fetches.get().pk], {})
