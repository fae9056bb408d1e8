"""Dead requests on the command line: looked at, tried again, given up; and what a run under way still needs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from musicsync import queries
from musicsync.models import Budget, Circuit, Fetch, Provider, Run
from musicsync.queries import forecast_of, progress
from tests.integration.admin_rows import make_provider, make_run
from tests.integration.test_commands import refusal, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Provider:
    return make_provider("shop")


@pytest.fixture
def errors(shop: Provider) -> Run:
    """A run of three dead requests, of which one timed out."""
    run = make_run(shop, "errors", dead=3)
    timed_out = run.fetches.order_by("pk")[0]
    Fetch.objects.filter(pk=timed_out.pk).update(
        error="GET /tracks: Timeout after 10 s", excerpt='{"items": [', traceback="Traceback\n  line", attempts=7
    )
    return run


def statuses(run: Run) -> list[str]:
    return list(run.fetches.order_by("pk").values_list("status", flat=True))


def test_list_shows_the_dead_ones_that_match(errors: Run) -> None:
    Fetch.objects.create(run=errors, scope=errors.fetches.first().scope, key="fine", request={}, status="applied")
    assert len(say("fetches", "list").splitlines()) == 1 + 3
    assert len(say("fetches", "list", "--status", "all").splitlines()) == 1 + 4
    header, line = say("fetches", "list", "--error", "timeout").splitlines()
    shown = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert (shown["request"], shown["attempts"], shown["error"]) == (
        "tracks?cursor=0",
        "7",
        "GET /tracks: Timeout after 10 s",
    )
    assert len(json.loads(say("fetches", "list", "--key", "cursor=1", "--json"))) == 1


def test_show_tells_all_that_is_known(errors: Run) -> None:
    fetch = errors.fetches.order_by("pk")[0]
    shown = say("fetches", "show", str(fetch.pk))
    assert 'excerpt: {"items": [' in shown
    assert "traceback:\n    Traceback\n      line\n" in shown
    assert json.loads(say("fetches", "show", str(fetch.pk), "--json"))[0]["attempts"] == 7


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_nothing_is_done_to_all_without_being_told_so(errors: Run, action: str) -> None:
    code, line = refusal("fetches", action)
    assert (code, "--yes for all" in line) == (2, True)
    assert statuses(errors) == ["dead"] * 3


@pytest.mark.parametrize("filters", [("--error", "TIMEOUT"), ("--key", "cursor=0"), ()])
def test_replay_takes_up_what_matches(errors: Run, filters: tuple[str, ...]) -> None:
    chosen = filters or (str(errors.fetches.order_by("pk")[0].pk),)
    assert f"run {errors.pk} of shop goes on: 1 dead request is tried again" in say("fetches", "replay", *chosen)
    assert statuses(errors) == ["queued", "dead", "dead"]
    assert Run.objects.get().status == "running"


def test_replay_of_several_runs_says_what_became_of_each(errors: Run) -> None:
    other = make_run(make_provider("other"), "errors", dead=2)
    cancelled = make_run(make_provider("third"), "cancelled", dead=1)
    code, line = refusal("fetches", "replay", "--yes")
    assert (code, f"run {cancelled.pk} was cancelled" in line) == (1, True)
    assert set(statuses(errors) + statuses(other)) == {"queued"}
    assert statuses(cancelled) == ["dead"]


def test_discard_gives_up_what_matches(errors: Run) -> None:
    assert "2 dead requests are given up" in say("fetches", "discard", "--run", str(errors.pk), "--error", "gone")
    assert statuses(errors) == ["dead", "discarded", "discarded"]
    assert "0 dead requests" in say("fetches", "discard", "--error", "no such text")


def test_what_is_not_dead_is_left_alone(errors: Run) -> None:
    errors.fetches.update(status="applied")
    assert "nothing to replay" in say("fetches", "replay", "--yes")
    assert "0 dead requests" in say("fetches", "discard", "--yes")


def test_unknown_runs_and_providers_are_refused(errors: Run) -> None:
    assert refusal("fetches", "list", "--run", "99999")[0] == 2
    assert refusal("fetches", "list", "--provider", "nobody")[0] == 2


def running(shop: Provider, owed: int = 3, **values: Any) -> Run:
    run = make_run(shop, "running", dead=owed, **values)
    run.fetches.update(status="pending")
    return run


def test_a_run_needs_what_the_last_one_of_its_kind_did(shop: Provider) -> None:
    make_run(shop, "done", summary={"requests": 41_203})
    run = running(shop)
    Fetch.objects.filter(pk__in=run.fetches.values("pk")[:1]).update(status="applied")
    found = forecast_of(run, progress(run.pk))
    assert found is not None
    assert found.requests == 41_202
    shown = say("run", "show", str(run.pk))
    assert "this run needs 41,202 more requests: 1 h 9 min at today's budget" in shown
    assert json.loads(say("run", "show", str(run.pk), "--json"))["forecast"]["requests"] == 41_202


def test_or_what_it_owes_where_that_is_more(shop: Provider) -> None:
    make_run(shop, "done", summary={"requests": 2})
    run = running(shop)
    found = forecast_of(run, progress(run.pk))
    assert found is not None
    assert found.requests == 3


def test_a_run_that_has_ended_needs_nothing(errors: Run) -> None:
    assert forecast_of(errors, progress(errors.pk)) is None
    assert "needs" not in say("run", "show", str(errors.pk))


def test_an_open_circuit_and_a_used_up_quota_are_part_of_it(shop: Provider) -> None:
    today = datetime.now(UTC).date()
    Budget.objects.update(per_day=100, day=today, used_in_day=100)
    Circuit.objects.create(provider=shop, opened_at=datetime.now(UTC), reason="503")
    shown = say("run", "show", str(running(shop).pk))
    assert "the daily quota is used up" in shown
    assert "nothing is asked before shop answers again" in shown


def test_what_was_used_on_another_day_counts_no_more(shop: Provider) -> None:
    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    shop.budget.day, shop.budget.used_in_day = (now - timedelta(days=1)).date(), 7
    shop.budget.month, shop.budget.used_in_month = datetime(2026, 2, 1, tzinfo=UTC).date(), 70
    assert queries.used(shop.budget, now) == (0, 0)
    assert queries.used(shop.budget, now - timedelta(hours=1)) == (7, 70)
