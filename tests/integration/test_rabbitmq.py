"""Queues and exchanges of RabbitMQ that are deleted under those who send to them."""

import random
import threading
import time
from pathlib import Path

from kombu import Connection

from musicsync import tasks
from project import brokers
from tests.helpers import wait_until
from tests.integration.working import Broker, worker

SENDERS, DELETIONS, BETWEEN = 4, 6, 50
MOST_ROUNDS = 40
chosen = random.Random(1)


def test_what_was_deleted_is_declared_again_by_who_sends_next(rabbit_env: dict[str, str]) -> None:
    broker = Broker(rabbit_env)
    url = rabbit_env["CELERY_BROKER_URL"]
    name = brokers.queue_name(url, "maintenance")
    try:
        broker.sweep()
        with Connection(url) as connection:
            connection.default_channel.exchange_delete(name)
            connection.default_channel.queue_delete(name)
        broker.sweep()
    finally:
        broker.app.close()
    assert waiting_in(url, name) == 1


def test_whoever_sends_as_a_queue_is_deleted_is_told_that_the_broker_is_away_at_worst(
    rabbit_env: dict[str, str],
) -> None:
    url = rabbit_env["CELERY_BROKER_URL"]
    sent, refused, errors = [], [], []
    over = threading.Event()

    def send() -> None:
        broker = Broker(rabbit_env)
        try:
            while not over.is_set():
                try:
                    broker.sweep()
                    sent.append(1)
                except tasks.BROKER_AWAY as error:
                    refused.append(str(error))
        except Exception as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            broker.app.close()

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(DELETIONS):
            before = len(sent)
            wait_until(lambda: errors or len(sent) > before + BETWEEN)  # noqa: B023 - called at once
            with Connection(url) as connection:
                connection.default_channel.queue_delete(brokers.queue_name(url, "maintenance"))
    finally:
        over.set()
        for sender in senders:
            sender.join(60)
    assert not errors, {type(error): str(error) for error in errors}
    assert "" not in refused


def test_a_worker_outlives_queues_that_are_deleted_as_it_declares_them(
    rabbit_env: dict[str, str], tmp_path: Path
) -> None:
    url, log = rabbit_env["CELERY_BROKER_URL"], tmp_path / "worker.log"
    with worker(rabbit_env, log) as broker:
        for _ in range(MOST_ROUNDS):
            with Connection(url) as connection:
                for base in brokers.NAMES:
                    connection.default_channel.queue_delete(brokers.queue_name(url, base))
            # What ended it comes where a queue is gone between its declaration and its first reader.
            if "Basic.consume" in log.read_text():
                break
            time.sleep(chosen.uniform(0.2, 0.5))
        wait_until(lambda: broker.inspect("ping"))
    assert "Unrecoverable" not in log.read_text()


def waiting_in(url: str, queue: str) -> int:
    with Connection(url) as connection:
        count: int = connection.default_channel.queue_declare(queue, passive=True).message_count
    return count
