"""What single pages do to the catalogue, on a real PostgreSQL."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from musicsync.identifiers import is_gtin
from musicsync.models import (
    Artist,
    Change,
    Provider,
    Recording,
    Rejection,
    Release,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)
from musicsync.records import MergedId, Page, Record, RejectedItem, Request
from musicsync.sync import apply, fetches, sql
from tests.integration.cataloguing import catalogue, forget_all_but_providers, row_versions
from tests.integration.paging import (
    GTIN,
    ISRC,
    OTHER_GTIN,
    OTHER_ISRC,
    THIRD_ISRC,
    artist,
    credit,
    full_run,
    lease,
    open_run,
    provider,
    recording,
    release,
    say,
    track,
)

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one", trust=1)


@pytest.fixture
def two(db: None) -> Provider:
    return provider("two", trust=2)


def said_by(of: Provider, external_id: str) -> SourceTrack:
    return SourceTrack.objects.get(provider=of, external_id=external_id)


def together(*said: tuple[Provider, str]) -> bool:
    return len({said_by(of, external_id).recording_id for of, external_id in said}) == 1


def changes(entity: str) -> list[tuple[str, dict, dict]]:
    found = Change.objects.filter(entity=entity).order_by("pk")
    return [(change.action, change.before, change.after) for change in found]


# --- one row out of several providers ---------------------------------------------------------------------------------


def test_each_field_is_that_of_the_most_trusted_who_has_one(one: Provider, two: Provider) -> None:
    say(two, release(gtin=GTIN, title="Blue (two)", label="Verve", released="1987"))
    say(one, release(gtin=GTIN, title="Blue (one)", label=None, released="1987-07-04"))
    row = Release.objects.get()
    assert (row.title, row.label, row.released, row.released_precision) == ("Blue (one)", "Verve", "1987-07-04", "day")
    assert row.provenance == {"title": "one", "label": "two", "released": "one", "gtin": "one"}


def test_the_next_change_decides_anew_when_trust_has_changed(one: Provider, two: Provider) -> None:
    say(one, release(gtin=GTIN, title="Blue (one)"))
    say(two, release(gtin=GTIN, title="Blue (two)"))
    Provider.objects.filter(pk=one.pk).update(trust=9)
    say(two, release(gtin=GTIN, title="Blue (two)", label="Verve"))
    assert changes("release")[-1] == (
        "updated",
        {"title": "Blue (one)", "label": None},
        {"title": "Blue (two)", "label": "Verve"},
    )


def test_every_field_names_its_provider(one: Provider, two: Provider) -> None:
    named = credit(("Nina", "a1", ""))
    say(one, artist(country="US"), release(gtin=GTIN, credits=named), track("t1", 1, ISRC, credits=named))
    say(two, release("x", gtin=GTIN, label="Verve"), track("y", 1, ISRC, on="x", duration_ms=187_000, number="A1"))
    assert Artist.objects.get().provenance == {"name": "one", "country": "one"}
    assert Release.objects.get().provenance == {"title": "one", "gtin": "one", "label": "two", "credits": "one"}
    assert Recording.objects.get().provenance == {"title": "one", "duration_ms": "two", "credits": "one"}
    assert Track.objects.get().provenance == {
        "title": "one",
        "duration_ms": "two",
        "number": "two",
        "recording_id": "one",
    }


def test_what_an_answer_leaves_out_is_kept_and_what_it_denies_is_withdrawn(one: Provider) -> None:
    say(one, release(label="Verve", released="1987"))
    say(one, release(released=None))
    row = Release.objects.get()
    assert (row.label, row.released) == ("Verve", None)
    assert changes("release")[1:] == [("updated", {"released": "1987"}, {"released": None})]


def test_credits_keep_order_names_and_join_phrases(one: Provider) -> None:
    named = credit(("Nina", "a1", " ♥ "), ("The Trio", "a2", " feat. "), ("Unknown", None, ""))
    say(one, artist("a1", "Nina Simone"), artist("a2", "Trio"), release(credits=named))
    row = Release.objects.get()
    assert row.artist_credit == "Nina ♥ The Trio feat. Unknown"
    lines = row.credits.order_by("position").values_list("name", "join_phrase", "artist__name")
    assert list(lines) == [("Nina", " ♥ ", "Nina Simone"), ("The Trio", " feat. ", "Trio"), ("Unknown", "", None)]


def test_a_list_that_names_the_main_artists_alone_takes_nobody_out_of_a_credit(one: Provider) -> None:
    main, whole = credit(("Nina", "a1", "")), credit(("Nina", "a1", " feat. "), ("Miles", "a2", ""))
    listed = track("t1", 1, ISRC, main_artists=main)
    say(one, artist(), release(), listed)
    assert Recording.objects.get().artist_credit == "Nina"
    assert Recording.objects.get().provenance["credits"] == "one"
    say(one, artist("a2", "Miles"), release(), track("t1", 1, ISRC, credits=whole))
    say(one, artist(), release(), listed)
    assert Recording.objects.get().artist_credit == "Nina feat. Miles"
    assert [after["artist_credit"] for _, _, after in changes("recording")] == ["Nina", "Nina feat. Miles"]


def test_a_changed_credit_is_one_change(one: Provider) -> None:
    say(one, artist(), release(credits=credit(("Nina", "a1", ""))))
    say(one, artist("a2", "Miles"), release(credits=credit(("Nina", "a1", " & "), ("Miles", "a2", ""))))
    (action, before, after) = changes("release")[-1]
    assert (action, before["artist_credit"], after["artist_credit"]) == ("updated", "Nina", "Nina & Miles")
    assert [line["name"] for line in after["credits"]] == ["Nina", "Miles"]


def test_an_artist_of_the_same_name_elsewhere_is_another(one: Provider, two: Provider) -> None:
    say(one, artist())
    say(two, artist())
    assert Artist.objects.count() == 2


# --- which recording, which release -----------------------------------------------------------------------------------


def test_one_isrc_on_two_releases_is_one_recording(one: Provider) -> None:
    say(one, release("r1"), release("r2"), track("t1", 1, ISRC), track("t2", 5, ISRC, on="r2"))
    assert (Recording.objects.count(), Track.objects.count()) == (1, 2)


def test_a_record_that_names_two_recordings_makes_them_one_whatever_the_order(one: Provider, two: Provider) -> None:
    pages = {
        "first": (one, recording("first", ISRC)),
        "second": (two, recording("second", OTHER_ISRC)),
        "both": (one, recording("both", ISRC, OTHER_ISRC)),
        "third": (two, recording("third", OTHER_ISRC, THIRD_ISRC)),
    }
    found = []
    for order in permutations(pages):
        for name in order:
            say(*pages[name], key=name)
        found.append(catalogue())
        assert Recording.objects.filter(state="present").count() == 1
        forget_all_but_providers()
    assert all(one_found == found[0] for one_found in found)


def test_the_change_of_an_absorbed_recording_says_which_it_is_now(one: Provider, two: Provider) -> None:
    say(one, recording("first", ISRC))
    say(two, recording("second", OTHER_ISRC))
    say(two, recording("both", ISRC, OTHER_ISRC))
    kept, absorbed = Recording.objects.order_by("pk")
    merged = Change.objects.get(entity="recording", action="merged")
    assert (merged.entity_id, merged.after) == (absorbed.pk, {"state": "gone", "merged_into": kept.pk})


def test_a_track_without_isrc_joins_by_its_place_whatever_the_order(one: Provider, two: Provider) -> None:
    pages = [
        (one, release("r1", gtin=GTIN), track("t1", 1, ISRC)),
        (two, release("x1", gtin=GTIN), track("y1", 1, on="x1")),
        (one, release("r2"), track("t2", 3, ISRC, on="r2")),
    ]
    for order in permutations(pages):
        for of, *records in order:
            say(of, *records)
        assert together((one, "t1"), (one, "t2"), (two, "y1")), order
        forget_all_but_providers()


def test_recordings_of_other_isrcs_stay_apart_at_one_place(one: Provider, two: Provider) -> None:
    say(one, release("r1", gtin=GTIN), track("t1", 1, ISRC))
    say(two, release("x1", gtin=GTIN), track("y1", 1, OTHER_ISRC, on="x1"))
    assert not together((one, "t1"), (two, "y1"))
    assert Track.objects.get().recording == said_by(one, "t1").recording


def test_a_corrected_isrc_stays_with_its_recording_where_nobody_else_has_it(one: Provider) -> None:
    say(one, recording("t", ISRC))
    say(one, recording("t", OTHER_ISRC))
    row = Recording.objects.get()
    assert [isrc.code for isrc in row.isrcs.all()] == [OTHER_ISRC]
    assert changes("recording")[1:] == [("updated", {"isrcs": [ISRC]}, {"isrcs": [OTHER_ISRC]})]


def test_a_corrected_isrc_leaves_the_recording_to_those_who_still_name_it(one: Provider, two: Provider) -> None:
    say(one, recording("t", ISRC))
    say(two, recording("y", ISRC))
    say(one, recording("t", OTHER_ISRC))
    assert not together((one, "t"), (two, "y"))
    assert [isrc.code for isrc in said_by(two, "y").recording.isrcs.all()] == [ISRC]
    say(two, recording("y", OTHER_ISRC))
    assert together((one, "t"), (two, "y"))


def test_a_track_that_was_gone_returns_with_another_isrc_as_another_recording(one: Provider, two: Provider) -> None:
    full_run(one, {"page": [recording("t", ISRC)] + [recording(f"other {n}") for n in range(20)]})
    say(two, recording("y", ISRC))
    full_run(one, {"page": [recording(f"other {n}") for n in range(20)]})
    assert said_by(one, "t").state == "gone"
    say(one, recording("t", OTHER_ISRC))
    assert not together((one, "t"), (two, "y"))


def test_an_invalid_code_is_kept_and_flagged_and_never_matches(one: Provider, two: Provider) -> None:
    say(one, release("r1", gtin="123"), track("t1", 1, "NOT-AN-ISRC"))
    say(two, release("x1", gtin="123"), track("y1", 1, "NOT-AN-ISRC", on="x1"))
    assert (Release.objects.count(), Recording.objects.count(), Track.objects.count()) == (2, 2, 2)
    assert list(Release.objects.values_list("gtin", flat=True)) == [None, None]
    assert said_by(one, "t1").flags == ["invalid_isrc"]
    assert said_by(one, "t1").fields["isrcs"] == ["NOT-AN-ISRC"]
    assert SourceRelease.objects.get(provider=one).flags == ["invalid_gtin"]


def test_a_release_that_moves_to_another_gtin_takes_its_tracks_along(one: Provider, two: Provider) -> None:
    say(one, release("r1", gtin=GTIN), track("t1", 1, ISRC), track("t2", 2))
    say(two, release("x1", gtin=GTIN), track("y1", 1, ISRC, on="x1"))
    say(two, release("x2", gtin=OTHER_GTIN), track("y2", 1, OTHER_ISRC, on="x2"))

    say(one, release("r1", gtin=OTHER_GTIN))

    moved = Release.objects.get(gtin=OTHER_GTIN)
    assert said_by(one, "t1").track == said_by(two, "y2").track
    assert {said_by(one, name).track.release for name in ("t1", "t2")} == {moved}
    assert said_by(two, "y1").track.release == Release.objects.get(gtin=GTIN)
    assert Track.objects.filter(state="present").count() == 3
    assert Track.objects.get(state="gone").position == 2


def test_a_release_whose_gtin_becomes_known_later_is_merged_into_the_one_that_has_it(
    one: Provider, two: Provider
) -> None:
    say(one, release("r1", gtin=GTIN))
    say(two, release("x1"))
    say(two, release("x1", gtin=GTIN))
    kept, absorbed = Release.objects.order_by("pk")
    assert (kept.state, absorbed.state) == ("present", "gone")
    assert changes("release")[-1] == ("merged", {"state": "present"}, {"state": "gone", "merged_into": kept.pk})


def test_a_release_alone_keeps_its_row_when_its_gtin_is_corrected(one: Provider) -> None:
    say(one, release(gtin=GTIN), track("t1", 1, ISRC))
    say(one, release(gtin=OTHER_GTIN))
    assert Release.objects.get().gtin == OTHER_GTIN
    assert changes("track")[1:] == []


def test_a_track_on_an_unknown_release_is_refused_with_a_reason(one: Provider) -> None:
    run = say(one, track("t1", 1, ISRC, on="nowhere"), recording("t2", ISRC))
    assert run.summary["rejected"] == 1
    assert "its release nowhere is not known" in Rejection.objects.get().reason
    assert SourceTrack.objects.get().external_id == "t2"


def test_a_rejection_goes_when_its_page_comes_without_it(one: Provider) -> None:
    bad = RejectedItem(path="$.items[3]", reason="no title", excerpt="{\x00}")
    say(one, artist(), key="page", rejected=[bad])
    say(one, artist(), key="page", rejected=[bad])
    assert Rejection.objects.get().excerpt == "{}"
    say(one, artist(), key="page")
    assert not Rejection.objects.exists()


# --- ids that were merged ---------------------------------------------------------------------------------------------


def test_a_merged_artist_s_change_says_into_which(one: Provider) -> None:
    say(one, artist("old", "Nina (Official)"))
    say(one, artist("new", "Nina"))
    say(one, artist("new", "Nina"), merged=[MergedId(kind="artist", old="old", new="new")])
    old, new = SourceArtist.objects.get(external_id="old"), SourceArtist.objects.get(external_id="new")
    assert (old.state, old.merged_into) == ("merged", "new")
    assert changes("artist")[-1] == (
        "merged",
        {"state": "present"},
        {"state": "gone", "merged_into": new.artist_id},
    )


def test_an_id_that_another_was_merged_into_unseen_inherits_its_row(one: Provider) -> None:
    say(one, artist("old", "Nina"))
    say(one, artist("new", "Nina"), merged=[MergedId(kind="artist", old="old", new="new")])
    assert Artist.objects.get().state == "present"
    assert SourceArtist.objects.get(external_id="new").artist == Artist.objects.get()


def test_a_merged_release_leaves_its_tracks_to_the_other(one: Provider) -> None:
    say(one, release("old", gtin=GTIN), track("t1", 1, ISRC, on="old"))
    say(
        one,
        release("new", gtin=OTHER_GTIN),
        track("t1", 1, ISRC, on="new"),
        merged=[MergedId(kind="release", old="old", new="new")],
    )
    row = Release.objects.get(state="present")
    assert row.gtin == OTHER_GTIN
    assert Track.objects.get(state="present").release == row


# --- applied once -----------------------------------------------------------------------------------------------------


def test_the_same_page_again_writes_nothing(one: Provider) -> None:
    named = credit(("Nina", "a1", ""))
    records = [artist(), release(gtin=GTIN, credits=named), track("t1", 1, ISRC, "not one", credits=named)]
    say(one, *records, key="page")
    before = row_versions()
    assert say(one, *records, key="page").summary["track.unchanged"] == 1
    assert row_versions() == before


def test_a_form_with_less_detail_writes_nothing(one: Provider) -> None:
    say(one, artist(country="US"), key="whole")
    say(one, artist(), key="stub")
    before = row_versions()
    say(one, artist(country="US"), key="whole")
    say(one, artist(), key="stub")
    assert row_versions() == before


def test_a_page_is_applied_once_however_often_it_is_delivered(one: Provider) -> None:
    run = open_run(one, ["page"])
    held = lease(run, "page")
    apply.page(held, _page(artist()), None, 1)
    apply.page(held, _page(artist(name="Somebody else")), None, 1)
    assert fetches.claim(held.id) is None
    assert [row.name for row in Artist.objects.all()] == ["Nina"]


def test_follow_ups_are_owed_once(one: Provider) -> None:
    run = open_run(one, ["first", "second"])
    following = Request(path="third")
    apply.page(lease(run, "first"), _page(follow_ups=(following, following)), None, 1)
    apply.page(lease(run, "second"), _page(follow_ups=(following,)), None, 1)
    assert run.fetches.filter(key="third").count() == 1


def _page(*records: Record, **values: Any) -> Page:
    return Page(records=records, **values)


# --- what a page costs ------------------------------------------------------------------------------------------------


def big_page(size: int, title: str = "Song") -> list[Record]:
    named = credit(("Nina", "a1", ""))
    records: list[Record] = [artist()]
    for number in range(size // 5):
        records.append(release(f"r{number}", gtin=gtin(number + 1), credits=named))
        records += [
            track(
                f"t{number}.{position}",
                position,
                f"USRC1{number:03}{position:04}",
                on=f"r{number}",
                title=title,
                credits=named,
            )
            for position in range(1, 6)
        ]
    return records


def test_of_several_sources_of_a_new_row_the_first_by_id_is_shown(one: Provider, two: Provider) -> None:
    """As it would be if they were read: one of them is new, the other was known under another release."""
    say(two, release("z", gtin=GTIN))
    say(one, release("a", gtin=GTIN))
    say(one, release("a", "By a", gtin=OTHER_GTIN), release("b", "By b", gtin=OTHER_GTIN))
    moved = Release.objects.get(gtin=OTHER_GTIN)
    assert moved.title == "By a"
    changes = Change.objects.count()
    say(one, release("b", "By b again", gtin=OTHER_GTIN))
    assert Change.objects.count() == changes


def gtin(number: int) -> str:
    return next(code for digit in range(10) if is_gtin(code := f"{number:013}{digit}"))


@pytest.mark.parametrize(("what", "most"), [("new", 44), ("unchanged", 9), ("changed", 31), ("of another", 53)])
def test_the_statements_of_a_page_do_not_grow_with_it(
    one: Provider, two: Provider, monkeypatch: pytest.MonkeyPatch, what: str, most: int
) -> None:
    counts = []
    for size in (10, 500):
        key = f"page of {size}"
        if what in ("unchanged", "changed"):
            say(one, *big_page(size), key=key)
        if what == "of another":
            say(two, *big_page(size), key=key)
        run = open_run(one, [key])
        held = lease(run, key)
        copied = _count_copies(monkeypatch)
        with CaptureQueriesContext(connection) as asked:
            apply.page(held, _page(*big_page(size, "Song" if what != "changed" else "Other")), None, 1)
        counts.append(len(asked) + len(copied))
        forget_all_but_providers()
    assert counts[0] == counts[1] <= most


def _count_copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each COPY, which Django's own count leaves out."""
    copied: list[str] = []
    copy = sql.copy

    def counting(table: str, columns: Mapping[str, str], rows: Sequence[sql.Row]) -> None:
        if rows:
            copied.append(table)
        copy(table, columns, rows)

    monkeypatch.setattr(sql, "copy", counting)
    return copied
