import json

import pytest

from musicsync.providers.base import Scope
from musicsync.providers.lastfm import LastFm
from musicsync.records import Page, Permanent, Refused, ReleaseRecord, Request, Response, TrackRecord

ADAPTER = LastFm()
ADA = {"name": "Ada Lov"}
ALBUM = {"name": "First Light", "artist": "Ada Lov"}


def parse(body: object, **params: str) -> Page:
    response = Response(status=200, headers={}, body=json.dumps(body).encode(), url="")
    return ADAPTER.parse(Request(path="2.0/", params=params), response)


def release(**values: object) -> ReleaseRecord:
    [found] = [r for r in parse({"album": ALBUM | values}).records if isinstance(r, ReleaseRecord)]
    return found


def tracks(tracks: object) -> list[TrackRecord]:
    return [r for r in parse({"album": ALBUM | {"tracks": tracks}}).records if isinstance(r, TrackRecord)]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [(201, 201_000), ("201", 201_000), (0, None), ("0", None), ("", None), (None, None)],
)
def test_a_duration_is_a_number_a_text_or_null(duration: object, expected: int | None) -> None:
    assert [track.duration_ms for track in tracks({"track": {"name": "Dawn", "duration": duration}})] == [expected]


def test_a_track_by_itself_is_timed_in_milliseconds() -> None:
    page = parse({"track": {"name": "Dawn", "artist": ADA, "duration": "201000"}})
    assert [r.duration_ms for r in page.records if isinstance(r, TrackRecord)] == [201_000]


@pytest.mark.parametrize("none", ["", "\n", None, {}, {"#text": "\n"}, {"track": []}, {"track": None}])
def test_no_tracks_are_written_in_many_ways(none: object) -> None:
    assert tracks(none) == []


def test_one_track_is_an_object_and_more_are_a_list() -> None:
    one = {"name": "Dawn", "@attr": {"rank": "1"}}
    assert tracks({"track": one}) == tracks({"track": [one]}) != []


@pytest.mark.parametrize(
    "place", [{"@attr": {"rank": 2}}, {"@attr": {"rank": "2"}}, {}, {"@attr": None}, {"@attr": {"rank": ""}}]
)
def test_a_place_is_stated_in_many_ways_or_told_by_the_order(place: dict[str, object]) -> None:
    found = tracks({"track": [{"name": "Dawn"}, {"name": "Dusk", **place}]})
    assert [(track.external_id, track.position) for track in found] == [
        ("ada lov/first light/1", 1),
        ("ada lov/first light/2", 2),
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"tags": {"tag": [{"name": "Rock"}, {"name": "folk"}, {"name": "ROCK"}]}}, ("folk", "rock")),
        ({"toptags": {"tag": {"name": "Folk", "count": 100}}}, ("folk",)),
        ({"tags": {"tag": [{"name": "albums I own"}, {"name": "Ada Lov"}, {"name": "first light"}]}}, ()),
        ({"tags": ""}, ()),
        ({"tags": {"#text": "\n", "artist": "Ada Lov"}}, ()),
        ({"tags": {"tag": [{"name": None}, {}]}}, ()),
    ],
)
def test_tags_are_genres_unless_they_name_the_album_or_a_shelf(
    tags: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert release(**tags).genres == expected
    assert release().genres == ReleaseRecord(external_id="", title="").genres


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    6 Apr 1999, 00:00", "1999-04-06"),
        ("13 September 2005, 00:00", "2005-09-13"),
        ("1999-04", "1999-04"),
        ("    ", None),
        ("soon", None),
        (None, None),
    ],
)
def test_dates_are_written_out(text: str | None, expected: str | None) -> None:
    assert release(releasedate=text).released == expected


def test_names_are_ids_in_any_case() -> None:
    loud = release(name="FIRST LIGHT", artist={"name": "ADA LOV", "mbid": None})
    assert loud.external_id == release().external_id == "ada lov/first light"
    assert release(artist="AC/DC", name="50%").external_id == "ac%2fdc/50%25"


def test_a_musicbrainz_id_is_nobodys_id() -> None:
    mbid = "ddb3168d-66a9-4b2d-af02-05278da8a23d"
    assert release(mbid=mbid) == release(mbid="") == release()


def test_counts_are_not_read() -> None:
    assert release(playcount="1", listeners=7) == release(playcount=2)


def test_a_list_that_nobody_follows_is_not_gone_on_with() -> None:
    listed = {"topalbums": {"album": [ALBUM], "@attr": {"page": "1", "totalPages": "9"}}}
    assert parse(listed, method="tag.getTopAlbums").requests == ()
    assert parse(listed, method="artist.getTopAlbums", page="many").requests == ()
    followed = parse(listed, method="artist.getTopAlbums", page="1")
    assert [request.params["page"] for request in followed.requests] == ["2"]
    assert followed.records == ()


@pytest.mark.parametrize("pages", [None, "", 1, "1", 0])
def test_paging_ends_with_the_last_page(pages: object) -> None:
    listed = {"topalbums": {"album": [], "@attr": {"totalPages": pages}}}
    assert parse(listed, method="artist.getTopAlbums", page="1").following is None


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("http://www.last.fm/music/Florence+%2B+the+Machine/Lungs", "Florence + the Machine/Lungs"),
        ("https://www.last.fm/de/music/Ada+Lov/First+Light?x=1", "Ada Lov/First Light"),
        (" Ada  Lov / First Light ", "Ada Lov/First Light"),
        ("http://[x/music/Ada+Lov/First+Light#y", "Ada Lov/First Light"),
        ("AC%2fDC/Back in Black", "AC%2FDC/Back in Black"),
        ("Björk/Début 100%", "Björk/Début 100%25"),
    ],
)
def test_a_release_is_followed_by_its_names_or_its_address(given: str, key: str) -> None:
    assert ADAPTER.normalise_key("release", given) == key
    assert ADAPTER.normalise_key("release", key) == key


def test_names_are_asked_for_as_they_are() -> None:
    [request] = ADAPTER.plan(Scope(kind="release", key="AC%2FDC/100%25 Pure"), "full")
    assert (request.params["artist"], request.params["album"]) == ("AC/DC", "100% Pure")


@pytest.mark.parametrize("status", [404, 410])
def test_a_method_that_is_gone_names_the_setting(status: int) -> None:
    found = ADAPTER.stated_error("GET /2.0/", status, b"gone")
    assert isinstance(found, Permanent)
    assert "base URL" in str(found)


def test_a_refusal_says_what_was_answered() -> None:
    found = ADAPTER.stated_error("GET /2.0/", 403, b'{"error":10,"message":"Invalid API key - get one"}')
    assert isinstance(found, Refused)
    assert "Invalid API key - get one (code 10): the credential was refused" in str(found)


@pytest.mark.parametrize("code", ["", "x", "9" * 5000, True, "\u00b2"])
def test_a_code_that_is_none_is_an_error_all_the_same(code: object) -> None:
    found = ADAPTER.stated_error("GET /2.0/", 400, json.dumps({"error": code, "message": "because"}).encode())
    assert found is None or "because" in str(found)
