"""The times that a schedule means: a pure function of its definition, so that whoever asks names the same slot.

Local times are read by RFC 5545, 3.3.5: one that exists twice, in the night when clocks go back, is the first of the
two; one that does not exist, when they go forward, is read with the offset before the gap (02:30 is 03:30). So a daily
time has one slot a day, both nights included. A crontab for every hour goes on in both of the two.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from celery.schedules import BaseSchedule, crontab, schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FURTHEST = timedelta(days=8 * 366)
"""How far back a slot is looked for: a 29 February may be eight years ago."""
_HOURS_IN_DAY = 24


def last_slot(
    due: BaseSchedule, until: datetime, after: datetime | None = None, anchor: datetime | None = None
) -> datetime | None:
    """Return the last slot that is later than ``after`` and not later than ``until``, in UTC, or ``None``.

    The slots of an interval are whole periods from ``anchor`` on, or from 1970 on.

    Raises:
        ValueError: it is neither a crontab nor an interval, or its period is no time at all.
    """
    after = max(after or until - FURTHEST, until - FURTHEST)
    # As Any: celery-types do not know what a schedule is made of.
    made_of: Any = due
    if isinstance(due, crontab):
        return _last_of_crontab(made_of, until, after)
    if isinstance(due, schedule):
        slot = _last_of_interval(made_of.run_every, until, anchor or EPOCH)
        return slot if slot > after else None
    raise ValueError(f"neither a crontab nor an interval, but a {type(due).__name__}: musicsync cannot tell its slots")


def _last_of_interval(period: timedelta, until: datetime, anchor: datetime) -> datetime:
    if period <= timedelta():
        raise ValueError("an interval of no time: give it one period at least")
    return (anchor + (until - anchor) // period * period).astimezone(UTC)


def _last_of_crontab(due: Any, until: datetime, after: datetime) -> datetime | None:
    zone = due.tz
    hours, minutes = frozenset(due.hour), frozenset(due.minute)
    day, first = until.astimezone(zone).date(), after.astimezone(zone).date()
    found: list[datetime] = []
    # A slot in a gap before midnight is on the next day: the day before is looked at, too.
    seen = 0
    while day >= first - timedelta(days=1) and seen <= 1:
        if _is_meant(due, day):
            found += [slot for slot in _slots_of_day(day, hours, minutes, zone) if after < slot <= until]
        seen += bool(found)
        day -= timedelta(days=1)
    return max(found, default=None)


def _is_meant(due: Any, day: date) -> bool:
    weekday = day.isoweekday() % 7
    return bool(day.month in due.month_of_year and day.day in due.day_of_month and weekday in due.day_of_week)


@lru_cache(maxsize=1024)
def _slots_of_day(day: date, hours: frozenset[int], minutes: frozenset[int], zone: tzinfo) -> tuple[datetime, ...]:
    slots = set()
    for hour in hours:
        for minute in minutes:
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
            slots.add(first)
            # In a gap the second is the earlier one, and no other time.
            if len(hours) == _HOURS_IN_DAY and second > first:
                slots.add(second)
    return tuple(sorted(slots))
