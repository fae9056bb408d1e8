"""How long a number of requests takes at what a budget allows. Pure: numbers and times in, times and words out."""

import math
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from musicsync.words import counted

MOST_DAYS = 3660
"""What takes longer is "more than ten years"; nobody needs to know it any better."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_ROUNDING = 1e-6


class Allowance(Struct, frozen=True, kw_only=True):
    """What a budget allows from now on.

    ``rate`` is in requests per second and ``at_once`` how many may go without waiting; ``left_today`` and
    ``left_this_month`` are what the quotas have left, ``per_day`` and ``per_month`` the quotas (UTC), ``None`` where
    there is none; ``paused_until`` is when something may be asked again, and ``waits_for`` whose answer that is up to,
    where nobody knows when.
    """

    rate: float
    at_once: float = 1.0
    per_day: int | None = None
    left_today: int | None = None
    per_month: int | None = None
    left_this_month: int | None = None
    paused_until: datetime | None = None
    waits_for: str = ""


class Forecast(Struct, frozen=True, kw_only=True):
    """When so many requests are done: after ``seconds``, ``None`` for more than ten years.

    ``quota`` is "daily" or "monthly", the first one to be used up on the way, at ``quota_reached_at``.
    """

    requests: int
    seconds: float | None
    quota: str = ""
    quota_reached_at: datetime | None = None
    paused_until: datetime | None = None
    waits_for: str = ""


def forecast(requests: int, allowed: Allowance, now: datetime) -> Forecast:
    """Return when the requests are done if nothing else uses the budget and each is answered at once."""
    paused_until = allowed.paused_until if allowed.paused_until and allowed.paused_until > now else None
    course = _Course(requests, allowed, paused_until or now)
    course.run()
    return Forecast(
        requests=requests,
        seconds=None if course.left else (course.at - now).total_seconds(),
        quota=course.quota,
        quota_reached_at=course.quota_reached_at,
        paused_until=paused_until,
        waits_for=allowed.waits_for,
    )


def in_words(found: Forecast, now: datetime) -> str:
    """Return it as a sentence.

    >>> in_words(Forecast(requests=41_200, seconds=8_240), datetime(2026, 1, 1, tzinfo=UTC))
    "this run needs 41,200 more requests: 2 h 17 min at today's budget"
    """
    words = f"this run needs {counted(found.requests, 'more request')}: {span(found.seconds)} at today's budget"
    if found.quota_reached_at:
        is_used_up = found.quota_reached_at <= now
        reached = "is used up" if is_used_up else f"is reached at {_time(found.quota_reached_at, now)}"
        words += f"; the {found.quota} quota {reached}"
    if found.paused_until:
        words += f"; nothing is asked before {_time(found.paused_until, now)}: the provider asked for a pause"
    if found.waits_for:
        words += f"; nothing is asked before {found.waits_for}"
    return words


def span(seconds: float | None) -> str:
    """Return a time span as people say it: "12 s", "4 min", "2 h 17 min", "3 d 4 h"."""
    if seconds is None:
        return "more than ten years"
    if seconds < _MINUTE:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / _MINUTE)
    if minutes < _HOUR // _MINUTE:
        return f"{minutes} min"
    if minutes * _MINUTE < _DAY:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / _HOUR)
    return f"{hours // 24:,} d {hours % 24} h"


class _Course:
    """The requests as they go out, from quota to quota."""

    def __init__(self, requests: int, allowed: Allowance, start: datetime) -> None:
        self.left, self.at, self.quota = requests, start, ""
        self.quota_reached_at: datetime | None = None
        self._allowed = allowed
        self._at_hand = allowed.at_once
        self._today, self._this_month = allowed.left_today, allowed.left_this_month

    def run(self) -> None:
        """Send all that is left, or what ten years take."""
        end = self.at + timedelta(days=MOST_DAYS)
        while self.left and self.at < end:
            quotas = [left for left in (self._today, self._this_month) if left is not None]
            until = (self.at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) if quotas else end
            in_time = math.floor(self._at_hand + self._allowed.rate * (until - self.at).total_seconds() + _ROUNDING)
            self._send(min(self.left, in_time, *quotas))
            if self.left:
                self._wait(until, is_used_up=0 in (self._today, self._this_month))

    def _send(self, number: int) -> None:
        self.at += timedelta(seconds=max(0.0, number - self._at_hand) / self._allowed.rate)
        self._at_hand = max(0.0, self._at_hand - number)
        self.left -= number
        self._today = None if self._today is None else self._today - number
        self._this_month = None if self._this_month is None else self._this_month - number

    def _wait(self, until: datetime, *, is_used_up: bool) -> None:
        """Go on then, on the next day where there are quotas, or in the next month where this one's is used up."""
        month_is_used_up = is_used_up and self._this_month == 0
        if is_used_up and self.quota_reached_at is None:
            self.quota, self.quota_reached_at = "monthly" if month_is_used_up else "daily", self.at
        if not is_used_up:
            self._at_hand += self._allowed.rate * (until - self.at).total_seconds()
        self.at = _next_month(self.at) if month_is_used_up else until
        self._today = self._allowed.per_day
        if self.at.day == 1:
            self._this_month = self._allowed.per_month


def _next_month(at: datetime) -> datetime:
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _time(at: datetime, now: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d %H:%M} UTC"
