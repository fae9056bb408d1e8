import json

import pytest

from musicsync.providers.base import Scope
from musicsync.providers.jamendo import Jamendo
from musicsync.records import Gone, Page, Permanent, Refused, ReleaseRecord, Request, Response, TrackRecord

ADAPTER = Jamendo()
TRACK = {"id": "31", "name": "Dawn", "duration": 201, "album_id": "21", "album_name": "First Light", "position": 1}


def parse(request: Request, *results: object, date: str = "", **head: object) -> Page:
    body = json.dumps({"headers": {"status": "success", "code": 0, **head}, "results": results}).encode()
    return ADAPTER.parse(request, Response(status=200, headers={"date": date} if date else {}, body=body, url=""))


def track(**values: object) -> TrackRecord:
    [found] = [r for r in parse(ADAPTER.probe(), TRACK | values).records if isinstance(r, TrackRecord)]
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"duration": 201}, 201_000),
        ({"duration": "201"}, 201_000),
        ({"duration": 0}, None),
        ({"duration": "0"}, None),
        ({"duration": ""}, None),
        ({"duration": None}, None),
    ],
)
def test_a_duration_is_a_number_or_a_text(values: dict[str, object], expected: int | None) -> None:
    assert track(**values).duration_ms == expected


def test_a_name_that_was_wrapped_is_one_line() -> None:
    assert track(name="Dawn [\n        High  Noon\n      ]      ").title == "Dawn [ High  Noon ]"


def test_an_id_has_one_form() -> None:
    assert track(id=31, album_id=21) == track(id="31", album_id="21")


@pytest.mark.parametrize("album_id", ["", "0", 0, None])
def test_a_single_stands_on_no_release(album_id: object) -> None:
    single = track(album_id=album_id, position=7)
    assert single == TrackRecord(external_id="31", title="Dawn", duration_ms=201_000)


def test_what_differs_at_every_answer_is_not_read() -> None:
    now, later = ({"audio": f"https://a.example/?from={n}", "stats": {"rate_listened_total": n}} for n in (1, 2))
    assert track(**now) == track(**later)


@pytest.mark.parametrize(
    "waveform", ['{"peaks":[1,2]}', '{\n "peaks":[\n 1\n ]\n }\n', "", None, "}", '{"a":"{', '{"peaks":[], "a":1}']
)
def test_whatever_the_waveform_is_the_rest_is_read(waveform: str | None) -> None:
    assert track(waveform=waveform, zip_allowed=True) == track()
    request = ADAPTER.probe()
    page = parse(request, {"waveform": waveform, **TRACK}, {**TRACK, "id": "32", "waveform": waveform})
    assert [r.external_id for r in page.records if r.kind == "track"] == ["31", "32"]


def test_a_link_to_the_next_page_gives_where_to_go_on_and_nothing_else() -> None:
    request = Request(path="tracks/", params={"format": "json", "limit": "200", "offset": "0", "artist_id": "11"})
    link = "https://elsewhere.example/v9/coffee/?client_id=0ff1ce&limit=5&offset=150&artist_id=12"
    following = parse(request, TRACK, next=link).following
    assert following == Request(path="tracks/", params=request.params | {"offset": "140"})


@pytest.mark.parametrize("link", ["https://x.example/?offset=0", "https://x.example/?offset=-1", "?offset=", "[", "x"])
def test_a_link_that_leads_nowhere_is_shown_without_its_client_id(link: str) -> None:
    request = Request(path="tracks/", params={"limit": "1", "offset": "0"})
    page = parse(request, TRACK, next=link)
    assert page.following is None
    assert [item.path for item in page.rejected] == ["$.headers.next"]


def test_items_that_are_refused_count_as_received() -> None:
    request = Request(path="tracks/", params={"limit": "2", "offset": "0"})
    assert parse(request, TRACK, {"id": "nonsense"}).following is not None
    assert parse(request, TRACK).following is None


@pytest.mark.parametrize(
    ("date", "expected"), [("Sat, 18 May 2019 00:00:01 GMT", "2019-05-17"), ("", "2091-01-01"), ("soon", "2091-01-01")]
)
def test_a_release_that_is_dated_ahead_of_the_answer_is_no_watermark(date: str, expected: str) -> None:
    [request] = ADAPTER.plan(Scope(kind="feed"), "full")
    albums = [{"id": n, "name": "x", "releasedate": day} for n, day in enumerate(("2091-01-01", "2019-05-17", ""), 1)]
    assert parse(request, *albums, date=date).watermark == expected


def test_an_incremental_feed_asks_for_what_is_dated_from_the_watermark_on() -> None:
    scope = Scope(kind="feed", watermark="2019-05-17")
    [request] = ADAPTER.plan(scope, "incremental")
    assert request.params["datebetween"] == "2019-05-17_9999-12-31"
    [tracks] = parse(request).follow_ups
    assert (tracks.path, tracks.params["datebetween"]) == ("tracks/", "2019-05-17_9999-12-31")
    assert all("datebetween" not in first.params for first in ADAPTER.plan(scope, "full"))


def test_tags_are_the_genres_of_a_release_each_once() -> None:
    album = {"id": 1, "name": "x", "musicinfo": {"tags": ["rock", None, "folk", "rock", " "]}}
    [release] = parse(Request(path="albums/musicinfo"), album).records
    assert release == ReleaseRecord(external_id="1", title="x", genres=("folk", "rock"))
    [untold] = parse(Request(path="albums/musicinfo"), album | {"musicinfo": []}).records
    assert untold == ReleaseRecord(external_id="1", title="x")


def test_an_id_that_is_not_there_is_gone_and_a_list_without_items_is_not() -> None:
    with pytest.raises(Gone, match="none with the id 9"):
        parse(Request(path="tracks/", params={"id": "9"}))
    assert parse(Request(path="tracks/", params={"album_id": "9"})) == Page()


@pytest.mark.parametrize(("status", "error"), [(404, Permanent), (410, Permanent)])
def test_a_method_that_is_gone_names_the_setting(status: int, error: type[Exception]) -> None:
    found = ADAPTER.stated_error("GET /tracks/", status, b"<html></html>")
    assert type(found) is error
    assert "base URL" in str(found)


def test_a_refusal_says_what_was_answered() -> None:
    body = b'{"headers":{"status":"failed","code":5,"error_message":"Your credential is not authorized."},"results":[]}'
    found = ADAPTER.stated_error("GET /tracks/", 200, body)
    assert isinstance(found, Refused)
    assert "Your credential is not authorized. (code 5): the credential was refused" in str(found)


@pytest.mark.parametrize("code", ["", "x", "9" * 5000, True, "\u00b2"])
def test_a_code_that_is_none_is_an_error_all_the_same(code: object) -> None:
    head = {"status": "failed", "code": code, "error_message": "because"}
    found = ADAPTER.stated_error("GET /tracks/", 400, json.dumps({"headers": head}).encode())
    assert found is None or "because" in str(found)
