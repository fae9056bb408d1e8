"""What was sent, read from the broker of the test's own process or of others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, current_app


@contextmanager
def messages_to(queue: str, app: Celery | None = None) -> Iterator[list[dict[str, Any]]]:
    """Collect the headers of what is sent to a queue in the block; they are there when it has ended."""
    app = app or current_app._get_current_object()
    found: list[dict[str, Any]] = []
    with app.connection_for_read() as broker:
        box = broker.SimpleQueue(app.amqp.queues[queue])
        box.clear()
        yield found
        while box.qsize():
            message = box.get(timeout=5)
            message.ack()
            found.append(message.headers)
        box.close()
