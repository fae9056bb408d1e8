from datetime import UTC, datetime, timedelta

import pytest

from musicsync.forecast import Allowance, Forecast, forecast, in_words, span

NOW = datetime(2026, 3, 30, 16, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 31, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
NEEDS = "this run needs 41,200 more requests: "


def seconds(start: datetime, **more: float) -> float:
    return (start + timedelta(**more) - NOW).total_seconds()


@pytest.mark.parametrize(
    ("requests", "allowed", "expected"),
    [
        (0, Allowance(rate=1), 0),
        (1, Allowance(rate=1), 0),
        (101, Allowance(rate=5), 20),
        (105, Allowance(rate=5, at_once=5), 20),
        (10, Allowance(rate=5, at_once=0), 2),
        (101, Allowance(rate=5, paused_until=NOW + timedelta(hours=1)), 3620),
        (101, Allowance(rate=5, paused_until=NOW - timedelta(hours=1)), 20),
        (100, Allowance(rate=1, at_once=0, per_day=1000, left_today=1000), 100),
        (1500, Allowance(rate=1, at_once=0, per_day=1000, left_today=500), seconds(MIDNIGHT, seconds=1000)),
        (2500, Allowance(rate=1, at_once=0, per_day=1000, left_today=500), seconds(APRIL, seconds=1000)),
        (10, Allowance(rate=1, at_once=0, per_month=100, left_this_month=0), seconds(APRIL, seconds=10)),
        (50_000, Allowance(rate=1, at_once=0, per_day=100_000, left_today=100_000), 50_000),
        (100_000, Allowance(rate=1e-4), None),
        (10**9, Allowance(rate=10_000, per_day=1, left_today=1), None),
    ],
)
def test_when_requests_are_done(requests: int, allowed: Allowance, expected: float | None) -> None:
    found = forecast(requests, allowed, NOW).seconds
    assert found == (expected if expected is None else pytest.approx(expected, abs=0.001))


def test_a_quota_is_reached_when_the_rate_gets_there() -> None:
    found = forecast(41_200, Allowance(rate=5, per_day=50_000, left_today=36_001), NOW)
    assert (found.quota, found.quota_reached_at) == ("daily", NOW + timedelta(hours=2))


def test_the_first_of_two_quotas_is_named() -> None:
    allowed = Allowance(rate=5, per_day=100, left_today=100, per_month=1000, left_this_month=150)
    found = forecast(400, allowed, NOW)
    assert found.quota == "daily"
    assert found.seconds == pytest.approx(seconds(datetime(2026, 4, 3, tzinfo=UTC), seconds=50 / 5), abs=0.001)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seconds": 8_240}, NEEDS + "2 h 17 min at today's budget"),
        (
            {"seconds": 8_240, "quota": "daily", "quota_reached_at": NOW.replace(hour=18, minute=40)},
            NEEDS + "2 h 17 min at today's budget; the daily quota is reached at 18:40 UTC",
        ),
        (
            {"seconds": 360_000, "quota": "monthly", "quota_reached_at": NOW},
            NEEDS + "4 d 4 h at today's budget; the monthly quota is used up",
        ),
        (
            {"seconds": 8_240, "paused_until": MIDNIGHT},
            NEEDS
            + "2 h 17 min at today's budget; nothing is asked before 2026-03-31 00:00 UTC: "
            + "the provider asked for a pause",
        ),
        (
            {"seconds": None, "waits_for": "shop answers again"},
            NEEDS + "more than ten years at today's budget; nothing is asked before shop answers again",
        ),
    ],
)
def test_a_forecast_in_words(values: dict, words: str) -> None:
    assert in_words(Forecast(requests=41_200, **values), NOW) == words


def test_one_request_is_no_plural() -> None:
    assert in_words(Forecast(requests=1, seconds=0.4), NOW) == "this run needs 1 more request: 1 s at today's budget"


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "1 h 0 min"), (8_220, "2 h 17 min"), (360_000, "4 d 4 h")],
)
def test_time_spans(length: float, words: str) -> None:
    assert span(length) == words
