"""When runs start: beat schedules, seeded once for each new provider and the operator's own from then on."""

import json
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import crontab, schedule
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from musicsync.models import Provider

_LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=8), timedelta(days=32), timedelta(days=367))
_STAGGER_MINUTES = 13


@receiver(post_save, sender=Provider)
def seed(*, instance: Provider, created: bool, **_: Any) -> None:
    """Give a new provider its schedules: incremental every 3 hours, full every night, each at a minute of its own.

    Only at creation, so that an operator's edit or deletion stays.
    """
    if not created:
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


def name_of(provider: Provider, mode: str) -> str:
    """Return the name of a provider's seeded schedule."""
    return f"{provider.slug}: {mode}"


def slot_of(name: str, now: datetime) -> datetime | None:
    """Return the time the schedule of this name meant, at or before ``now``; ``None`` where it has no such time.

    Two beats that send the same run a second apart name the same slot by this.
    """
    task = PeriodicTask.objects.filter(name=name).first()
    due = task.schedule if task is not None else None
    if isinstance(due, crontab):
        return _last_due(due, now)
    if isinstance(due, schedule):
        period = due.run_every.total_seconds()  # type: ignore[attr-defined] # missing in celery-types
        return datetime.fromtimestamp(now.timestamp() // period * period, tz=now.tzinfo)
    return None


def _last_due(due: crontab, now: datetime) -> datetime | None:
    for back in _LOOK_BACK:
        found, at = None, now - back
        while (at := _next_due(due, at)) <= now:
            found = at
        if found is not None:
            return found
    return None


def _next_due(due: crontab, after: datetime) -> datetime:
    last, delta, _ = due.remaining_delta(after)
    moment: datetime = last + delta
    return moment


def _add(provider: Provider, mode: str, *, minute: str, hour: str) -> None:
    due, _ = CrontabSchedule.objects.get_or_create(
        minute=minute, hour=hour, day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    PeriodicTask.objects.get_or_create(
        name=name_of(provider, mode),
        defaults={
            "task": "musicsync.tasks.start_run",
            "crontab": due,
            "kwargs": json.dumps({"provider": provider.slug, "mode": mode}),
        },
    )
