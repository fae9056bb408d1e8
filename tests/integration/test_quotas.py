"""Quotas of a day and a month, and how many requests may be out at the same time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from musicsync.models import Budget, Fetch, Provider
from musicsync.sync import budget, fetches
from tests.integration.driving import in_threads
from tests.integration.paging import lease, open_run, provider


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one")


def claims(run: object) -> list[str]:
    found = [fetches.claim(pk) for pk in Fetch.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)]
    return [type(what).__name__ for what in found]


def allow(**limits: int | None) -> None:
    Budget.objects.update(rate=1000, burst=1000, **limits)


def midnight() -> datetime:
    """Return the end of the day whose requests are counted."""
    day = Budget.objects.get().day
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def test_a_used_up_day_parks_the_rest_until_midnight(one: Provider) -> None:
    allow(per_day=3)
    run = open_run(one, ["a", "b", "c", "d", "e"])
    assert claims(run) == ["Lease"] * 3 + ["Postponed"] * 2
    assert Budget.objects.get().used_in_day == 3
    assert set(run.fetches.filter(status="waiting").values_list("not_before", flat=True)) == {midnight()}


def test_a_new_day_counts_from_one(one: Provider) -> None:
    allow(per_day=3)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    Budget.objects.update(day=yesterday, used_in_day=3)
    assert claims(open_run(one, ["a"])) == ["Lease"]
    row = Budget.objects.get()
    assert row.day > yesterday
    assert row.used_in_day == 1


def test_a_used_up_month_parks_the_rest_until_the_next(one: Provider) -> None:
    allow(per_month=1)
    run = open_run(one, ["a", "b"])
    assert claims(run) == ["Lease", "Postponed"]
    until = run.fetches.get(status="waiting").not_before
    assert (until.day, until.hour, until.minute) == (1, 0, 0)
    assert until > datetime.now(UTC)


def test_a_request_by_hand_counts_toward_the_quota_and_stops_at_it(one: Provider) -> None:
    allow(per_day=1)
    assert budget.take_turn(one.budget_id).wait == 0
    with pytest.raises(budget.NotNow) as refused:
        budget.take_turn(one.budget_id)
    assert refused.value.until == midnight()
    assert Budget.objects.get().used_in_day == 1


def test_no_more_requests_are_out_at_once_than_allowed(one: Provider) -> None:
    allow(concurrency=2)
    run = open_run(one, ["a", "b", "c"])
    assert claims(run) == ["Lease", "Lease", "Postponed"]
    assert Budget.objects.get().used_in_day == 2
    first = run.fetches.order_by("pk").first()
    Fetch.objects.filter(pk=first.pk).update(status="applied")
    Fetch.objects.filter(run=run, status="waiting").update(not_before=None)
    assert lease(run, "c").concurrency == 2


@pytest.mark.parametrize("off", [(), ("hashjoin", "mergejoin", "hashagg", "sort", "material")])
def test_no_more_are_in_flight_than_may_be_out_at_once(one: Provider, off: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for way in off:  # another plan, as other statistics bring it about
            cursor.execute(f"SET LOCAL enable_{way} = off")
    allow(concurrency=3)
    run = open_run(one, [f"page/{n}" for n in range(9)])
    sent = fetches.fill_window(run.pk, 10)
    assert len(sent) == 3
    assert isinstance(fetches.claim(sent[0]), fetches.Lease)
    assert fetches.fill_window(run.pk, 10) == []


def test_a_slot_that_is_held_counts_when_it_is_used(one: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetches, "LONGEST_SLEEP_SECONDS", 30)
    Budget.objects.update(rate=0.01, burst=1, per_day=2)
    run = open_run(one, ["a", "b"])
    assert claims(run) == ["Lease", "Postponed"]
    assert Budget.objects.get().used_in_day == 1
    soon = datetime.now(UTC) + timedelta(seconds=20)
    run.fetches.filter(status="waiting").update(slot_at=soon, not_before=None)
    assert lease(run, "b").turn.wait > 0
    assert Budget.objects.get().used_in_day == 2


@pytest.mark.usefixtures("transactional_db")
def test_workers_that_claim_at_the_same_moment_do_not_pass_the_limit_together() -> None:
    one = provider("one")
    allow(concurrency=3)
    run = open_run(one, [f"page/{n}" for n in range(40)])
    waiting = list(run.fetches.order_by("pk").values_list("pk", flat=True))
    most: list[int] = []

    def claim(pk: int) -> None:
        if isinstance(fetches.claim(pk), fetches.Lease):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM musicsync_fetch WHERE status = 'leased'")
                most.append(cursor.fetchone()[0])

    for start in range(0, 40, 8):
        in_threads(*[lambda pk=pk: claim(pk) for pk in waiting[start : start + 8]])
    assert Fetch.objects.filter(status="leased").count() <= 3
    assert most
