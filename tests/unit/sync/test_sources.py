"""What a provider says, as it is kept: no database is asked here."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from musicsync.records import ArtistRecord, Credit, Record, ReleaseRecord, TrackRecord
from musicsync.sync import sources
from musicsync.sync.sources import _flags, _one_each

optional_texts = st.none() | st.text(max_size=3)


def fields_of(record: Record) -> dict[str, Any]:
    return sources.fields_of(msgspec.json.encode(record))


def fingerprint(record: Record) -> bytes:
    return sources.fingerprint(msgspec.json.encode(record))


def test_fields_are_what_is_said_and_nothing_else() -> None:
    assert fields_of(ArtistRecord(external_id="1", name="Nina", country=None)) == {"name": "Nina", "country": None}


def test_fields_are_plain_json() -> None:
    record = TrackRecord(external_id="1", title="Song", isrcs=("A", "B"), credits=(Credit(name="Nina"),))
    line = [{"name": "Nina", "artist_id": None, "join_phrase": ""}]
    assert fields_of(record) == {"title": "Song", "isrcs": ["A", "B"], "credits": line}


def test_fields_of_a_record_equal_those_that_come_back_from_storage() -> None:
    record = TrackRecord(external_id="1", title="T", isrcs=("USRC17607839",), credits=(Credit("A", "7", " & "),))
    fields = fields_of(record)
    assert json.loads(json.dumps(fields)) == fields
    assert fields["credits"] == [{"name": "A", "artist_id": "7", "join_phrase": " & "}]


def test_unset_and_none_have_other_fingerprints() -> None:
    assert fingerprint(ReleaseRecord(external_id="1", title="A")) != fingerprint(
        ReleaseRecord(external_id="1", title="A", label=None)
    )


def test_the_text_of_one_field_is_not_that_of_its_neighbour() -> None:
    assert fingerprint(ReleaseRecord(external_id="1", title="A", version="B")) != fingerprint(
        ReleaseRecord(external_id="1", title="A", label="B")
    )


@given(st.tuples(st.text(max_size=3), optional_texts), st.tuples(st.text(max_size=3), optional_texts))
def test_fingerprints_are_equal_when_records_are(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    first, second = (ArtistRecord(external_id="1", name=name, country=country) for name, country in (one, other))
    assert (fingerprint(first) == fingerprint(second)) == (first == second)
    assert len(fingerprint(first)) == 16


def test_a_page_s_records_of_one_thing_complete_each_other() -> None:
    whole = ArtistRecord(external_id="1", name="Nina", country="US")
    stub = ArtistRecord(external_id="1", name="Nina S.")
    assert _one_each([whole, stub]) == {"1": whole}
    assert _one_each([stub, whole]) == {"1": ArtistRecord(external_id="1", name="Nina S.", country="US")}


def test_that_a_field_has_no_value_is_stated_too() -> None:
    first, later = (ArtistRecord(external_id="1", name="Nina", country=country) for country in (None, "US"))
    assert _one_each([first, later]) == {"1": first}


def test_records_come_in_the_order_of_their_ids() -> None:
    records = [ArtistRecord(external_id=external_id, name="x") for external_id in ("b", "a", "c", "a")]
    assert list(_one_each(records)) == ["a", "b", "c"]


def test_invalid_codes_are_flagged() -> None:
    assert _flags({"isrcs": ["USRC17607839"], "gtin": "00724384960650"}) == []
    assert _flags({"isrcs": ["USRC17607839", "x"], "gtin": "123"}) == ["invalid_isrc", "invalid_gtin"]
    assert _flags({"gtin": None}) == []
