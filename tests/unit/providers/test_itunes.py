import json

import pytest

from musicsync.providers import registry
from musicsync.providers.base import Scope
from musicsync.records import Gone, Page, RejectedItem, Request, Response

ITUNES = registry.get("itunes")
ALBUM = {"wrapperType": "collection", "collectionId": 21, "collectionName": "First Light"}
SONG = {"wrapperType": "track", "kind": "song", "trackId": 31, "trackName": "Dawn"}


def parse(*items: object, **params: str) -> Page:
    body = json.dumps({"resultCount": len(items), "results": items}).encode()
    return ITUNES.parse(Request(path="lookup", params=params), Response(status=200, headers={}, body=body, url=""))


def of(item: dict[str, object], kind: str, **fields: object) -> dict[str, object]:
    record = next(record for record in parse({**item, **fields}).records if record.kind == kind)
    return {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.mark.parametrize(
    ("given", "title", "kind"),
    [
        ("First Light", "First Light", "album"),
        ("First Light - Single", "First Light", "single"),
        ("First Light - EP", "First Light", "ep"),
        ("Single - EP", "Single", "ep"),
        (" - EP", "- EP", "album"),
        ("First Light - Deluxe", "First Light - Deluxe", "album"),
    ],
)
def test_the_end_of_a_title_says_what_kind_of_release_it_is(given: str, title: str, kind: str) -> None:
    found = of(ALBUM, "release", collectionName=given, collectionType="Album")
    assert (found["title"], found["type"]) == (title, kind)


@pytest.mark.parametrize("name", ["Simon", "Sons & Daughters", "Tyler, The Creator", "Axel x Bea", "A feat. B"])
def test_a_name_that_may_be_of_several_is_linked_to_nobody(name: str) -> None:
    page = parse({**SONG, "artistName": name, "artistId": 7})
    [track] = [record for record in page.records if record.kind == "track"]
    [credit] = track.credits
    alone = name == "Simon"
    assert (credit.name, credit.artist_id) == (name, "7" if alone else None)
    assert [record.name for record in page.records if record.kind == "artist"] == (["Simon"] if alone else [])


@pytest.mark.parametrize(
    ("word", "explicit"),
    [("explicit", True), ("cleaned", False), ("notExplicit", False), ("maybe", None), (None, None)],
)
def test_explicitness_is_a_word(word: str | None, explicit: bool | None) -> None:
    assert of(SONG, "track", trackExplicitness=word)["explicit"] is explicit


@pytest.mark.parametrize("kind", ["music-video", "interactive-booklet", "podcast-episode", None])
def test_what_is_no_song_is_no_track(kind: str | None) -> None:
    assert parse({**SONG, "kind": kind}) == Page()


def test_the_country_is_an_option_and_the_us_without_one() -> None:
    for options, country in (({}, "US"), ({"country": "jp"}, "JP")):
        adapter = ITUNES.configured(options)
        [request] = adapter.plan(Scope(kind="release", key="21"), "full")
        assert request.params["country"] == country.lower()
        assert {record.territories for record in parse(ALBUM, SONG, **request.params).records} == {(country,)}


def test_an_answer_is_of_the_country_that_was_asked_before_the_option_changed() -> None:
    assert {record.territories for record in parse(ALBUM, SONG, country="GB").records} == {("GB",)}


def test_prices_previews_and_covers_are_no_change() -> None:
    volatile = {"trackPrice": -1.0, "previewUrl": "x", "artworkUrl100": "y", "isStreamable": False, "copyright": "z"}
    assert parse({**ALBUM, **volatile}, {**SONG, **volatile}) == parse(ALBUM, SONG)
    assert ITUNES.volatile


def test_a_full_answer_is_noted_since_there_is_no_next_page() -> None:
    songs = [{**SONG, "trackId": number} for number in range(1, 201)]
    assert parse(ALBUM, *songs[:-1]).rejected == ()
    assert parse(ALBUM, *songs).rejected == (
        RejectedItem(
            path="$.results", reason="the list is full at 200, and iTunes has no next page: there may be more"
        ),
    )


def test_what_a_store_does_not_have_is_gone_by_its_name() -> None:
    with pytest.raises(Gone, match="the store of GB has no upc 036000291452"):
        parse(upc="036000291452", country="gb")


def test_the_default_rate_keeps_inside_a_minute() -> None:
    assert int(ITUNES.rate * 60) + ITUNES.burst <= 20
