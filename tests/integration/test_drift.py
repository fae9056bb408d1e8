"""A provider that answers in another form changes nothing in the catalogue until somebody has looked."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from musicsync.models import Change, Fetch, Isrc, Profile, Provider, Recording, Run, SourceTrack
from musicsync.records import Page, TrackRecord
from musicsync.sync import apply, drift, fetches, runs
from musicsync.sync.work import work
from tests.integration.driving import control, drive, follow, in_threads, sync
from tests.integration.paging import lease, open_run, provider, say


def tracks(numbers: range, form: str = "{}", *, isrcs: bool = True, title: str = "Song") -> list[TrackRecord]:
    return [
        TrackRecord(
            external_id=form.format(number), title=f"{title} {number}", isrcs=(f"USRC1{number:07}",) if isrcs else ()
        )
        for number in numbers
    ]


@pytest.fixture
def known(db: None) -> Provider:
    """A feed of which 200 tracks on four pages are known."""
    made = provider("one")
    for page in range(4):
        say(made, *tracks(range(50 * page, 50 * page + 50)), key=f"page/{page}")
    return made


def reads(of: Provider, records: list[TrackRecord], key: str = "page/0") -> None:
    apply.page(lease(open_run(of, [key]), key), Page(records=tuple(records)), None, 1)


def test_a_page_without_the_isrcs_it_had_is_held_and_changes_nothing(known: Provider) -> None:
    before = [(row.pk, row.fields, row.changed_run_id) for row in SourceTrack.objects.order_by("pk")]
    changes = Change.objects.count()
    with pytest.raises(drift.Drifted, match=r"isrcs filled in 0 of 50 tracks, 100% before: the page is held"):
        reads(known, tracks(range(50), isrcs=False))
    assert [(row.pk, row.fields, row.changed_run_id) for row in SourceTrack.objects.order_by("pk")] == before
    assert Change.objects.count() == changes


def test_a_page_of_ids_of_another_form_is_held(known: Provider) -> None:
    with pytest.raises(drift.Drifted, match=r"external_id of tracks is of the form a:9, digits before"):
        reads(known, tracks(range(50), "track:{}"))
    assert Recording.objects.count() == 200


def test_what_is_accepted_is_learnt(known: Provider) -> None:
    assert drift.accept(known) == 1
    reads(known, tracks(range(50), isrcs=False))
    assert SourceTrack.objects.filter(fields__isrcs=[]).count() == 50


def test_an_unchanged_page_asks_and_writes_nothing_for_it(known: Provider, django_assert_max_num_queries: Any) -> None:
    run = open_run(known, ["page/0"])
    held = lease(run, "page/0")
    was = Profile.objects.get().updated_at
    with django_assert_max_num_queries(9) as queries:
        apply.page(held, Page(records=tuple(tracks(range(50)))), None, 1)
    assert not [query for query in queries if Profile._meta.db_table in query["sql"]]
    assert Profile.objects.get().updated_at == was


@pytest.mark.django_db(transaction=True)
def test_pages_side_by_side_never_wait_for_each_other_to_learn() -> None:
    made = provider("one")
    say(made, *tracks(range(50)), key="page/0")
    run = open_run(made, ["page/1", "page/2"])
    first, second = lease(run, "page/1"), lease(run, "page/2")

    def second_page() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        apply.page(second, Page(records=tuple(tracks(range(100, 150)))), None, 1)

    with transaction.atomic():
        apply.page(first, Page(records=tuple(tracks(range(50, 100)))), None, 1)
        in_threads(second_page)
    assert SourceTrack.objects.count() == 150


@pytest.mark.parametrize(("adapter", "field"), [("feed", "isrc"), ("deezer", "isrc"), ("musicbrainz", "isrcs")])
def test_a_field_that_is_renamed_or_emptied_stays_in_the_catalogue(base: str, adapter: str, field: str) -> None:
    followed = follow(base, adapter)
    assert sync(followed).status == Run.Status.DONE
    known = Isrc.objects.count()
    control(base, "faults", json=[{"kind": "blank", "field": field}])
    ended = sync(followed)
    assert ended.status in (Run.Status.ERRORS, Run.Status.FAILED)
    assert "isrcs filled in 0 of" in ended.error
    # Pages of an album or an artist prove something together only.
    assert Isrc.objects.count() >= known - 30


def test_a_held_page_shows_what_came_and_is_applied_once_it_is_accepted(
    base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = follow(base, "feed")
    sync(feed)
    changes = Change.objects.count()
    control(base, "faults", json=[{"kind": "blank", "field": "isrc"}])
    ended = sync(feed)
    assert ended.status == Run.Status.FAILED
    dead = Fetch.objects.get(run=ended, status=Fetch.Status.DEAD)
    assert "accept-drift feed" in dead.error
    assert '"isrc": ""' in dead.excerpt
    assert Change.objects.count() == changes

    call_command("provider", "accept-drift", "feed")
    assert "fetches replay --provider feed" in capsys.readouterr().out
    assert runs.replay(ended, Fetch.objects.all()) == 1
    assert drive(ended).status == Run.Status.DONE
    assert not SourceTrack.objects.exclude(fields__isrcs=[]).exists()


def test_a_run_that_is_told_of_nothing_any_more_removes_nothing(base: str) -> None:
    feed = follow(base, "feed")
    sync(feed)
    control(base, "faults", json=[{"kind": "blank", "field": "items"}])
    assert sync(feed).status == Run.Status.HELD
    assert not Recording.objects.filter(state="gone").exists()


def test_a_held_page_is_told_to_people_at_once(base: str) -> None:
    feed = follow(base, "feed")
    sync(feed)
    control(base, "faults", json=[{"kind": "blank", "field": "isrc"}])
    run = runs.open_run(feed, "full", "cli")
    step = work(fetches.fill_window(run.pk, 1)[0])
    assert step.notice is not None
    assert step.notice.key == "drift:feed"
    assert "isrcs filled in 0 of" in step.notice.body


@pytest.mark.parametrize("adapter", ["feed", "deezer", "musicbrainz", "discogs", "itunes"])
def test_a_world_that_moves_on_is_believed(base: str, adapter: str) -> None:
    followed = follow(base, adapter)
    for _ in range(4):
        assert sync(followed).status in (Run.Status.DONE, Run.Status.HELD)
        control(base, "evolve", json={})
    assert Profile.objects.filter(provider=followed).exists()
    assert not Fetch.objects.filter(error__contains="the page is held").exists()
