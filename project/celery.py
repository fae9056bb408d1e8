"""The Celery application: `celery -A project worker`, `beat`, `flower`, `inspect active`."""

import gc
import importlib
import logging
import os

from celery import Celery
from celery.app.backends import BACKEND_ALIASES
from celery.signals import after_setup_task_logger, import_modules, task_prerun, worker_init
from django.conf import settings
from django.db import close_old_connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from kombu.transport import TRANSPORT_ALIASES

from project.checks import clear_errors, require_surroundings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

# Before the settings, which look a transport up: kombu keeps what it found. Its own loses messages that are read while
# they are written.
TRANSPORT_ALIASES["filesystem"] = "project.folder_broker:Transport"
# Kombu's own wait for ever for a RabbitMQ that hangs.
TRANSPORT_ALIASES.update(dict.fromkeys(("amqp", "pyamqp"), "project.rabbitmq:Transport"))
TRANSPORT_ALIASES["amqps"] = "project.rabbitmq:SSLTransport"
# Celery's own makes a sender wait where Redis is away.
BACKEND_ALIASES.update(dict.fromkeys(("redis", "rediss"), "project.results:Backend"))

with clear_errors():
    # Read now: the `celery` command shows a wrong setting that it meets later as a traceback.
    importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])

_SEEN_BEFORE_PREPARED = 5

app = Celery("musicsync")
# Current is only for this thread: a web server's others would send by an application of Celery's own, to nowhere.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add("project.consumer:RabbitQueues")


@import_modules.connect
def begin_in_sound_surroundings(sender: Celery, **_: object) -> None:
    """Look at database and broker first of all where a worker or beat begins; a web server loads tasks for a form."""
    if sender.loader.worker_initialized:
        require_surroundings()


@after_setup_task_logger.connect
def log_tasks_like_all_else(logger: logging.Logger, **_: object) -> None:
    """Let what tasks log go the way of all log lines: their format, and no secrets in them."""
    logger.handlers.clear()
    logger.propagate = True


@worker_init.connect
def forget_statements(**_: object) -> None:
    """Turn DEBUG off in a worker: it would keep the text of thousands of statements in the memory of each process."""
    settings.DEBUG = False


@worker_init.connect
def prepare_statements(**_: object) -> None:
    """Have PostgreSQL parse and plan a worker's statements once: each page runs the same few.

    Nobody else's: of a statement that is prepared PostgreSQL may take one plan for all values, which over a million
    tracks reads all of them to search for a rare title, as it cannot know which index will do.
    """
    connection_created.connect(_prepare_often)


def _prepare_often(connection: BaseDatabaseWrapper, **_: object) -> None:
    if "prepare_threshold" not in connection.settings_dict["OPTIONS"]:  # DATABASE_URL has the word, as for a pooler
        connection.connection.prepare_threshold = _SEEN_BEFORE_PREPARED


@task_prerun.connect
def keep_sound_connections(**_: object) -> None:
    """Close a database connection that is too old or broken, as Django does before each request."""
    close_old_connections()


@worker_init.connect
def spare_the_collector(**_: object) -> None:
    """Let Python look for cyclic garbage seldom, and never in what is loaded before the processes are forked.

    A page makes tens of thousands of objects and hardly a cycle: at Python's defaults the collector took a fifth of
    the time of applying it, and going over what all processes share would give each a copy of it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
