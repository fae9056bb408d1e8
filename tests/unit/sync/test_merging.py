"""One value out of what several providers say."""

from typing import Any

import pytest

from musicsync.sync.merging import Canonical, Said, canonical

LINE = {"name": "Nina", "artist_id": "1", "join_phrase": ""}


def said(provider: str, recording_id: int | None = None, **fields: Any) -> Said:
    return Said(provider, provider_id=len(provider), fields=fields, recording_id=recording_id)


def shown(found: Canonical, field: str) -> tuple[Any, str | None]:
    return found.values[field], found.provenance.get(field)


def test_the_first_source_that_has_a_value_gives_it() -> None:
    found = canonical("release", [said("one", title="Blue"), said("other", title="Bleu", label="Verve")])
    assert shown(found, "title") == ("Blue", "one")
    assert shown(found, "label") == ("Verve", "other")


def test_no_value_is_no_value_however_it_is_said() -> None:
    found = canonical("release", [said("one", title="Blue", label=None), said("other", title="Bleu")])
    assert shown(found, "label") == (None, None)


@pytest.mark.parametrize(("field", "value"), [("explicit", False), ("track_count", 0), ("genres", []), ("version", "")])
def test_a_value_that_counts_as_false_is_a_value(field: str, value: object) -> None:
    found = canonical("release", [said("one", **{field: value}), said("other", **{field: "more"})])
    assert shown(found, field) == (value, "one")


def test_an_invalid_gtin_is_passed_over() -> None:
    found = canonical("release", [said("one", gtin="123"), said("other", gtin="00724384960650")])
    assert shown(found, "gtin") == ("00724384960650", "other")


def test_the_credit_is_one_provider_s_as_a_whole() -> None:
    found = canonical("recording", [said("one", credits=[]), said("other", credits=[LINE]), said("third", credits=[])])
    assert (found.credits, found.credits_provider_id, found.provenance["credits"]) == ([LINE], 5, "other")


def test_main_artists_are_the_credit_where_nobody_states_a_whole_one() -> None:
    lists, details = said("one", main_artists=[LINE]), said("other", credits=[LINE, LINE])
    assert canonical("release", [lists]).credits == [LINE]
    assert canonical("release", [lists]).provenance["credits"] == "one"
    assert canonical("release", [lists, details]).credits == [LINE, LINE]
    assert canonical("recording", [said("one", main_artists=[LINE], credits=[LINE, LINE])]).credits == [LINE, LINE]


def test_tracks_and_artists_have_no_credit_of_their_own() -> None:
    assert canonical("track", [said("one", credits=[LINE])]).credits == ()
    assert canonical("artist", [said("one", credits=[LINE])]).credits == ()


def test_a_track_is_the_recording_of_its_most_trusted_source() -> None:
    found = canonical("track", [said("one", recording_id=7, title="Song"), said("other", recording_id=3)])
    assert shown(found, "recording_id") == (7, "one")
