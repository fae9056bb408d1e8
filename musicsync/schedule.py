"""When runs start: beat schedules, seeded once for each new provider and the operator's own from then on.

``waiting`` and ``due_slot`` say what beat has to send, ``sent`` that it has; ``missing_runs`` and ``beat_is_missing``
what did not happen. One clock counts for all of it, the database's.
"""

import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from musicsync.models import Provider, Run
from musicsync.slots import last_slot
from musicsync.sync import leader

START_RUN = "musicsync.tasks.start_run"
BEAT = "beat"
"""The name of the lease that the one beat holds which sends (``sync/leader.py``)."""
BEAT_SILENCE = timedelta(seconds=60)
"""After this time without a beat that leads, people are told."""
OVERDUE = timedelta(minutes=10)
"""A run that its schedule meant this long ago, and that was not started, is missing."""
FULL_RUN_PATIENCE = timedelta(hours=2)
"""How long a full run waits for another run of its provider."""
CLOCKS_AGREE_SECONDS = 5.0
_STAGGER_MINUTES = 13
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class MissingRun:
    """A run that a schedule meant and that was not started; ``last_slot`` is the schedule's last, to be made up for."""

    schedule: str
    slot: datetime
    last_slot: datetime
    provider: str
    mode: str


@receiver(post_save, sender=Provider)
def seed(*, instance: Provider, created: bool, **_: Any) -> None:
    """Give a new provider its schedules: incremental every 3 hours, full every night, each at a minute of its own.

    Only at creation, so that an operator's edit or deletion stays. One that is switched on again owes nothing of the
    time before.
    """
    if not created:
        count_from_now(schedules_of(instance))
        return
    minute = instance.pk * _STAGGER_MINUTES % 60
    night = instance.pk * _STAGGER_MINUTES // 60 % 3
    with transaction.atomic():
        _add(instance, "incremental", minute=str(minute), hour="*/3")
        _add(instance, "full", minute=str((minute + 30) % 60), hour=str(1 + night))


@receiver(post_delete, sender=Provider)
def forget(*, instance: Provider, **_: Any) -> None:
    """Delete the schedules of a provider that is deleted."""
    names = [name_of(instance, mode) for mode in ("incremental", "full")]
    PeriodicTask.objects.filter(name__in=names).delete()


@receiver(post_save, sender=CrontabSchedule)
@receiver(post_save, sender=IntervalSchedule)
@receiver(post_save, sender=ClockedSchedule)
def moved(*, instance: Any, created: bool, **_: Any) -> None:
    """Let times that are edited count from now on, so that none of them is made up for."""
    if not created:
        count_from_now(instance.periodictask_set.all())


def count_from_now(chosen: QuerySet[PeriodicTask]) -> None:
    """Let the schedules owe nothing of the time before now."""
    chosen.update(date_changed=Now())


def name_of(provider: Provider, mode: str) -> str:
    """Return the name of a provider's seeded schedule."""
    return f"{provider.slug}: {mode}"


def schedules_of(provider: Provider) -> QuerySet[PeriodicTask]:
    """Return the schedules that are named after the provider."""
    found: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(name__startswith=name_of(provider, ""))
    return found


def waiting() -> list[PeriodicTask]:
    """Return the schedules that are switched on, each with the database's time as ``now``."""
    now = Now()
    # Written by a clock that was wrong, or before it was put back: nothing would be due until that time comes again.
    PeriodicTask.objects.filter(last_run_at__gt=now).update(last_run_at=now)
    PeriodicTask.objects.filter(date_changed__gt=now).update(date_changed=now)
    on = PeriodicTask.objects.filter(Q(expires=None) | Q(expires__gt=now), enabled=True).annotate(now=now)
    return list(on.select_related("crontab", "interval", "clocked", "solar").order_by("pk"))


def due_slot(task: PeriodicTask) -> datetime | None:
    """Return the last slot of a ``waiting`` schedule, however many there were since the one that was sent last.

    ``None`` where that one was the last, or where the schedule was made or edited since the slot.

    Raises:
        Exception: what it is made of is wrong.
    """
    # A single time that had passed when it was set means now.
    edited_at = None if task.clocked else task.date_changed
    return _last_slot(task, task.now, max(filter(None, (task.last_run_at, edited_at)), default=None))


def sent(task: PeriodicTask) -> None:
    """Note that the slot of a ``waiting`` schedule was sent, unless another beat has noted one meanwhile."""
    PeriodicTask.objects.filter(pk=task.pk, last_run_at=task.last_run_at).update(
        last_run_at=task.now, total_run_count=F("total_run_count") + 1, enabled=not task.one_off
    )


def slot_of(name: str) -> datetime | None:
    """Return the slot of the schedule of this name that came last; ``None`` where it has none."""
    task = PeriodicTask.objects.filter(name=name).annotate(now=Now()).first()
    return _last_slot(task, task.now) if task else None


def missing_runs() -> list[MissingRun]:
    """Return the runs that schedules meant more than 10 minutes ago and that were not started.

    A run under way at that time or since excuses an incremental one, which leaves its work to it, and for two hours a
    full one, which waits for it.
    """
    found = []
    providers = {provider.slug: provider for provider in Provider.objects.filter(enabled=True)}
    for task in PeriodicTask.objects.filter(enabled=True, task=START_RUN).annotate(now=Now()):
        try:
            wanted = _wanted(task)
            slot = _last_slot(task, task.now - OVERDUE, task.date_changed)
            latest = _last_slot(task, task.now)
        except Exception:  # noqa: BLE001, S112 - beat tells of a schedule that is wrong; the others are looked at
            continue
        provider, mode = providers.get(wanted.get("provider", "")), wanted.get("mode", "")
        if provider and slot and latest and not _was_started(task, slot, provider, mode):
            found.append(MissingRun(task.name, slot, latest, provider.slug, mode))
    return found


def beat_is_missing() -> str | None:
    """Return one line for people where no beat has led for a minute; ``None`` where one does or none ever did."""
    silence = leader.silence(BEAT)
    if silence is None or silence[1] < BEAT_SILENCE:
        return None
    since = f"{silence[0].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"no beat since {since}: nothing is scheduled and nothing lost is sent again: start `celery -A project beat`"


def clock_is_off(now: datetime) -> str | None:
    """Return one line for people where this machine's clock is not the database's; ``None`` where it is.

    ``now`` is what the database's says at this moment.
    """
    ahead = (datetime.now(UTC) - now).total_seconds()
    if abs(ahead) < CLOCKS_AGREE_SECONDS:
        return None
    direction = "ahead of" if ahead > 0 else "behind"
    host = socket.gethostname()
    return f"The clock of {host} is {direction} the database's: set both by NTP; slots go by the database's"


def _last_slot(task: PeriodicTask, until: datetime, after: datetime | None = None) -> datetime | None:
    if task.clocked:
        moment: datetime = task.clocked.clocked_time
        return moment if moment <= until and (after is None or after < moment) else None
    if task.start_time:
        before_it = task.start_time - _TICK
        after = max(after or before_it, before_it)
    return last_slot(task.schedule, until, after, anchor=task.start_time)


def _was_started(task: PeriodicTask, slot: datetime, provider: Provider, mode: str) -> bool:
    if Run.objects.filter(schedule=task.name, slot=slot).exists():
        return True
    if mode == Run.Mode.FULL and task.now - slot > FULL_RUN_PATIENCE + OVERDUE:
        return False
    # A lookup is in nobody's way.
    others = Run.objects.filter(provider=provider).exclude(mode=Run.Mode.LOOKUP)
    return others.filter(Q(finished_at=None) | Q(finished_at__gte=slot)).exists()


def _wanted(task: PeriodicTask) -> dict[str, str]:
    """Return the arguments of a schedule of ``start_run`` by their names."""
    given = zip(("provider", "mode"), json.loads(task.args or "[]"), strict=False)
    return {**dict(given), **json.loads(task.kwargs or "{}")}


def _add(provider: Provider, mode: str, *, minute: str, hour: str) -> None:
    due, _ = CrontabSchedule.objects.get_or_create(
        minute=minute, hour=hour, day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    PeriodicTask.objects.get_or_create(
        name=name_of(provider, mode),
        defaults={
            "task": START_RUN,
            "crontab": due,
            "kwargs": json.dumps({"provider": provider.slug, "mode": mode}),
        },
    )
