"""A run from its first row to its last, its fetches, and what it removes, on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from musicsync.models import Budget, Change, Fetch, KnownPage, Provider, Run, Scope, SourceTrack, Track
from musicsync.records import MusicsyncError, Page, Request
from musicsync.sync import apply, fetches, runs
from tests.integration.cataloguing import catalogue
from tests.integration.paging import full_run, lease, open_run, provider, recording, release, say, track

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one", removal_limit=0.5)


def states(of: Provider) -> dict[str, str]:
    return dict(SourceTrack.objects.filter(provider=of).order_by("external_id").values_list("external_id", "state"))


def actions(entity: str) -> list[str]:
    return list(Change.objects.filter(entity=entity).order_by("pk").values_list("action", flat=True))


def tracks(*positions: int) -> list[Any]:
    return [release(), *(track(f"t{position}", position) for position in positions)]


# --- removals ---------------------------------------------------------------------------------------------------------


def test_what_no_page_mentions_any_more_is_gone_and_back_when_it_returns(one: Provider) -> None:
    full_run(one, {"page": tracks(1, 2, 3)})
    run = full_run(one, {"page": tracks(1, 2)})
    assert states(one) == {"t1": "present", "t2": "present", "t3": "gone"}
    assert run.summary["track.removed"] == 1
    gone = Track.objects.get(state="gone")
    assert gone.position == 3

    full_run(one, {"page": tracks(1, 2, 3)})
    gone.refresh_from_db()
    assert (gone.state, states(one)["t3"]) == ("present", "present")
    of_track = Change.objects.filter(entity="track", entity_id=gone.pk).order_by("pk")
    assert [change.action for change in of_track] == ["created", "removed", "restored"]
    assert (of_track[1].before, of_track[1].after) == ({"state": "present"}, {"state": "gone"})
    assert of_track[1].run == run


def test_what_a_dropped_page_mentioned_is_gone(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2), "b": [release(), track("t3", 3)]})
    full_run(one, {"a": tracks(1, 2)})
    assert states(one)["t3"] == "gone"
    assert not KnownPage.objects.filter(key="b").exists()


def test_what_another_page_mentions_stays(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2), "b": tracks(2, 3)})
    full_run(one, {"a": tracks(1), "b": tracks(2, 3)})
    assert set(states(one).values()) == {"present"}


def test_what_another_provider_has_stays_in_the_catalogue(one: Provider) -> None:
    two = provider("two")
    full_run(one, {"page": [recording("t1", "USRC17607839"), recording("t2")]})
    say(two, recording("y1", "USRC17607839"))
    full_run(one, {"page": [recording("t2")]})
    assert states(one)["t1"] == "gone"
    assert SourceTrack.objects.get(provider=two).recording.state == "present"


def test_an_incremental_run_removes_nothing(one: Provider) -> None:
    full_run(one, {"page": tracks(1, 2, 3)})
    run = open_run(one, ["page"], mode="incremental")
    apply.page(lease(run, "page"), Page(records=tuple(tracks(1))), None, 1)
    assert runs.finish(run.pk) is not None
    assert set(states(one).values()) == {"present"}


def test_a_run_with_a_dead_fetch_removes_nothing(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2), "b": [release(), track("t3", 3)]})
    run = open_run(one, ["a", "b"])
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    fetches.bury(lease(run, "b"), "GET /b: 400 no")
    ended = runs.finish(run.pk)
    assert ended is not None
    assert (ended.status, ended.error) == ("errors", "1 fetch is dead, with: GET /b: 400 no")
    assert set(states(one).values()) == {"present"}


def test_nor_does_one_whose_dead_fetch_was_discarded(one: Provider) -> None:
    full_run(one, {"a": tracks(1), "b": tracks(2), "c": tracks(3)})
    run = open_run(one, ["a", "b", "c"])
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    for key in ("b", "c"):
        fetches.bury(lease(run, key), f"GET /{key}: 400 no")
    runs.finish(run.pk)
    assert runs.discard(run.fetches.filter(key="b")) == 1
    assert runs.replay(run, run.fetches.all()) == 1
    apply.page(lease(run, "c"), Page(records=(release(),)), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    assert (ended.status, ended.error) == (
        "errors",
        "1 fetch is dead (1 discarded), with: GET /b: 400 no",
    )
    assert set(states(one).values()) == {"present"}


def test_a_run_whose_every_fetch_died_has_failed(one: Provider) -> None:
    run = open_run(one, ["a"])
    fetches.bury(lease(run, "a"), "no")
    ended = runs.finish(run.pk)
    assert ended is not None
    assert ended.status == "failed"


def test_only_the_second_run_that_is_told_so_drops_a_page(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2), "b": [release(), track("t3", 3)]})
    first = full_run(one, {"a": tracks(1, 2), "b": None})
    assert set(states(one).values()) == {"present"}
    assert KnownPage.objects.get(key="b").missing_since_run == first
    full_run(one, {"a": tracks(1, 2), "b": None})
    assert states(one) == {"t1": "present", "t2": "present", "t3": "gone"}


def test_a_page_that_is_back_in_the_second_run_was_never_gone(one: Provider) -> None:
    pages = {"a": tracks(1, 2), "b": [release(), track("t3", 3)]}
    full_run(one, pages)
    before = catalogue()
    full_run(one, pages | {"b": None})
    full_run(one, pages)
    full_run(one, pages | {"b": None})
    assert catalogue() == before


def test_too_many_removals_are_held_until_somebody_approves(one: Provider) -> None:
    full_run(one, {"page": tracks(1, 2, 3)})
    before = catalogue()
    run = full_run(one, {"page": tracks(1)})
    assert run.status == "held"
    assert run.error.startswith("2 of 3 tracks (67%) would be removed, more than the provider's removal limit of 50%")
    assert catalogue() == before

    assert runs.approve(run) == {"track.removed": 2}

    run.refresh_from_db()
    assert (run.status, run.error, run.summary["track.removed"]) == ("done", "", 2)
    assert states(one) == {"t1": "present", "t2": "gone", "t3": "gone"}
    with pytest.raises(MusicsyncError, match="nothing to approve"):
        runs.approve(run)


def test_a_held_run_cannot_be_approved_once_a_later_one_has_begun(one: Provider) -> None:
    full_run(one, {"page": tracks(1, 2, 3)})
    held = full_run(one, {"page": tracks(1)})
    later = open_run(one, ["page"])
    with pytest.raises(runs.AlreadyRunning, match=f"has run {later.pk} under way"):
        runs.approve(held)
    Run.objects.filter(pk=later.pk).update(status="done")
    with pytest.raises(MusicsyncError, match="is not the latest full run of one: approve that"):
        runs.approve(held)
    held.refresh_from_db()
    assert held.status == "held"
    Run.objects.filter(pk=later.pk).update(status="cancelled")
    assert runs.approve(held) == {"track.removed": 2}


def test_a_held_run_is_approved_after_incremental_runs_and_removes_nothing_that_they_read(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2, 3)})
    held = full_run(one, {"a": tracks(1)})
    later = open_run(one, ["a", "new"], "incremental")
    apply.page(lease(later, "a"), Page(records=tuple(tracks(1, 3))), None, 1)
    apply.page(lease(later, "new"), Page(records=(release(), track("t4", 4))), None, 1)
    runs.finish(later.pk)
    assert runs.approve(held) == {"track.removed": 1}
    assert states(one) == {"t1": "present", "t2": "gone", "t3": "present", "t4": "present"}


def test_what_a_later_run_read_before_it_was_cancelled_is_not_removed(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2, 3)})
    held = full_run(one, {"a": tracks(1)})
    later = open_run(one, ["new", "b"])
    apply.page(lease(later, "new"), Page(records=(release(), track("t4", 4))), None, 1)
    runs.cancel(later)
    assert runs.approve(held) == {"track.removed": 2}
    assert states(one) == {"t1": "present", "t2": "gone", "t3": "gone", "t4": "present"}


def test_a_run_that_reads_nothing_holds_rather_than_empty_the_catalogue(one: Provider) -> None:
    full_run(one, {"page": tracks(1, 2, 3)})
    assert full_run(one, {"page": []}).status == "held"
    assert set(states(one).values()) == {"present"}


def test_an_old_run_that_is_replayed_removes_nothing_of_what_newer_runs_read(one: Provider) -> None:
    old = open_run(one, ["a", "b"])
    apply.page(lease(old, "a"), Page(records=tuple(tracks(1, 2, 3))), None, 1)
    fetches.bury(lease(old, "b"), "no")
    runs.finish(old.pk)
    full_run(one, {"a": tracks(1, 2, 3), "new": [release(), track("t4", 4)]})

    assert runs.replay(old, Fetch.objects.all()) == 1
    apply.page(lease(old, "b"), Page(), None, 1)
    ended = runs.finish(old.pk)

    assert ended is not None
    assert ended.status == "done"
    assert set(states(one).values()) == {"present"}


@pytest.mark.parametrize(("dies", "mark"), [("list", "m2"), ("page", "m1"), ("details", "m2")])
def test_the_mark_of_a_feed_moves_where_its_own_pages_were_applied(one: Provider, dies: str, mark: str) -> None:
    feed, other = one.scopes.get(), Scope.objects.create(provider=one, kind="artist", key="1")
    feed.watermark = "m1"
    feed.save()
    run = open_run(one, ["first", "page"])
    details = Request(path="details", refreshes=("release", "r1"))
    fetches.owe_in_order(run.pk, [(other.pk, Request(path="list")), (feed.pk, details)])
    for key in ("first", "page", "list", "details"):
        if key == dies:
            fetches.bury(lease(run, key), "no")
        else:
            apply.page(lease(run, key), Page(watermark="m2" if key == "first" else None), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    feed.refresh_from_db()
    assert (ended.status, feed.watermark) == ("errors", mark)


# --- one of each ------------------------------------------------------------------------------------------------------


def test_a_provider_has_one_run_at_a_time(one: Provider) -> None:
    first = runs.open_run(one, "full", "cli")
    with pytest.raises(runs.AlreadyRunning, match=f"provider one has run {first.pk} under way"):
        runs.open_run(one, "full", "cli")
    runs.cancel(first)
    assert runs.open_run(one, "full", "cli").status == "running"


def test_a_slot_of_a_schedule_has_one_run(one: Provider) -> None:
    slot = datetime(2026, 1, 1, 3, tzinfo=UTC)
    runs.cancel(runs.open_run(one, "full", "schedule", schedule="one: full", slot=slot))
    with pytest.raises(runs.SlotTaken, match="one: full"):
        runs.open_run(one, "full", "schedule", schedule="one: full", slot=slot)
    assert runs.open_run(one, "full", "schedule", schedule="one: full", slot=slot + timedelta(days=1))


def test_a_provider_that_follows_nothing_says_what_to_do(one: Provider) -> None:
    one.scopes.all().delete()
    with pytest.raises(MusicsyncError, match="manage.py provider follow one KIND:KEY"):
        runs.open_run(one, "full", "cli")


def test_a_run_ends_once(one: Provider) -> None:
    run = full_run(one, {"page": tracks(1)})
    assert runs.finish(run.pk) is None


def test_a_run_that_owes_something_does_not_end(one: Provider) -> None:
    assert runs.finish(open_run(one, ["page"]).pk) is None


def test_a_full_run_of_one_scope_removes_nothing(one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2, 3), "b": [release(), track("t4", 4)]})
    run = open_run(one, ["a"])
    Run.objects.filter(pk=run.pk).update(scope=one.scopes.get())
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1, 2, 3))), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    assert ended.status == "done"
    assert set(states(one).values()) == {"present"}


# --- cancel and replay ------------------------------------------------------------------------------------------------


def test_a_cancelled_run_is_worked_on_no_more(one: Provider) -> None:
    run = open_run(one, ["a", "b", "c"])
    held = lease(run, "a")
    assert runs.cancel(run) == 3
    apply.page(held, Page(records=tuple(tracks(1))), None, 1)
    assert not SourceTrack.objects.exists()
    assert fetches.claim(run.fetches.get(key="b").pk) is None
    assert fetches.fill_window(run.pk, 10) == []
    assert set(run.fetches.values_list("status", flat=True)) == {"cancelled"}
    with pytest.raises(MusicsyncError, match="has ended already: it is cancelled"):
        runs.cancel(run)


def test_dead_fetches_are_tried_again(one: Provider) -> None:
    run = open_run(one, ["a", "b"])
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    fetches.bury(lease(run, "b"), "no")
    runs.finish(run.pk)
    assert runs.replay(run, Fetch.objects.all()) == 1
    apply.page(lease(run, "b"), Page(records=tuple(tracks(2))), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    assert (ended.status, ended.error, ended.summary["distinct_tracks"]) == ("done", "", 2)


def test_a_cancelled_run_is_not_replayed(one: Provider) -> None:
    run = open_run(one, ["a", "b"])
    fetches.bury(lease(run, "a"), "no")
    runs.cancel(run)
    with pytest.raises(MusicsyncError, match="was cancelled: start a new one"):
        runs.replay(run, Fetch.objects.all())
    assert run.fetches.get(key="a").status == "dead"


def test_nothing_is_replayed_beside_a_run_under_way(one: Provider) -> None:
    run = open_run(one, ["a"])
    fetches.bury(lease(run, "a"), "no")
    runs.finish(run.pk)
    open_run(one, ["a"])
    with pytest.raises(runs.AlreadyRunning):
        runs.replay(run, Fetch.objects.all())
    run.refresh_from_db()
    assert run.status == "failed"


# --- fetches ----------------------------------------------------------------------------------------------------------


def test_no_more_than_the_window_is_ready(one: Provider) -> None:
    run = open_run(one, [f"page/{number}" for number in range(10)])
    first = fetches.fill_window(run.pk, 3)
    assert len(first) == 3
    assert fetches.fill_window(run.pk, 3) == []
    held = fetches.claim(first[0])
    assert isinstance(held, fetches.Lease)
    assert len(fetches.fill_window(run.pk, 3)) == 1
    apply.page(held, Page(), None, 1)
    assert fetches.fill_window(run.pk, 3) == []
    Run.objects.filter(pk=run.pk).update(status="cancelled")
    assert fetches.fill_window(run.pk, 10) == []


def test_a_failure_waits_longer_each_time_and_the_fifth_in_a_row_is_the_last(one: Provider) -> None:
    run = open_run(one, ["a"])
    waits = []
    for _ in range(5):
        Fetch.objects.filter(run=run).update(not_before=None)
        waits.append(fetches.fail(lease(run, "a"), "GET /a: 500"))
    *again, last = waits
    for wait, nominal in zip(again, (2, 4, 8, 16), strict=True):
        assert wait is not None
        assert wait.seconds == pytest.approx(nominal, rel=0.3)
    assert last is None
    row = Fetch.objects.get(run=run)
    assert (row.status, row.failures, row.error) == ("dead", 5, "GET /a: 500")


def test_a_fetch_is_not_worked_on_before_its_time(one: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetches, "_FIRST_DELAY_SECONDS", 3600)
    run = open_run(one, ["a"])
    fetches.fail(lease(run, "a"), "no")
    assert fetches.claim(run.fetches.get().pk) is None


def test_a_lost_lease_is_taken_back_and_three_are_the_end(one: Provider) -> None:
    run = open_run(one, ["a"])
    for lost in range(1, 4):
        late = lease(run, "a")
        Fetch.objects.filter(run=run).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        assert fetches.repair().taken_back == 1
        row = Fetch.objects.get(run=run)
        assert (row.crashes, row.failures, row.attempts) == (lost, 0, lost)
        apply.page(late, Page(records=tuple(tracks(1))), None, 1)
        assert not SourceTrack.objects.exists()
        Fetch.objects.filter(run=run, status="waiting").update(not_before=timezone.now() - timedelta(seconds=6))
        assert fetches.repair().due == ([row.pk] if lost < 3 else [])
    assert Fetch.objects.get(run=run).status == "dead"


def test_a_message_that_does_not_come_is_sent_again(one: Provider) -> None:
    run = open_run(one, ["a"])
    sent = fetches.fill_window(run.pk, 1)
    assert fetches.repair().unheard == []
    Fetch.objects.filter(run=run).update(queued_at=timezone.now() - timedelta(seconds=26))
    assert fetches.repair().unheard == sent


def test_messages_do_not_pile_up_where_nobody_works(one: Provider) -> None:
    run = open_run(one, ["a", "b", "c"])
    sent = fetches.fill_window(run.pk, 3)
    long_ago = timezone.now() - timedelta(seconds=90)
    Fetch.objects.filter(run=run).update(queued_at=long_ago)
    Budget.objects.update(theoretical_arrival_at=long_ago)
    assert fetches.repair().unheard == sent[:1]
    fetches.claim(sent[0])
    assert fetches.repair().unheard == sent[1:]


def test_success_after_failures_leaves_the_fetch_applied(one: Provider) -> None:
    run = open_run(one, ["a"])
    fetches.fail(lease(run, "a"), "no")
    Fetch.objects.filter(run=run).update(not_before=None)
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    row = Fetch.objects.get(run=run)
    assert (row.status, row.outcome, row.error, row.lease_token) == ("applied", "page", "", None)
    assert row.counts == {"release.created": 1, "track.created": 1, "rejected": 0}


def test_fetches_of_long_ago_go_and_the_run_keeps_its_totals(one: Provider) -> None:
    run = full_run(one, {"a": tracks(1)})
    assert runs.prune() == 0
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=31))
    assert runs.prune() == 1
    run.refresh_from_db()
    assert run.summary["distinct_tracks"] == 1
