"""Lookups of one thing beside another run of the same provider: they go first, and leave its evidence as it is."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from musicsync.models import (
    Budget,
    Circuit,
    Fetch,
    KnownPage,
    PageCheck,
    Provider,
    Run,
    Scope,
    SourceRelease,
    SourceTrack,
)
from musicsync.records import MusicsyncError, Page, Record, Request
from musicsync.sync import apply, budget, fetches, lookups, pages, runs
from musicsync.sync.lookups import Target
from musicsync.sync.work import Step, work
from tests.helpers import wait_until
from tests.integration.cataloguing import catalogue
from tests.integration.driving import aside, control, drive, follow, in_threads, sync
from tests.integration.paging import full_run, lease, open_run, provider, release, track


@pytest.fixture
def one(db: None) -> Provider:
    """A provider with a feed that is followed, and a release that is not."""
    found = provider("one", removal_limit=1.0)
    Provider.objects.update(adapter="deezer")
    found.refresh_from_db()
    Scope.objects.create(provider=found, kind="release", key="5", active=False)
    return found


def look_up(of: Provider, *keys: str, scope: Scope | None = None) -> Run:
    """Open a lookup that owes the requests with these keys and nothing else."""
    scope = scope or of.scopes.get(kind="release")
    run = Run.objects.create(provider=of, mode="lookup", trigger="cli", scope=scope)
    fetches.owe(run.pk, of.pk, "lookup", scope.pk, [Request(path=key) for key in keys])
    return run


def looked_up(of: Provider, pages_of: dict[str, list[Record] | None], scope: Scope | None = None) -> Run:
    """Let a lookup read these pages; of those that are ``None`` it is told that they do not exist."""
    run = look_up(of, *pages_of, scope=scope)
    for key, records in pages_of.items():
        if records is None:
            apply.gone(lease(run, key), f"GET /{key}: 404")
        else:
            apply.page(lease(run, key), Page(records=tuple(records)), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    return ended


def tracks(*positions: int) -> list[Record]:
    return [release(), *(track(f"t{position}", position) for position in positions)]


def states() -> dict[str, str]:
    return dict(SourceTrack.objects.order_by("external_id").values_list("external_id", "state"))


# --- one of each ------------------------------------------------------------------------------------------------------


def test_a_lookup_goes_on_beside_a_run_and_a_run_beside_a_lookup(one: Provider) -> None:
    full = runs.open_run(one, "full", "cli")
    lookup = lookups.start(Target(one, "artist", "27"), "cli").run
    assert (full.status, lookup.status, lookup.scope.active) == ("running", "running", False)
    with pytest.raises(runs.AlreadyRunning, match=f"has run {full.pk} under way"):
        runs.open_run(one, "incremental", "cli")
    runs.cancel(full)
    assert runs.open_run(one, "incremental", "cli").status == "running"


def test_what_is_looked_up_already_is_not_looked_up_twice(one: Provider) -> None:
    first = lookups.start(Target(one, "release", "5"), "cli")
    second = lookups.start(Target(one, "release", " 05 "), "admin")
    assert (first.is_new, second.is_new, second.run) == (True, False, first.run)
    other = lookups.start(Target(one, "release", "6"), "cli")
    runs.cancel(first.run)
    again = lookups.start(Target(one, "release", "5"), "cli")
    assert (other.is_new, again.is_new) == (True, True)
    with pytest.raises(runs.AlreadyRunning, match=f"release:5 of one is being looked up by run {again.run.pk} already"):
        runs.open_run(one, "lookup", "cli", scope=again.run.scope)


def test_of_four_who_look_the_same_up_one_starts_a_run(transactional_db: None, one: Provider) -> None:
    found = in_threads(*[lambda: lookups.start(Target(one, "artist", "27"), "admin")] * 4)
    assert [lookup.is_new for lookup in found].count(True) == Run.objects.count() == 1
    assert {lookup.run.pk for lookup in found} == {Run.objects.get().pk}
    assert Fetch.objects.count() == 1


def test_what_cannot_be_looked_up_is_one_line_and_leaves_nothing_behind(one: Provider) -> None:
    with pytest.raises(MusicsyncError, match="^one: Deezer cannot follow a label; it can follow: feed, artist"):
        lookups.start(Target(one, "label", "1"), "cli")
    with pytest.raises(MusicsyncError, match="a lookup is of one thing by its key: start an incremental or a full run"):
        lookups.start(Target(one, "feed", ""), "cli")
    assert not Run.objects.exists()
    assert one.scopes.count() == 2


def test_a_lookup_is_not_replayed_beside_another_of_the_same(one: Provider) -> None:
    dead = look_up(one, "a")
    fetches.bury(lease(dead, "a"), "no")
    runs.finish(dead.pk)
    full = open_run(one, ["b"])
    other = look_up(one, "a")
    with pytest.raises(runs.AlreadyRunning, match=f"is being looked up by run {other.pk} already"):
        runs.replay(dead, Fetch.objects.all())
    runs.cancel(other)
    assert runs.replay(dead, Fetch.objects.all()) == 1
    assert full.status == "running"


# --- evidence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False])
def test_a_later_lookup_keeps_no_full_run_from_removing(one: Provider, ends: bool) -> None:
    full_run(one, {"a": tracks(1, 2), "b": [release(), track("t3", 3)]})
    run = open_run(one, ["a"])
    lookup = look_up(one, "x")
    if ends:
        apply.page(lease(lookup, "x"), Page(), None, 1)
        runs.finish(lookup.pk)
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1, 2))), None, 1)
    assert runs.finish(run.pk).summary["track.removed"] == 1
    assert states() == {"t1": "present", "t2": "present", "t3": "gone"}


def test_nor_a_held_run_from_being_approved(one: Provider) -> None:
    Provider.objects.update(removal_limit=0.1)
    full_run(one, {"a": tracks(1, 2, 3)})
    held = full_run(one, {"a": tracks(1)})
    looked_up(one, {"new": [release(), track("t4", 4)]}, one.scopes.get(kind="feed"))
    assert held.status == "held"
    assert runs.approve(held) == {"track.removed": 2}
    assert states() == {"t1": "present", "t2": "gone", "t3": "gone", "t4": "present"}


@pytest.mark.parametrize("first", [True, False])
def test_what_a_lookup_reads_meanwhile_is_not_removed(one: Provider, first: bool) -> None:
    """A release came out after the full run had read the list that names it."""
    feed = one.scopes.get(kind="feed")
    lookup = look_up(one, "new", scope=feed) if first else None
    run = open_run(one, ["a"])
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    lookup = lookup or look_up(one, "new", scope=feed)
    apply.page(lease(lookup, "new"), Page(records=(release(), track("t2", 2))), None, 1)
    runs.finish(lookup.pk)
    runs.finish(run.pk)
    assert states() == {"t1": "present", "t2": "present"}

    full_run(one, {"a": tracks(1)})
    assert states() == {"t1": "present", "t2": "gone"}


def test_what_a_lookup_left_undone_meanwhile_is_not_forgotten(one: Provider) -> None:
    run, lookup = open_run(one, ["a"]), look_up(one, "artist")
    album = Request(path="album", refreshes=("release", "9"))
    apply.page(lease(lookup, "artist"), Page(follow_ups=(album,)), None, 1)
    fetches.bury(lease(lookup, "album"), "no")
    runs.finish(lookup.pk)
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    assert runs.finish(run.pk).status == "done"
    assert PageCheck.objects.filter(key="album", check_at=None).exists()
    full_run(one, {"a": tracks(1)})
    assert not PageCheck.objects.filter(key="album").exists()


def test_a_page_that_is_looked_up_stays_with_the_scope_that_leads_to_it(one: Provider) -> None:
    full_run(one, {"a": tracks(1), "b": [release(), track("t2", 2)]})
    looked_up(one, {"b": [release(), track("t2", 2), track("t3", 3)]})
    assert KnownPage.objects.get(key="b").scope.kind == "feed"
    full_run(one, {"a": tracks(1)})
    assert states() == {"t1": "present", "t2": "gone", "t3": "gone"}


@pytest.mark.parametrize("modified", [True, False])
def test_a_page_that_was_looked_up_first_is_taken_over_by_the_run_that_comes_by(one: Provider, modified: bool) -> None:
    looked_up(one, {"b": [release(), track("t2", 2)]})
    run = open_run(one, ["a", "b"])
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    if modified:
        apply.page(lease(run, "b"), Page(records=(release(), track("t2", 2))), None, 1)
    else:
        known = pages.known(one.pk, Request(path="b"), 1)
        assert known is not None
        apply.not_modified(lease(run, "b"), known, None)
    runs.finish(run.pk)
    full_run(one, {"a": tracks(1)})
    assert states() == {"t1": "present", "t2": "gone"}


def test_an_incremental_run_takes_it_over_too_and_asks_for_it_once(one: Provider) -> None:
    looked_up(one, {"b": [release(), track("t2", 2)]})
    album = Request(path="b", refreshes=("release", "r1"))

    def read_the_list() -> Run:
        run = open_run(one, ["a"], mode="incremental")
        apply.page(lease(run, "a"), Page(follow_ups=(album,)), None, 1)
        return run

    run = read_the_list()
    known = pages.known(one.pk, album, 1)
    assert known is not None
    apply.not_modified(lease(run, "b"), known, None)
    runs.finish(run.pk)
    feed = one.scopes.get(kind="feed")
    assert (KnownPage.objects.get(key="b").scope, PageCheck.objects.get(key="b").scope) == (feed, feed)
    assert not read_the_list().fetches.filter(key="b").exists()


def test_what_nobody_else_comes_by_stays_as_it_was_looked_up(one: Provider) -> None:
    looked_up(one, {"b": [release(), track("t2", 2)]})
    full_run(one, {"a": tracks(1)})
    assert set(states().values()) == {"present"}


def test_lookups_drop_no_page_however_often_they_are_told_that_it_is_not_there(one: Provider) -> None:
    full_run(one, {"a": tracks(1), "b": [release(), track("t2", 2)]})
    run = open_run(one, ["a", "b"])
    for _ in range(3):
        looked_up(one, {"b": None})
    assert KnownPage.objects.get(key="b").missing_since_run is not None
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    # Told the same within the same minute: this run began before.
    apply.gone(lease(run, "b"), "GET /b: 404")
    runs.finish(run.pk)
    assert set(states().values()) == {"present"}

    full_run(one, {"a": tracks(1), "b": None})
    assert states() == {"t1": "present", "t2": "gone"}


def test_a_lookup_that_began_just_before_a_run_gives_it_no_second_answer(one: Provider) -> None:
    full_run(one, {"a": tracks(1), "b": [release(), track("t2", 2)]})
    lookup = look_up(one, "b")
    run = open_run(one, ["a", "b"])
    apply.gone(lease(lookup, "b"), "GET /b: 404")
    runs.finish(lookup.pk)
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    apply.gone(lease(run, "b"), "GET /b: 404")
    runs.finish(run.pk)
    assert set(states().values()) == {"present"}


@pytest.mark.parametrize("first", [True, False])
def test_a_run_that_confirms_no_not_found_comes_by_what_is_behind_the_page(one: Provider, first: bool) -> None:
    """The lookup is told the same and ends, before it comes by anything behind that page."""
    lookup = look_up(one, "artist") if first else None
    run = open_run(one, ["artist"])
    behind = Page(records=tuple(tracks(1)))
    apply.page(lease(run, "artist"), Page(follow_ups=(Request(path="album"),)), None, 1)
    apply.page(lease(run, "album"), behind, None, 1)
    runs.finish(run.pk)
    run = open_run(one, ["artist"])
    lookup = lookup or look_up(one, "artist")
    apply.gone(lease(lookup, "artist"), "GET /artist: 404")
    runs.cancel(lookup)
    apply.gone(lease(run, "artist"), "GET /artist: 404")
    apply.page(lease(run, "album"), behind, None, 1)
    runs.finish(run.pk)
    assert states() == {"t1": "present"}


def test_a_release_that_was_looked_up_is_still_left_out_of_an_incremental_run(base: str) -> None:
    one = follow(base, "deezer")
    sync(one)
    before = catalogue()
    follow_ups = dict(KnownPage.objects.values_list("key", "follow_ups"))
    lists = sync(one, "incremental").summary["requests"]
    albums = KnownPage.objects.filter(key__regex=r"^album/[0-9]+$").order_by("pk")
    for album in albums[:3]:
        drive(lookups.start(Target(one, "release", album.key.removeprefix("album/")), "cli").run)
    assert dict(KnownPage.objects.values_list("key", "follow_ups")) == follow_ups
    assert sync(one, "incremental").summary["requests"] == lists
    assert catalogue() == before
    PageCheck.objects.update(check_at=timezone.now())
    asked = set(Fetch.objects.filter(run=sync(one, "incremental")).values_list("key", flat=True))
    assert {album.key for album in albums} <= asked


def test_a_known_release_that_a_lookup_does_not_find_is_missing_until_the_next_run(base: str) -> None:
    one = follow(base, "deezer")
    sync(one)
    album = KnownPage.objects.filter(key__regex=r"^album/[0-9]+$").order_by("pk")[0].key.removeprefix("album/")
    control(base, "faults", json=[{"kind": "false_404", "path": f"album/{album}$"}])
    drive(lookups.start(Target(one, "release", album), "cli").run)
    assert SourceRelease.objects.get(external_id=album).state == "missing"
    control(base, "faults", json=[])
    assert sync(one).status == "done"
    assert SourceRelease.objects.get(external_id=album).state == "present"


# --- at the same moment -----------------------------------------------------------------------------------------------


def test_a_removal_waits_for_the_page_that_a_lookup_applies(transactional_db: None, one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2)})
    run, lookup = open_run(one, ["a"]), look_up(one, "found")
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    held = lease(lookup, "found")
    with transaction.atomic():
        apply.page(held, Page(records=(release(), track("t2", 2))), None, 1)
        ending = aside(lambda: runs.finish(run.pk))
    ending.join(60)
    run.refresh_from_db()
    assert (run.status, states()) == ("done", {"t1": "present", "t2": "present"})


def test_a_lookup_applies_no_page_amid_a_removal(transactional_db: None, one: Provider) -> None:
    full_run(one, {"a": tracks(1, 2)})
    run, lookup = open_run(one, ["a"]), look_up(one, "found")
    apply.page(lease(run, "a"), Page(records=tuple(tracks(1))), None, 1)
    held = lease(lookup, "found")
    with transaction.atomic():
        runs.finish(run.pk)
        applying = aside(lambda: apply.page(held, Page(records=(release(), track("t2", 2))), None, 1))
    applying.join(60)
    assert states() == {"t1": "present", "t2": "present"}


def test_a_lookup_that_would_wait_too_long_for_removals_gives_its_page_back(
    transactional_db: None, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetches, "LONGEST_WAIT_SECONDS", 0.05)
    followed = follow(base, "deezer")
    key = followed.scopes.earliest("pk").key
    lookup = lookups.start(Target(followed, "artist", key), "cli").run
    with transaction.atomic():
        fetches.stop_lookups(followed.pk)
        (step,) = in_threads(lambda: work(lookup.fetches.get().pk))
    assert isinstance(step, Step)
    assert step.postponed is not None
    fetch = lookup.fetches.get()
    assert (fetch.status, fetch.failures, fetch.error) == ("waiting", 0, "removals of its provider are under way")


def test_two_runs_that_bring_the_same_page_at_once_write_it_once(transactional_db: None, one: Provider) -> None:
    run = open_run(one, [f"page/{number}" for number in range(20)])
    lookup = look_up(one, *run.fetches.values_list("key", flat=True))

    def apply_all(of: Run) -> None:
        for number in range(20):
            held = lease_of_any(of, f"page/{number}")
            records = (release(f"r{number}"), track(f"t{number}", 1, on=f"r{number}"))
            apply.page(held, Page(records=records), None, 1)

    def lease_of_any(of: Run, key: str) -> fetches.Lease:
        found: list[object] = []

        def leased() -> bool:
            Fetch.objects.filter(run=of, key=key).update(not_before=None)
            found.append(fetches.claim(Fetch.objects.get(run=of, key=key).pk))
            return isinstance(found[-1], fetches.Lease)

        wait_until(leased)
        held = found[-1]
        assert isinstance(held, fetches.Lease)
        return held

    in_threads(lambda: apply_all(run), lambda: apply_all(lookup))
    assert (KnownPage.objects.count(), SourceTrack.objects.count()) == (20, 20)
    assert set(Fetch.objects.values_list("status", flat=True)) == {"applied"}
    catalogue()


# --- whose turn it is -------------------------------------------------------------------------------------------------


def claimed(run: Run, ids: Sequence[int] = ()) -> list[str]:
    found = [fetches.claim(pk) for pk in ids or run.fetches.order_by("pk").values_list("pk", flat=True)]
    return [type(what).__name__ for what in found]


def test_a_page_that_another_run_has_in_hand_is_asked_for_after_that(one: Provider) -> None:
    run, lookup = open_run(one, ["a", "b"]), look_up(one, "a")
    held = lease(run, "a")
    assert claimed(lookup) == ["Postponed"]
    assert Budget.objects.get().used_in_day == 1, "no slot is taken for it"
    assert isinstance(fetches.claim(run.fetches.get(key="b").pk), fetches.Lease), "nor is one kept for it"
    apply.page(held, Page(), None, 1)
    Fetch.objects.filter(run=lookup).update(not_before=None)
    assert claimed(lookup) == ["Lease"]


def test_the_next_slot_is_that_of_a_lookup(one: Provider) -> None:
    run, lookup = open_run(one, ["a", "b", "c", "d"]), look_up(one, "x")
    Budget.objects.update(rate=0.45, burst=1)
    a, b, *others = run.fetches.order_by("pk").values_list("pk", flat=True)
    assert [type(fetches.claim(pk)).__name__ for pk in (a, b)] == ["Lease", "Postponed"]
    sent = fetches.fill_window(lookup.pk, 5)
    assert claimed(run, others) == ["Postponed"] * 2
    following = run.fetches.get(pk=b).slot_at + timedelta(seconds=1 / (0.45 * budget.PACE))
    for waiting in run.fetches.filter(pk__in=others):
        in_time = following - timedelta(seconds=budget.LEAD_SECONDS)
        assert abs(waiting.not_before - in_time) < timedelta(milliseconds=5)
    assert list(run.fetches.filter(slot_at__isnull=False).values_list("pk", flat=True)) == [b], "it gave way"
    fetches.claim(sent[0])
    Fetch.objects.filter(pk__in=others).update(not_before=None)
    for pk in others:
        fetches.claim(pk)
    in_turn = Fetch.objects.filter(status="waiting").order_by("slot_at").values_list("pk", flat=True)
    assert list(in_turn) == [b, *sent, *others]


@pytest.mark.parametrize(
    ("values", "ahead"),
    [
        ({"status": "pending"}, {}),
        ({"status": "waiting", "attempts": 1}, {}),
        ({"status": "waiting"}, {"not_before": timedelta(hours=1)}),
        ({"status": "waiting"}, {"slot_at": timedelta(minutes=1)}),
    ],
    ids=["beyond its window", "asked before", "not due for long", "has its slot"],
)
def test_nobody_waits_for_a_lookup_that_needs_no_slot_now(
    one: Provider, values: dict[str, object], ahead: dict[str, timedelta]
) -> None:
    run, lookup = open_run(one, ["a"]), look_up(one, "x")
    times = {name: timezone.now() + span for name, span in ahead.items()}
    Fetch.objects.filter(run=lookup).update(**values | times)
    assert claimed(run) == ["Lease"]


def test_nor_for_one_whose_provider_is_not_asked(one: Provider) -> None:
    other = provider("other")
    Provider.objects.update(budget=one.budget)
    lookup = look_up(one, "x")
    fetches.fill_window(lookup.pk, 1)
    run = open_run(other, ["a"])
    assert claimed(run) == ["Postponed"]
    Circuit.objects.create(provider=one, opened_at=timezone.now(), probe_at=timezone.now())
    Fetch.objects.filter(run=run).update(not_before=None)
    assert claimed(run) == ["Lease"]


def test_of_one_request_at_a_time_the_next_is_the_lookups(one: Provider) -> None:
    Budget.objects.update(concurrency=1)
    run, lookup = open_run(one, ["a", "b"]), look_up(one, "x")
    (wanted,) = fetches.fill_window(lookup.pk, 1)
    held = lease(look_up(one, "first", scope=one.scopes.get(kind="feed")), "first")
    assert isinstance(fetches.claim(wanted), fetches.Postponed)
    apply.page(held, Page(), None, 1)
    assert claimed(run) == ["Postponed", "Postponed"]
    Fetch.objects.filter(run=lookup).update(not_before=None)
    assert isinstance(fetches.claim(wanted), fetches.Lease)
