"""Celery's beat, any number of them: one leads and sends, the others follow and take over.

The leader goes over the schedules each second: renew the lease, send the slot that is due, note that it was sent. All
it knows is in the database, so a follower that takes over goes on where the leader was. A slot is noted after it was
sent: one whose message the broker did not take stays due, and one that is sent twice, because its sender died
between the two, starts one run all the same, since a run names its slot.
"""

import atexit
import json
import logging
import os
import socket
import uuid
from datetime import datetime
from typing import Any

from celery.beat import Scheduler
from django.db import Error, connection
from django_celery_beat.models import PeriodicTask

from musicsync import schedule, tasks
from musicsync.sync import leader

LEADING_SECONDS = 1.0
FOLLOWING_SECONDS = 5
"""With a lease of 15 s, a leader that is lost is followed within 20 s."""

log = logging.getLogger(__name__)


class LeadingScheduler(Scheduler):
    """The schedules of the database, sent by whichever beat has the lease; those of Celery's settings are not read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_interval = FOLLOWING_SECONDS
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._leads = False
        self._told: dict[str, str] = {}

    def setup_schedule(self) -> None:
        """Let the next beat lead at once when this one ends.

        Not in ``close``, which Celery calls from a signal handler, perhaps in the middle of a statement.
        """
        atexit.register(self._give_up)

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due, if this beat leads; return the seconds until the next time."""
        try:
            if not self._claim():
                return FOLLOWING_SECONDS
            self._send_due()
        except (Error, *tasks.BROKER_AWAY) as error:
            log.warning("nothing sent: %s: %s", type(error).__name__, " ".join(str(error).split()))
            if isinstance(error, Error):
                # A broken connection stays broken: the next statement makes a new one.
                connection.close()
        return LEADING_SECONDS

    def _claim(self) -> bool:
        leads = leader.claim(schedule.BEAT, self._holder)
        if leads != self._leads:
            log.info("%s %s", self._holder, "leads" if leads else "follows")
        self._leads = leads
        return leads

    def _give_up(self) -> None:
        if not self._leads:
            return
        self._leads = False
        connection.close()
        try:
            leader.give_up(schedule.BEAT, self._holder)
        except Error:
            log.warning("the lease could not be given up: another beat leads when it has run out")

    def _send_due(self) -> None:
        waiting = schedule.waiting()
        may_expire = bool(waiting) and self._agrees(waiting[0].now)
        for task in waiting:
            try:
                slot = schedule.due_slot(task)
                if slot is None:
                    continue
                # Again for each: sending may take a while, and a process that was stopped may wake up here.
                if not self._claim():
                    return
                self._send(task, slot, may_expire=may_expire)
            except (Error, *tasks.BROKER_AWAY):
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one schedule, the others go on
                self._tell(f"schedule:{task.name}", f"Schedule {task.name} cannot be sent: {error}")
            else:
                schedule.sent(task)

    def _send(self, task: PeriodicTask, slot: datetime, *, may_expire: bool) -> None:
        log.info("Sending due task %s (%s), slot %s", task.name, task.task, slot.isoformat())
        options = {name: getattr(task, name) for name in ("queue", "exchange", "routing_key", "priority")}
        options = {name: value for name, value in options.items() if value is not None}
        if task.expires_ and may_expire:
            options["expires"] = task.expires_
        named = {"periodic_task_name": task.name, "slot": slot.isoformat()}
        known = self.app.tasks.get(task.task)
        # No second try here: the slot stays due.
        send = known.apply_async if known else lambda *given, **more: self.app.send_task(task.task, *given, **more)
        send(
            json.loads(task.args or "[]"),
            json.loads(task.kwargs or "{}"),
            headers=json.loads(task.headers or "{}") | named,
            retry=False,
            **options,
        )

    def _agrees(self, now: datetime) -> bool:
        """Tell whether this machine's clock is right; by one that is behind, a message has expired when it is sent."""
        wrong = schedule.clock_is_off(now)
        if wrong:
            self._tell(f"clock:{socket.gethostname()}", wrong)
        return wrong is None

    def _tell(self, key: str, subject: str) -> None:
        """Tell people, once for each process and text."""
        if self._told.get(key) != subject:
            self._told[key] = subject
            tasks.alert(key, subject)
