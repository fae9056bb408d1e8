"""Celery's consumer, which tells of every message that it cannot read, and RabbitMQ's queues beside those of tasks."""

import logging
from typing import Any

from celery import bootsteps, signals
from celery.worker import consumer
from celery.worker.consumer.tasks import Tasks
from kombu import Connection, Message

from project import brokers

log = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """A consumer that sends `task_rejected` also for a message whose body cannot be decoded, which Celery only logs."""

    connection_errors: tuple[type[Exception], ...]

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Reject the message, so that RabbitMQ puts it to the dead ones and no broker sends it again; tell of it."""
        message.reject_log_error(log, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=exc)


class RabbitQueues(bootsteps.StartStopStep):
    """The step of a worker that has RabbitMQ's other queues ready whenever it connects.

    The dead letters' must be there before a message is rejected, or it is dropped. What an earlier release left in
    queues by their former names is moved to today's.
    """

    requires = (Tasks,)

    def include_if(self, parent: Any) -> bool:
        """Tell whether this worker's broker is a RabbitMQ."""
        return brokers.is_rabbitmq(parent.app.conf.broker_url)

    def start(self, parent: Any) -> None:
        """Make the queue of dead letters, and move what is left in former queues."""
        with parent.app.connection_for_write() as connection:
            brokers.dead_letters().bind(connection.default_channel).declare()
            for former, name in brokers.former_queues().items():
                moved = _move(connection, former, name)
                if moved:
                    log.info("moved %d messages from the queue %s to %s", moved, former, name)


def _move(connection: Connection, former: str, name: str) -> int:
    """Move all messages of one queue to another; a former queue that is not there is an empty one."""
    channel: Any = connection.channel()
    try:
        waiting = channel.queue_declare(former, passive=True).message_count
        for moved in range(waiting):
            # The broker's own form of the message, with all its properties.
            message = channel.basic_get(former)
            if message is None:
                return moved
            channel.basic_publish(message, exchange=name, routing_key=name)
            channel.basic_ack(message.delivery_tag)
    except connection.channel_errors:
        return 0
    else:
        return int(waiting)
    finally:
        channel.close()
