"""Redis and RabbitMQ under a real worker: what they do not understand, old messages, and brokers that take nothing."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.utils import timezone
from kombu import Connection, Exchange, Queue

from musicsync import tasks
from musicsync.models import Alert, Failure, Fetch, Run, SourceTrack
from musicsync.sync import runs
from project import brokers
from tests.helpers import ROOT, wait_until
from tests.integration.alerting import taking_alerts
from tests.integration.driving import follow
from tests.integration.working import wait_for, worker
from tests.servers import RabbitServer, RedisServer
from tests.unit.sandbox.serving import serve

MESSAGES = json.loads((Path(__file__).parent / "messages" / "0.1.0.json").read_text())
"""The messages of release 0.1.0 as they stood on Redis, each task's. Every later release must take them."""
FETCH, RETRIED_FETCH, RUN, ALERT = 9000001, 9000002, 9000003, 9000004
"""The rows that they name."""


@pytest.fixture(params=["redis", "rabbitmq"])
def env(request: pytest.FixtureRequest, process_env: dict[str, str]) -> dict[str, str]:
    """The environment of processes on each kind of broker."""
    return request.getfixturevalue("rabbit_env") if request.param == "rabbitmq" else process_env


def test_a_message_of_the_release_before_still_works(env: dict[str, str], tmp_path: Path) -> None:
    with serve(100) as base, taking_alerts() as (url, received):
        expected = rows_that_old_messages_name(base)
        put_as_the_release_before(env["CELERY_BROKER_URL"])
        with worker(env | {"MUSICSYNC_ALERT_WEBHOOK": url}, tmp_path / "worker.log"):
            wait_until(lambda: Run.objects.filter(provider__slug="former").exists())
            ended = wait_for(*expected)
            (started,) = wait_for(Run.objects.get(provider__slug="former"))
            wait_until(lambda: not Failure.objects.filter(error="old").exists())
            wait_until(lambda: received)
    assert [run.status for run in [*ended, started]] == ["done"] * 4
    assert (started.trigger, started.schedule) == ("schedule", "former: incremental")
    assert started.slot is not None
    assert [alert["key"] for alert in received] == ["old"]
    assert SourceTrack.objects.count() == 300
    assert not Failure.objects.exists()


def rows_that_old_messages_name(base: str) -> list[Run]:
    opened = []
    for slug, fetch in (("first", FETCH), ("retried", RETRIED_FETCH)):
        run = runs.open_run(follow(base, "feed", slug=slug), "full", "cli")
        assert run.fetches.update(id=fetch) == 1
        opened.append(run)
    owing_nothing = Run.objects.create(pk=RUN, provider=follow(base, "feed", slug="ending"), mode="full", trigger="cli")
    follow(base, "feed", slug="former")
    Alert.objects.create(pk=ALERT, key="old", subject="an alert of the release before")
    long_ago = Failure.objects.create(kind="failure", error="old")
    Failure.objects.filter(pk=long_ago.pk).update(created_at=timezone.now() - timedelta(days=1000))
    return [*opened, owing_nothing]


def put_as_the_release_before(url: str) -> None:
    """Put its messages where it put them: on RabbitMQ in queues by other names."""
    rabbitmq = brokers.is_rabbitmq(url)
    with Connection(url) as connection:
        for message in MESSAGES:
            name = message["queue"]
            queue = Queue(
                name,
                Exchange(name, type="topic" if rabbitmq else "direct"),
                routing_key=name,
                queue_arguments={"x-queue-type": "quorum"} if rabbitmq else None,
            )
            connection.Producer().publish(
                message["body"],
                exchange=queue.exchange,
                routing_key=name,
                declare=[queue],
                headers=message["headers"],
                content_type=message["content_type"],
                content_encoding=message["content_encoding"],
                **message["properties"],
            )


def test_the_messages_of_the_release_before_are_of_every_task_that_it_had() -> None:
    assert {message["headers"]["task"] for message in MESSAGES} == {
        f"musicsync.tasks.{name}" for name in ("work_fetch", "start_run", "finish_run", "sweep", "prune", "send_alert")
    }
    assert {message["headers"]["task"] for message in MESSAGES} <= set(current_app.tasks)


def test_rabbitmq_keeps_what_no_worker_understands(rabbit_env: dict[str, str], tmp_path: Path) -> None:
    with worker(rabbit_env, tmp_path / "log") as broker:
        broker.send("musicsync.tasks.of_old", 7, queue=brokers.queue_name(rabbit_env["CELERY_BROKER_URL"], "fetch"))
        maintenance = brokers.queue_name(rabbit_env["CELERY_BROKER_URL"], "maintenance")
        broker.put(b"no JSON at all", maintenance)
        broker.put(b'{"no": "task"}', maintenance)
        wait_until(lambda: Failure.objects.count() == 3)
        assert [answer["ok"] for answer in broker.inspect("ping").values()] == ["pong"]
    assert sorted(Failure.objects.values_list("kind", flat=True)) == ["rejected", "rejected", "unknown"]
    bodies: list[str] = []

    def three_are_kept() -> bool:
        # A quorum queue hands them on by itself, after it was told.
        bodies.extend(take_dead_letters(rabbit_env["CELERY_BROKER_URL"]))
        return len(bodies) >= 3

    wait_until(three_are_kept)
    assert set(bodies) > {"no JSON at all", '{"no": "task"}'}
    assert json.loads(min(bodies))[0] == [7]
    assert len(bodies) == 3


def take_dead_letters(url: str) -> list[str]:
    with Connection(url) as connection:
        queue = brokers.dead_letters().bind(connection.default_channel)
        return [message.body for message in iter(lambda: queue.get(no_ack=True), None)]


def test_no_worker_holds_a_message_that_rabbitmq_delivers_later(rabbit_env: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker(rabbit_env, log) as broker:
        later = broker.send(tasks.prune.name, countdown=2)
        now = broker.send(tasks.prune.name)
        received = [f"[{task_id}] received" for task_id in (now, later)]
        wait_until(lambda: all(line in log.read_text() for line in received))
    assert log.read_text().index(received[0]) < log.read_text().index(received[1])


def test_a_rabbitmq_that_is_full_is_said_at_once_and_loses_nothing(
    rabbit: RabbitServer, rabbit_env: dict[str, str]
) -> None:
    with serve(100) as base:
        follow(base, "feed")
        rabbit.control("set_vm_memory_high_watermark", "0.0000001")
        try:
            said = sync_by_hand(rabbit_env)
        finally:
            rabbit.control("set_vm_memory_high_watermark", "0.4")
    assert "its memory or disk is full" in said
    assert_recorded(said)


def test_a_redis_that_is_full_is_said_at_once_and_loses_nothing(
    process_env: dict[str, str], short_folder: Path
) -> None:
    with serve(100) as base, RedisServer(short_folder, maxmemory="1b") as full:
        follow(base, "feed")
        said = sync_by_hand(process_env | {"CELERY_BROKER_URL": full.url, "CELERY_RESULT_BACKEND": full.url})
    assert "maxmemory" in said
    assert_recorded(said)


def test_a_redis_that_hangs_is_said_within_seconds_and_loses_nothing(
    process_env: dict[str, str], short_folder: Path
) -> None:
    with serve(100) as base, RedisServer(short_folder) as frozen:
        follow(base, "feed")
        frozen.freeze()
        said = sync_by_hand(process_env | {"CELERY_BROKER_URL": frozen.url, "CELERY_RESULT_BACKEND": frozen.url})
    assert_recorded(said)


def test_a_rabbitmq_that_hangs_is_said_within_seconds_and_loses_nothing(
    rabbit: RabbitServer, rabbit_env: dict[str, str]
) -> None:
    with serve(100) as base:
        follow(base, "feed")
        rabbit.freeze()
        try:
            said = sync_by_hand(rabbit_env)
        finally:
            rabbit.thaw()
    assert_recorded(said)


def test_a_result_that_redis_does_not_take_holds_nobody(process_env: dict[str, str], short_folder: Path) -> None:
    store = "from project.celery import app; app.backend.store_result('a-task', 1, 'SUCCESS')"
    with RedisServer(short_folder) as frozen:
        frozen.freeze()
        env = process_env | {"CELERY_RESULT_BACKEND": frozen.url}
        done = subprocess.run(
            [sys.executable, "-c", store], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False
        )
    assert "Timeout" in done.stderr


def sync_by_hand(env: dict[str, str]) -> str:
    """Give the one line of a `manage.py sync` that cannot send its message, and does not wait for ever."""
    command = [sys.executable, "manage.py", "sync", "feed", "--full"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1, done
    (line,) = done.stderr.strip().splitlines()
    return line


def assert_recorded(said: str) -> None:
    run = Run.objects.get()
    assert run.status == "running"
    assert f"Run {run.pk} is recorded" in said
    assert "CELERY_BROKER_URL" in said
    assert set(Fetch.objects.values_list("run", flat=True)) == {run.pk}
