"""Which times a schedule means, in the nights when clocks are moved above all."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule
from django_celery_beat.tzcrontab import TzAwareCrontab

from musicsync.slots import last_slot

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def cron(zone: str = "UTC", **fields: str) -> crontab:
    return TzAwareCrontab(tz=ZoneInfo(zone), **({"hour": "*", "minute": "0"} | fields))


def slots(due: crontab | schedule, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Ask again and again from start to end, as beat does, and return the slots that it would send."""
    found: list[datetime] = []
    handled, now = start, start
    while now < end:
        now += step
        slot = last_slot(due, now, handled)
        if slot is not None:
            found.append(slot)
            handled = now
    return found


def nights(zone: str, hour: str, minute: str, first: datetime, days: int) -> list[str]:
    due = cron(zone, hour=hour, minute=minute)
    found = slots(due, first, first + timedelta(days=days), timedelta(minutes=7))
    return [f"{slot:%d %H:%M}" for slot in found]


@pytest.mark.parametrize(
    ("zone", "first", "at", "expected"),
    [
        # 29 March 2026: 02:30 does not exist, and is 03:30 summer time.
        ("Europe/Berlin", (2026, 3, 27, 12), ("2", "30"), ["28 01:30", "29 01:30", "30 00:30"]),
        # 25 October 2026: 02:30 exists twice, and is the first of them, in summer time.
        ("Europe/Berlin", (2026, 10, 23, 12), ("2", "30"), ["24 00:30", "25 00:30", "26 01:30"]),
        ("America/New_York", (2026, 3, 6, 12), ("2", "15"), ["07 07:15", "08 07:15", "09 06:15"]),
        ("America/New_York", (2026, 10, 30, 12), ("1", "15"), ["31 05:15", "01 05:15", "02 06:15"]),
        # Half an hour only.
        ("Australia/Lord_Howe", (2026, 10, 2, 3), ("2", "15"), ["02 15:45", "03 15:45", "04 15:15"]),
        ("Australia/Lord_Howe", (2026, 4, 3, 3), ("1", "45"), ["03 14:45", "04 14:45", "05 15:15"]),
        # Midnight itself does not exist.
        ("Africa/Cairo", (2026, 4, 22, 12), ("0", "0"), ["22 22:00", "23 22:00", "24 21:00"]),
        ("Asia/Tokyo", (2026, 3, 27, 12), ("2", "30"), ["27 17:30", "28 17:30", "29 17:30"]),
    ],
)
def test_a_daily_time_has_one_slot_a_day_in_the_nights_when_clocks_move(
    zone: str, first: tuple[int, int, int, int], at: tuple[str, str], expected: list[str]
) -> None:
    assert nights(zone, *at, datetime(*first, tzinfo=UTC), 3) == expected


def test_two_times_of_a_night_both_happen_where_one_of_them_falls_behind_the_other() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    due = cron("Europe/Berlin", hour="2,3", minute="0,30")
    found = slots(due, start, start + timedelta(days=1), timedelta(minutes=1))
    assert [f"{slot:%H:%M}" for slot in found] == ["01:00", "01:30"]


def test_a_crontab_for_every_hour_goes_on_in_the_hour_that_comes_twice_and_over_the_one_that_does_not_come() -> None:
    every = cron("Europe/Berlin", minute="*/20")
    for first in (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 3, 28, 22, tzinfo=UTC)):
        found = slots(every, first, first + timedelta(hours=6), timedelta(minutes=1))
        assert found == [first + timedelta(minutes=20) * number for number in range(1, 19)]


def test_however_many_slots_were_missed_the_last_one_is_named() -> None:
    nightly = cron(hour="2", minute="30")
    assert last_slot(nightly, NOW, NOW - timedelta(days=5)) == NOW.replace(hour=2, minute=30, second=0)
    assert last_slot(nightly, NOW, NOW - timedelta(hours=5)) is None
    assert last_slot(schedule(600), NOW, NOW - timedelta(days=5)) == NOW.replace(minute=0, second=0)


def test_a_slot_is_named_from_its_very_moment_on() -> None:
    slot = NOW.replace(hour=2, minute=30, second=0)
    nightly = cron(hour="2", minute="30")
    assert last_slot(nightly, slot, slot - timedelta(microseconds=1)) == slot
    assert last_slot(nightly, slot - timedelta(microseconds=1), slot - timedelta(hours=1)) is None
    assert last_slot(nightly, slot + timedelta(days=1), slot) == slot + timedelta(days=1)


def test_a_leap_day_s_slot_is_found_years_later() -> None:
    leap = cron(hour="4", day_of_month="29", month_of_year="2")
    assert last_slot(leap, NOW) == datetime(2024, 2, 29, 4, tzinfo=UTC)


def test_a_crontab_without_a_zone_means_utc() -> None:
    assert last_slot(crontab(hour="4", minute="0"), NOW) == NOW.replace(hour=4, minute=0, second=0)


def test_an_interval_counts_from_its_anchor() -> None:
    weekly = schedule(timedelta(days=7))
    anchor = datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert last_slot(weekly, NOW, anchor=anchor) == datetime(2026, 3, 10, 6, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [schedule(0), schedule(-5)])
def test_an_interval_of_no_time_has_no_slots(wrong: schedule) -> None:
    with pytest.raises(ValueError, match="an interval of no time"):
        last_slot(wrong, NOW)
