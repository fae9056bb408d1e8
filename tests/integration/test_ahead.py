"""The next page of a feed is owed, and may be worked on, before this one is applied."""

from collections.abc import Sequence

import msgspec
import pytest

from musicsync.models import Fetch, Run, SourceTrack
from musicsync.providers import feed
from musicsync.records import Request
from musicsync.sync import fetches, runs
from musicsync.sync.work import work
from tests.integration.driving import control, drive, follow
from tests.integration.paging import lease, open_run, provider

FOLLOWING = Request(path="b")


@pytest.fixture
def three_pages(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_PAGE", 100)


@pytest.mark.usefixtures("three_pages")
def test_the_next_page_is_sent_before_this_one_is_applied(base: str) -> None:
    run = runs.open_run(follow(base, "feed"), "full", "cli")
    (first,) = fetches.fill_window(run.pk, 10)
    seen: list[tuple[str, int]] = []

    def send_ahead(fetch_ids: Sequence[int]) -> None:
        seen.extend((Fetch.objects.get(pk=first).status, fetch_id) for fetch_id in fetch_ids)
        assert not SourceTrack.objects.exists()

    step = work(first, send_ahead=send_ahead)
    (second,) = Fetch.objects.exclude(pk=first)
    assert seen == [("leased", second.pk)]
    assert step.send == []
    assert not step.run_ended


@pytest.mark.usefixtures("three_pages")
def test_pages_read_ahead_are_each_asked_and_applied_once(base: str) -> None:
    run = drive(runs.open_run(follow(base, "feed"), "full", "cli"), threads=4)
    assert run.summary["requests"] == 3
    assert run.summary["distinct_tracks"] == SourceTrack.objects.count() == run.summary["track.created"]
    assert control(base, "state")["requests"]["feed"]["served"] == run.summary["requests"]


@pytest.mark.django_db
def test_a_page_whose_lease_is_gone_owes_nothing_ahead() -> None:
    run = open_run(provider("one"), ["a"])
    held = lease(run, "a")
    runs.cancel(run)
    assert fetches.owe_ahead(held, FOLLOWING) == []
    assert Fetch.objects.filter(run=run).count() == 1


@pytest.mark.django_db
def test_a_page_that_is_read_twice_owes_the_next_once() -> None:
    run = open_run(provider("one"), ["a"])
    held = lease(run, "a")
    (following,) = fetches.owe_ahead(held, FOLLOWING)
    assert fetches.owe_ahead(held, FOLLOWING) == []
    assert Fetch.objects.get(run=run, key="b").pk == following


@pytest.mark.django_db
def test_the_window_holds_for_what_is_owed_ahead() -> None:
    run = open_run(provider("one"), ["a", "other"])
    held = msgspec.structs.replace(lease(run, "a"), window=1)
    Fetch.objects.filter(run=run, key="other").update(status="queued")
    assert fetches.owe_ahead(held, FOLLOWING) == []
    assert Fetch.objects.get(run=run, key="b").status == "pending"


@pytest.mark.django_db
def test_where_a_page_is_dead_the_next_waits_for_this_one() -> None:
    run: Run = open_run(provider("one"), ["a", "dead"])
    fetches.bury(lease(run, "dead"), "its form has changed")
    assert fetches.owe_ahead(lease(run, "a"), FOLLOWING) == []
    assert Fetch.objects.filter(run=run, key="b").count() == 0
