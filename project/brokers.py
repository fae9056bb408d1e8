"""What Celery's settings are on each kind of broker."""

from typing import Any

from kombu import Exchange, Queue

NAMES = ("fetch", "maintenance", "notify")
"""fetch: provider pages. maintenance: starting, sweeping, finishing. notify: alerts, which must wait behind neither."""
ROUTES = {
    "musicsync.tasks.work_fetch": "fetch",
    "musicsync.tasks.send_alert": "notify",
    "musicsync.tasks.*": "maintenance",
}
DEAD = "dead"
"""Where RabbitMQ keeps the messages that no worker can read or knows the task of."""
_REDIS = {"redis", "rediss", "sentinel"}
_RABBITMQ = {"amqp", "amqps", "pyamqp"}
# RabbitMQ refuses to declare a queue with other arguments than it was made with: other arguments, another revision.
_REVISION = "-2"
_QUORUM = {
    "x-queue-type": "quorum",
    # A message that ends its worker before it is acknowledged comes this often again, then goes to the dead ones.
    "x-delivery-limit": 5,
    "x-dead-letter-exchange": DEAD,
}
_MOST_DEAD_LETTERS = 10_000


def is_redis(url: str) -> bool:
    """Tell whether a broker URL names a Redis."""
    return _transport(url) in _REDIS


def is_rabbitmq(url: str) -> bool:
    """Tell whether a broker URL names a RabbitMQ."""
    return _transport(url) in _RABBITMQ


def transport_options(url: str) -> dict[str, Any]:
    """Give what the connections to a broker are made with."""
    if is_redis(url):
        # A Redis that hangs (swap, a stopped process) must fail a publish in seconds; without these it blocks for ever.
        return {"socket_timeout": 3, "socket_connect_timeout": 3, "health_check_interval": 10}
    if is_rabbitmq(url):
        # Without it a publish returns before the broker has the message, and a lost one is never noticed.
        return {"confirm_publish": True}
    return {}


def queue_settings(url: str) -> dict[str, Any]:
    """Give Celery's settings of the queues and of what is sent to which."""
    rabbitmq = is_rabbitmq(url)
    # Quorum queues keep a message with a countdown in the broker, which takes topic exchanges; behind a direct one it
    # would block the worker until its time.
    exchange_type = "topic" if rabbitmq else "direct"
    default = queue_name(url, "maintenance")
    return {
        "CELERY_TASK_QUEUES": [
            Queue(
                name,
                Exchange(name, type=exchange_type),
                routing_key=name,
                queue_arguments=_QUORUM if rabbitmq else None,
            )
            for name in (queue_name(url, base) for base in NAMES)
        ],
        "CELERY_TASK_DEFAULT_QUEUE": default,
        "CELERY_TASK_DEFAULT_EXCHANGE": default,
        "CELERY_TASK_DEFAULT_ROUTING_KEY": default,
        "CELERY_TASK_DEFAULT_QUEUE_TYPE": "quorum" if rabbitmq else "classic",
        "CELERY_TASK_DEFAULT_EXCHANGE_TYPE": exchange_type,
        "CELERY_TASK_ROUTES": {task: {"queue": queue_name(url, base)} for task, base in ROUTES.items()},
    }


def queue_name(url: str, base: str) -> str:
    """Give the name that a queue has on a broker."""
    return base + _REVISION if is_rabbitmq(url) else base


def former_queues() -> dict[str, str]:
    """Give the names that queues had on RabbitMQ in earlier releases, each with the one that it has now."""
    return {name: name + _REVISION for name in NAMES}


def dead_letters() -> Queue:
    """Give RabbitMQ's queue of dead messages: the newest ones, each with its `x-death` header."""
    return Queue(
        DEAD,
        Exchange(DEAD, type="topic"),
        # Whatever it was sent to.
        routing_key="#",
        queue_arguments={"x-queue-type": "quorum", "x-max-length": _MOST_DEAD_LETTERS},
    )


def _transport(url: str) -> str:
    return url.partition("://")[0].partition("+")[0]
