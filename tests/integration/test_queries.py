"""What is read: the feed of changes in commit order, the progress of a run, and who said what."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from musicsync import queries
from musicsync.models import Artist, Change, Recording, Release, Track
from musicsync.records import Page
from musicsync.sync import apply, fetches
from tests.helpers import wait_until
from tests.integration.paging import (
    GTIN,
    ISRC,
    OTHER_ISRC,
    THIRD_ISRC,
    artist,
    credit,
    full_run,
    lease,
    open_run,
    provider,
    release,
    say,
    track,
)


def change(entity_id: int) -> Change:
    return Change.objects.create(entity="track", entity_id=entity_id, action="created", before={}, after={})


def read_all(limit: int = 100) -> list[int]:
    """Read the feed from its start in portions, as a follower does."""
    found: list[int] = []
    transaction_id = change_id = 0
    while portion := queries.changes_after(transaction_id, change_id, limit):
        found += [row.entity_id for row in portion]
        transaction_id, change_id = portion[-1].transaction, portion[-1].pk
    return found


@pytest.mark.usefixtures("transactional_db")
def test_a_reader_misses_no_change_of_a_slower_transaction() -> None:
    """The slower transaction gets the lower ids and commits last."""
    wrote, may_commit = threading.Event(), threading.Event()

    def slower() -> None:
        with transaction.atomic():
            change(1)
            wrote.set()
            may_commit.wait(60)
        connection.close()

    thread = threading.Thread(target=slower)
    thread.start()
    assert wrote.wait(60)
    change(2)
    read_meanwhile = read_all()
    may_commit.set()
    thread.join(60)
    change(3)

    assert read_meanwhile == []
    wait_until(lambda: len(read_all()) == 3)
    assert read_all() == [1, 2, 3]


@pytest.mark.usefixtures("transactional_db")
def test_followers_that_read_while_others_write_see_every_change_once_and_in_one_order() -> None:
    stop = threading.Event()
    seen: list[tuple[int, int]] = []

    def write(first: int) -> None:
        for number in range(20):
            with transaction.atomic():
                change(first + 2 * number)
                change(first + 2 * number + 1)
        connection.close()

    def follow() -> None:
        last = (0, 0)
        while True:
            ended = stop.is_set()
            portion = queries.changes_after(*last, 7)
            seen.extend((row.transaction, row.entity_id) for row in portion)
            if portion:
                last = (portion[-1].transaction, portion[-1].pk)
            elif ended:
                break
        connection.close()

    reader = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(1000 * number,)) for number in range(3)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    try:
        # PostgreSQL's own transactions, too, hold back for a moment what may be read.
        wait_until(lambda: len(seen) >= Change.objects.count())
    finally:
        stop.set()
        reader.join(60)

    assert sorted(entity for _, entity in seen) == sorted(Change.objects.values_list("entity_id", flat=True))
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)


@pytest.mark.usefixtures("transactional_db")
def test_a_portion_may_end_within_a_transaction() -> None:
    with transaction.atomic():
        for number in range(5):
            change(number)
    assert read_all(limit=2) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("db")
def test_progress_is_taken_from_the_rows() -> None:
    one = provider("one")
    run = open_run(one, ["a", "b", "c"])
    apply.page(lease(run, "a"), Page(records=(release(), track("t1", 1))), None, 1)
    fetches.bury(lease(run, "b"), "no")
    found = queries.progress(run.pk)
    assert (found.provider, found.done, found.owed, found.dead, found.tracks) == ("one", 2, 1, 1, 1)
    assert found.totals["track.created"] == 1
    assert not found.ended
    assert 0 < found.budget_used <= 1


@pytest.mark.usefixtures("db")
def test_who_said_what_names_the_value_that_is_shown_and_the_others() -> None:
    one, two = provider("one", trust=1), provider("two", trust=2)
    say(one, artist(), release(gtin=GTIN, title="Blue", credits=credit(("Nina", "a1", ""))), track("t1", 1, ISRC))
    say(two, release("x", gtin=GTIN, title="Bleu", label="Verve"), track("y", 1, ISRC, on="x", duration_ms=1000))
    said = {row["field"]: row for row in queries.who_said_what(Release.objects.get())}
    assert said["title"] == {"field": "title", "shown": "Blue", "by": "one", "said": {"one": "Blue", "two": "Bleu"}}
    assert said["label"] == {"field": "label", "shown": "Verve", "by": "two", "said": {"two": "Verve"}}
    assert said["credits"]["shown"] == "Nina"
    of_track = {row["field"]: row["by"] for row in queries.who_said_what(Track.objects.get())}
    assert of_track == {"title": "one", "duration_ms": "two", "isrcs": "one"}
    assert {row["field"] for row in queries.who_said_what(Recording.objects.get())} == set(of_track)


def said_of(entity: Artist | Release | Recording | Track) -> dict[str, tuple[Any, str | None, dict[str, Any]]]:
    return {row["field"]: (row["shown"], row["by"], row["said"]) for row in queries.who_said_what(entity)}


@pytest.mark.usefixtures("db")
def test_a_code_that_no_provider_has_right_is_said_but_not_shown() -> None:
    say(provider("one"), release(gtin="123"), track("t1", 1, "wrong"))
    assert said_of(Release.objects.get())["gtin"] == (None, None, {"one": "123"})
    assert said_of(Recording.objects.get())["isrcs"] == (None, None, {"one": "wrong"})


@pytest.mark.usefixtures("db")
def test_the_isrcs_shown_are_those_of_the_catalogue_whoever_said_them() -> None:
    one, two = provider("one", trust=1), provider("two", trust=2)
    say(one, release(gtin=GTIN), track("t1", 1, ISRC, "wrong"))
    say(two, release("x", gtin=GTIN), track("y", 1, ISRC, OTHER_ISRC, on="x"))
    both = f"{OTHER_ISRC}, {ISRC}"
    expected = (both, "two", {"one": f"{ISRC}, wrong", "two": both})
    assert said_of(Recording.objects.get())["isrcs"] == expected
    assert said_of(Track.objects.get())["isrcs"] == expected
    say(one, track("t1", 1, ISRC, THIRD_ISRC))
    assert said_of(Track.objects.get())["isrcs"][:2] == (f"{THIRD_ISRC}, {both}", None)


@pytest.mark.usefixtures("db")
def test_every_field_of_a_track_is_told_and_what_it_has_of_its_recording() -> None:
    one, two = provider("one", trust=1), provider("two", trust=2)
    line = credit(("Nina", "a1", " & "), ("Ben", None, ""))
    say(one, artist(), release(gtin=GTIN), track("t1", 1, ISRC, number="A1", credits=line, explicit=False))
    say(two, release("x", gtin=GTIN), track("y", 1, ISRC, on="x", version="Live"))
    found = {field: (shown, by) for field, (shown, by, _) in said_of(Track.objects.get()).items()}
    assert found == {
        "title": ("Song", "one"),
        "version": ("Live", "two"),
        "number": ("A1", "one"),
        "explicit": (False, "one"),
        "credits": ("Nina & Ben", "one"),
        "isrcs": (ISRC, "one"),
    }


@pytest.mark.usefixtures("db")
def test_of_two_records_of_one_provider_the_one_that_has_a_value_is_told() -> None:
    say(provider("one"), release("r1", gtin=GTIN), release("r2", gtin=GTIN, label="Verve"))
    assert said_of(Release.objects.get())["label"] == ("Verve", "one", {"one": "Verve"})


@pytest.mark.usefixtures("db")
def test_main_artists_are_told_where_a_provider_states_no_whole_credit() -> None:
    named = credit(("Nina", None, ""))
    say(provider("one"), release(main_artists=named))
    (told,) = (row for row in queries.who_said_what(Release.objects.get()) if row["field"] == "credits")
    assert told == {"field": "credits", "shown": "Nina", "by": "one", "said": {"one": "Nina"}}


@pytest.mark.usefixtures("db")
def test_what_is_gone_is_told_as_it_was_shown_last() -> None:
    one = provider("one", removal_limit=1.0)
    full_run(one, {"a": [release(gtin=GTIN), track()]})
    full_run(one, {"b": []})
    gone = Release.objects.get()
    assert (gone.state, said_of(gone)["title"]) == ("gone", ("Blue", "one", {}))


@pytest.mark.usefixtures("db")
def test_totals_count_what_is_there() -> None:
    one, two = provider("one"), provider("two")
    say(one, artist(), release(gtin=GTIN), track("t1", 1, ISRC), track("t2", 2))
    say(two, release("x", gtin=GTIN), track("y", 1, ISRC, on="x"))
    assert queries.catalogue_totals() == {"artists": 1, "releases": 1, "recordings": 2, "tracks": 2}
    assert [found.position for found in queries.told_by_several(5)] == [1]
