"""What of a run is added up ahead changes nothing of what is shown, whatever happens to the run meanwhile."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from musicsync import queries, tasks
from musicsync.models import Fetch, Provider, Run, Tally
from musicsync.records import Page
from musicsync.sync import apply, fetches, runs, tallies
from tests.helpers import wait_until
from tests.integration.driving import somebody_waits
from tests.integration.paging import lease, open_run, provider, release, track

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one")


def read(run: Run, key: str, track_id: str = "") -> None:
    """Apply the page, which holds one track and was asked for a minute ago."""
    apply.page(lease(run, key), Page(records=(release(), track(track_id or key, 1 + ord(key)))), None, 1)
    Fetch.objects.filter(run=run, key=key).update(started_at=F("started_at") - timedelta(minutes=1))


def shown(run: Run) -> tuple[int, int, int, dict[str, int]]:
    far = queries.progress(run.pk)
    return far.done, far.owed, far.dead, far.totals


def tallied(run: Run) -> tuple[int, int]:
    tally = Tally.objects.get(run=run)
    return tally.applied, tally.counts.get("track.created", 0)


def test_what_is_shown_is_the_same_before_and_after(one: Provider) -> None:
    run = open_run(one, "abcde")
    for key in "ab":
        read(run, key)
    fetches.bury(lease(run, "c"), "no")
    before = shown(run)
    assert before[:3] == (3, 2, 1)
    assert before[3]["track.created"] == 2

    tallies.carry_on(run.pk)
    assert tallied(run) == (2, 2)
    assert shown(run) == before
    tallies.carry_on(run.pk)
    assert shown(run) == before

    read(run, "d")
    later = shown(run)
    assert later[:3] == (4, 1, 1)
    assert later[3]["track.created"] == 3
    tallies.carry_on(run.pk)
    assert tallied(run) == (3, 3)
    assert shown(run) == later


def test_it_goes_no_further_than_what_is_open(one: Provider) -> None:
    run = open_run(one, "abc")
    for key in "bc":
        read(run, key)
    tallies.carry_on(run.pk)
    assert tallied(run) == (0, 0)
    apply.page(lease(run, "a"), Page(records=(release(),)), None, 1)
    assert shown(run)[:2] == (3, 0)


def test_what_was_sent_of_late_is_left_to_readers(one: Provider) -> None:
    run = open_run(one, "abc")
    read(run, "a")
    apply.page(lease(run, "b"), Page(records=(release(),)), None, 1)
    used = queries.progress(run.pk).budget_used
    assert used > 0
    tallies.carry_on(run.pk)
    assert tallied(run)[0] == 1
    assert queries.progress(run.pk).budget_used == pytest.approx(used, rel=0.5)


def test_a_replay_counts_what_was_dead(one: Provider) -> None:
    run = open_run(one, "abc")
    fetches.bury(lease(run, "a"), "no")
    read(run, "b")
    tallies.carry_on(run.pk)
    assert tallied(run) == (1, 1)
    runs.replay(run, Fetch.objects.all())
    read(run, "a")
    assert shown(run)[:3] == (2, 1, 0)
    tallies.carry_on(run.pk)
    assert tallied(run) == (2, 2)


def test_a_run_that_goes_on_after_its_end_is_counted_anew(one: Provider) -> None:
    run = open_run(one, "ab")
    fetches.bury(lease(run, "a"), "no")
    read(run, "b")
    runs.finish(run.pk)
    runs.replay(run, Fetch.objects.all())
    tallies.carry_on(run.pk)
    assert shown(run)[:2] == (1, 1)
    read(run, "a")
    assert shown(run)[:2] == (2, 0)


def test_the_sweep_carries_it_on(one: Provider) -> None:
    run = open_run(one, "ab")
    read(run, "a")
    tasks.sweep()
    assert tallied(run) == (1, 1)


def test_it_is_carried_on_run_by_run(one: Provider) -> None:
    mine, other = open_run(one, "ab"), open_run(provider("two"), "ab")
    for run in (mine, other):
        read(run, "a")
    tallies.carry_on(mine.pk)
    found = queries.progress_of(list(Run.objects.select_related("provider__budget")))
    assert {run: (far.done, far.owed, far.tracks) for run, far in found.items()} == {
        mine.pk: (1, 1, 1),
        other.pk: (1, 1, 1),
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [False, True])
def test_one_that_is_carried_on_while_a_replay_is_not_yet_seen_waits_for_it(is_known: bool) -> None:
    run = open_run(provider("one"), "abc")
    fetches.bury(lease(run, "a"), "no")
    if is_known:
        tallies.carry_on(run.pk)
    read(run, "b")
    carrying = threading.Thread(target=elsewhere, args=(lambda: tallies.carry_on(run.pk),))
    with transaction.atomic():
        runs.replay(run, Fetch.objects.all())
        carrying.start()
        wait_until(lambda: somebody_waits() or not carrying.is_alive())
    carrying.join(60)
    read(run, "a")
    assert shown(run)[:3] == (2, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_replay_waits_for_one_that_is_being_carried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(provider("one"), "abc")
    fetches.bury(lease(run, "a"), "no")
    tallies.carry_on(run.pk)
    read(run, "b")
    replaying = threading.Thread(target=elsewhere, args=(lambda: runs.replay(run, Fetch.objects.all()),))
    add_up = tallies.added_up

    def meanwhile(rows: list[Any]) -> dict[str, int]:
        replaying.start()
        wait_until(lambda: somebody_waits() or not replaying.is_alive())
        return add_up(rows)

    monkeypatch.setattr(tallies, "added_up", meanwhile)
    tallies.carry_on(run.pk)
    replaying.join(60)
    read(run, "a")
    assert shown(run)[:3] == (2, 1, 0)


def elsewhere(function: Callable[[], object]) -> None:
    """Call it with a connection of its own."""
    function()
    connection.close()
