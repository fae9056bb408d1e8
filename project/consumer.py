"""Celery's consumer, which tells of every message that it cannot read."""

from celery import signals
from celery.worker import consumer
from kombu import Message


class Consumer(consumer.Consumer):
    """A consumer that sends `task_rejected` also for a message whose body cannot be decoded, which Celery only logs."""

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Acknowledge the message, so that it does not come again, and tell of it."""
        super().on_decode_error(message, exc)
        signals.task_rejected.send(sender=self, message=message, exc=exc)
