"""Real workers on a real broker, and messages to them from a test."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from celery import Celery

from musicsync import tasks
from musicsync.models import Run
from project import brokers, embedded
from tests.helpers import running, wait_until, worker_command


class Broker:
    """The broker of a test: sends messages to it and asks the workers on it, as a process of that environment does."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.app = Celery("test", set_as_current=False)
        self.app.config_from_object("django.conf:settings", namespace="CELERY")
        url = env["CELERY_BROKER_URL"]
        self.app.conf.broker_transport_options = brokers.transport_options(url)
        if url == embedded.FOLDER_BROKER:
            self.app.conf.broker_transport_options = embedded.filesystem_options(Path(env["MUSICSYNC_VAR"]))
        for name, value in brokers.queue_settings(url).items():
            setattr(self.app.conf, name.removeprefix("CELERY_").lower(), value)
        # Celery reads this variable before any configuration, whenever it makes a pool.
        with patch.dict(os.environ, CELERY_BROKER_URL=url):
            self._producers = self.app.amqp.producer_pool
            assert self.app.pool

    def send(self, name: str, *args: Any, **options: Any) -> str:
        return str(self.app.send_task(name, args, **options).id)

    def put(self, body: bytes, queue: str, **options: Any) -> None:
        """Put a message there that no Celery made."""
        declared = next(found for found in self.app.conf.task_queues if found.name == queue)
        with self._producers.acquire(block=True) as producer:
            given = {"content_type": "application/json", "content_encoding": "utf-8"} | options
            producer.publish(
                body, exchange=declared.exchange, routing_key=declared.routing_key, declare=[declared], **given
            )

    def sweep(self) -> None:
        """Ring for all runs that are under way, as beat does every few seconds."""
        self.send(tasks.sweep.name)

    def inspect(self, what: str) -> dict[str, Any]:
        return getattr(self.app.control.inspect(timeout=30, limit=1), what)() or {}


@contextmanager
def worker(env: Mapping[str, str], log: Path, *options: str) -> Iterator[Broker]:
    """Run a worker of two processes until the end of the block; its log goes to the test's output if it fails."""
    with running(worker_command("--loglevel", "INFO", *options), env, log, "ready."):
        broker = Broker(env)
        try:
            yield broker
        finally:
            broker.app.close()


def ended(*runs: Run) -> Callable[[], bool]:
    """Return what tells whether these runs have ended."""

    def all_ended() -> bool:
        return not Run.objects.filter(pk__in=[run.pk for run in runs], status=Run.Status.RUNNING).exists()

    return all_ended


def wait_for(*runs: Run, limit: float = 120.0) -> list[Run]:
    """Wait until these runs have ended, and give them, in this order, as they are then."""
    wait_until(ended(*runs), limit)
    found = Run.objects.in_bulk([run.pk for run in runs])
    return [found[run.pk] for run in runs]
