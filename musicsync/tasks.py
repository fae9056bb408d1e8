"""The Celery tasks. Each is thin: it calls one function of ``sync`` and sends what should happen next.

A message only says "look at row N". Whatever happens to it, the row is there, and ``sweep`` sends another.

Messages outlive a deploy: a task keeps its name, and new arguments come last and have defaults.
"""

import math
import time
import traceback
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from celery import Task, current_app, shared_task
from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError as BrokerError

from musicsync import alerts, schedule
from musicsync.models import Provider, Run
from musicsync.records import Mode
from musicsync.sync import budget, checks, circuit, fetches, runs, tallies, workers
from musicsync.sync.asking import probe
from musicsync.sync.fetches import Postponed
from musicsync.sync.work import work

BROKER_AWAY = (BrokerError, OSError)
"""What sending a message raises where the broker does not take it; the rows are there all the same."""
LONGEST_COUNTDOWN_SECONDS = 60
"""A message that waits longer than this may be delivered twice by Redis; the row waits instead."""
SHIFT_SECONDS = 0.25
"""How long a worker goes on with what follows before others in the queue have their turn (ADR 5)."""
_BUSY_RETRY_SECONDS = 60
_MOST_BUSY_RETRIES = 120

log = get_task_logger(__name__)


@shared_task(bind=True, max_retries=None)
def work_fetch(self: Task[Any, Any], fetch_id: int) -> None:
    """Work on one fetch, then for a shift on those that it makes room for; send the others."""
    shift_ends_at = time.monotonic() + SHIFT_SECONDS
    at_hand = [fetch_id]
    while at_hand:
        step = work(at_hand.pop(), self.request.id or "", send_ahead, _hold_seconds())
        if step.notice:
            alert(step.notice.key, step.notice.subject, step.notice.body)
        at_hand = step.send[:1] if time.monotonic() < shift_ends_at else []
        send_fetches(step.send[len(at_hand) :])
        if step.postponed:
            send_later(step.postponed)
        if step.run_ended:
            finish_run.delay(step.run_id)
        if step.failed:
            # Celery's own retry, so that Flower and the task_retry signal show it.
            raise self.retry(
                args=(step.failed.fetch_id,),
                exc=RuntimeError(step.error),
                countdown=_countdown(step.failed.seconds),
            )


@shared_task(bind=True, max_retries=_MOST_BUSY_RETRIES, ignore_result=False)
def start_run(self: Task[Any, Any], provider: str, mode: Mode) -> int | None:
    """Start a run because a schedule says so; return its number, or ``None`` where there is none to start.

    A full run waits, a minute at a time, for the run that is under way; an incremental one leaves it to its next slot.
    """
    name = getattr(self.request, "periodic_task_name", None)
    row = Provider.objects.select_related("budget").get(slug=provider)
    if not row.enabled:
        return None
    named = getattr(self.request, "slot", None)  # not in a message of an earlier release
    slot = datetime.fromisoformat(named) if named else schedule.slot_of(name) if name else None
    try:
        run = runs.open_run(row, mode, Run.Trigger.SCHEDULE, schedule=name, slot=slot)
    except runs.SlotTaken as error:
        log.info(str(error))
        return None
    except runs.AlreadyRunning as error:
        if mode == "full":
            raise self.retry(exc=error, countdown=_BUSY_RETRY_SECONDS) from error
        log.info("skipped: %s", error)
        return None
    begin(run)
    return run.pk


@shared_task(soft_time_limit=1800, time_limit=1860, ignore_result=False)
def finish_run(run_id: int) -> None:
    """End a run that owes nothing any more. Removals at a million tracks take longer than a page."""
    run = runs.finish(run_id)
    if run is None:
        return
    log.info("run %s of %s: %s", run.pk, run.provider, run.get_status_display(), extra={"run": run.pk})
    if run.status != Run.Status.DONE:
        alert(
            f"run-{run.status}:{run.provider}", f"Run {run.pk} of {run.provider}: {run.get_status_display()}", run.error
        )


@shared_task
def sweep() -> dict[str, int]:
    """Send what was lost on the way: due fetches, lost leases and messages, runs whose last message never came, alerts.

    Returns what was repaired, which Flower shows.
    """
    for name in workers.bury_lost():
        alert(f"worker-lost:{name}", f"Worker {name} is lost", "It was not heard of; what it held is taken back.")
    budget.forget_far_slots()
    repairs = fetches.repair()
    if repairs.taken_back or repairs.unheard:
        log.warning("repaired: %d leases taken back, %d messages lost", repairs.taken_back, len(repairs.unheard))
    for postponed in repairs.later:
        send_later(postponed)
    send_fetches(repairs.due + repairs.unheard)
    for provider_id in circuit.take_due():
        probe_provider.delay(provider_id)
    for run in Run.objects.filter(status=Run.Status.RUNNING).select_related("provider__budget"):
        try:
            begin(run)
            tallies.carry_on(run.pk)
        except Exception:  # whatever is wrong with one run, the others go on
            log.exception("run %s of %s cannot go on", run.pk, run.provider, extra={"run": run.pk})
            alert(f"sweep:{run.pk}", f"Run {run.pk} of {run.provider} cannot go on", traceback.format_exc())
    for alert_id in alerts.take_untold():
        send_alert.delay(alert_id)
    return {"taken_back": repairs.taken_back, "due": len(repairs.due), "unheard": len(repairs.unheard)}


@shared_task
def probe_provider(provider_id: int) -> None:
    """Ask a provider whose circuit is open its cheap question; where it answers, go on."""
    provider = Provider.objects.select_related("budget").get(pk=provider_id)
    if probe(provider):
        close_circuit(provider)


@shared_task
def watch() -> None:
    """Tell people of each run that its schedule meant and that was not started; send it again as often as they are."""
    for missing in schedule.missing_runs():
        subject = f"{missing.schedule}: no run was started for {missing.slot:%Y-%m-%d %H:%M} UTC"
        body = "It is asked for once more now. Look at the failures of start_run, and whether beat and a worker run."
        if alert(f"missing-run:{missing.schedule}", subject, body):
            headers = {"periodic_task_name": missing.schedule, "slot": missing.last_slot.isoformat()}
            start_run.apply_async((missing.provider, missing.mode), headers=headers)


@shared_task
def prune() -> None:
    """Delete what is only of use for a while: the fetches of old runs, and old failures."""
    runs.prune()
    alerts.prune()


@shared_task
def tune() -> None:
    """Learn of each provider how often its pages change, and so how soon they are asked again."""
    for provider in Provider.objects.filter(enabled=True).select_related("budget"):
        checks.tune(provider)


@shared_task(autoretry_for=(OSError,), retry_backoff=True, max_retries=5)
def send_alert(alert_id: int) -> None:
    """Send an alert to people by every way that is set up."""
    alerts.send(alert_id)


def begin(run: Run) -> None:
    """Send the fetches that a run may have in flight, or end it where it owes nothing."""
    if fetches.any_open(run.pk):
        send_fetches(fetches.fill_window(run.pk, run.provider.window))
    else:
        finish_run.delay(run.pk)


def close_circuit(provider: Provider) -> None:
    """Let the provider be asked again, and begin with what waited."""
    send_fetches(circuit.close(provider))
    log.info("%s answers again", provider, extra={"provider": provider.slug})


def take_back(task_id: str) -> None:
    """Take back what a task held whose process was lost, and send it again when its time has come."""
    for postponed in fetches.lost(task_id):
        send_later(postponed)


def send_later(postponed: Postponed) -> None:
    """Send a message with a countdown, unless the time is so far away that the row waits by itself."""
    if postponed.seconds <= LONGEST_COUNTDOWN_SECONDS:
        work_fetch.apply_async((postponed.fetch_id,), countdown=_countdown(postponed.seconds))


def send_fetches(fetch_ids: Iterable[int]) -> None:
    """Send a message about each of the fetches."""
    for fetch_id in fetch_ids:
        work_fetch.delay(fetch_id)


def send_ahead(fetch_ids: Iterable[int]) -> None:
    """Send messages in the midst of work, which a broker that takes none does not stop: a later sweep sends them."""
    try:
        send_fetches(fetch_ids)
    except BROKER_AWAY:
        log.warning("the broker takes no messages; a sweep will send them", exc_info=True)


def _countdown(seconds: float) -> float:
    """Return the countdown that the broker can keep: quorum queues count whole seconds, and one at least."""
    return max(1, math.ceil(seconds)) if _counts_seconds() else seconds


def _hold_seconds() -> float:
    """Return how far away a slot may be that a waiting fetch holds: it would miss it where the message comes late."""
    return 0.0 if _counts_seconds() else fetches.LONGEST_HOLD_SECONDS


def _counts_seconds() -> bool:
    return bool(current_app.conf.task_default_queue_type == "quorum")


def alert(key: str, subject: str, body: str = "") -> bool:
    """Tell people, once an hour at most for the same ``key``; return whether they are to be told now.

    A broker that does not take the message keeps the caller from nothing: a later sweep sends it.
    """
    alert_id = alerts.note(key, subject, body)
    if alert_id is None:
        return False
    try:
        send_alert.delay(alert_id)
    except BROKER_AWAY:
        log.warning("the broker takes no alert, nobody is told yet: %s", subject, exc_info=True)
    return True
