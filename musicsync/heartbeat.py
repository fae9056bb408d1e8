"""The life of a worker, by Celery's signals: it says that it is there, that it is still there, and that it leaves.

A thread of the worker's main process does it, so that a long task does not silence it.
"""

import itertools
import logging
import os
import socket
import threading
from datetime import datetime
from typing import Any

from billiard.process import active_children
from celery import signals
from django.db import Error, close_old_connections, connection

from musicsync import schedule, tasks
from musicsync.sync import workers

STOP_SECONDS = 15
"""How long a worker that is told to stop waits for a slow provider before its processes give back what they hold.

The longest request takes 40 s; those who stop a worker rarely wait that long (30 s in Kubernetes) before they kill it.
"""

_LOOK_AROUND_EVERY = 15

log = logging.getLogger(__name__)
_stopped = threading.Event()


class _ForkGuard:
    """Keeps the main process from forking in the middle of a heartbeat, unless the database makes it a long one.

    A child that is made while the thread holds a lock of some library would wait for that lock for ever.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held = False

    def before(self) -> None:
        """Wait for the heartbeat to end."""
        self._held = self.lock.acquire(timeout=1)

    def after(self) -> None:
        """Let the next one begin."""
        if self._held:
            self.lock.release()


_guard = _ForkGuard()


@signals.worker_init.connect
def begin(sender: Any = None, **_: Any) -> None:
    """Register the worker, before its processes are made, which inherit who they belong to."""
    _stopped.clear()
    workers.register(sender.hostname)
    # The worker forks: its children must not share this connection.
    connection.close()
    os.register_at_fork(before=_guard.before, after_in_parent=_guard.after, after_in_child=_guard.after)
    threading.Thread(target=_beat, args=(sender.hostname,), name="heartbeat", daemon=True).start()


@signals.worker_shutting_down.connect
def hurry(**_: Any) -> None:
    """Let the worker's processes give back what they hold, where they do not come to an end."""
    timer = threading.Timer(STOP_SECONDS, _stop_children)
    timer.daemon = True
    timer.start()


@signals.worker_shutdown.connect
def end(**_: Any) -> None:
    """Say that the worker has left: its processes have ended."""
    _stopped.set()
    # One that is under way would write its row again; it may be the database that keeps it.
    _guard.before()
    try:
        workers.leave()
    except Error:
        log.exception("this worker could not say that it leaves; it will be taken for lost")


def _beat(name: str) -> None:
    for count in itertools.count():
        if _stopped.wait(workers.HEARTBEAT_SECONDS):
            return
        with _guard.lock:
            try:
                close_old_connections()
                now = workers.beat(name)
                if count % _LOOK_AROUND_EVERY == 0:
                    look_around(now)
            except Error as error:
                log.warning("no heartbeat: the database does not answer: %s", error)
            finally:
                connection.close()


def look_around(now: datetime) -> None:
    """Tell people what nobody else can: that no beat runs, or that this machine's clock is off.

    By a clock that is ahead, each sweep has expired when it comes, and nothing is repaired. ``now`` is the database's.
    """
    silence = schedule.beat_is_missing()
    if silence is not None:
        tasks.alert("beat-missing", silence)
    wrong = schedule.clock_is_off(now)
    if wrong is not None:
        tasks.alert(f"clock:{socket.gethostname()}", wrong)


def _stop_children() -> None:
    for child in active_children():
        # Billiard makes a SystemExit of it, on which a child gives its fetch back.
        child.terminate()
