from datetime import UTC, datetime

from musicsync.forecast import Forecast
from musicsync.management.progress import Sight, line, remark
from musicsync.queries import Progress

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sight(forecast: Forecast | None, **values: object) -> Sight:
    given = {"status": "running", "done": 100, "owed": 10} | values
    progress = Progress(
        run_id=7, provider="shop", mode="full", dead=0, tracks=5, totals={}, budget_used=0.5, seconds=20.0, **given
    )
    return Sight(progress, 1.0, 5.0, forecast)


def test_a_line_says_what_is_needed_and_when_a_quota_is_reached() -> None:
    found = Forecast(requests=500, seconds=50, quota="daily", quota_reached_at=NOON, paused_until=NOON)
    said = dict(pair.split("=", 1) for pair in line(sight(found)).split())
    assert (said["eta_seconds"], said["requests_needed"]) == ("100", "500")
    assert said["daily_quota_reached_at"] == said["paused_until"] == "2026-01-01T12:00:00Z"


def test_a_run_is_never_foretold_to_be_faster_than_its_budget() -> None:
    assert sight(Forecast(requests=10, seconds=600)).eta == 600
    assert sight(Forecast(requests=5000, seconds=600)).eta == 1000


def test_a_run_that_has_ended_has_nothing_ahead() -> None:
    assert sight(None, status="done").eta is None
    assert "eta_seconds" not in line(sight(None, status="done"))
    assert remark(sight(None, status="done")) == ""


def test_only_a_wait_that_is_long_is_worth_a_remark() -> None:
    assert remark(sight(Forecast(requests=10, seconds=30))) == ""
    assert remark(sight(Forecast(requests=10, seconds=90))).startswith("shop: this run needs 10 more requests: 2 min")
    assert remark(sight(Forecast(requests=10, seconds=3, waits_for="shop answers again")))
