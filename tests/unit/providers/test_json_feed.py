import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from musicsync.providers import registry
from musicsync.providers.base import BadOptions, Scope
from musicsync.providers.json_feed import JsonFeed, items
from musicsync.providers.json_feed.durations import milliseconds
from musicsync.providers.json_feed.options import EXAMPLE
from musicsync.providers.outcomes import error_of
from musicsync.records import ArtistRecord, Credit, MusicsyncError, Page, Permanent, Request, Response, TrackRecord

GUIDE = Path(__file__).parents[3] / "docs" / "generic-feeds.md"
BASE: dict[str, Any] = {"path": "songs", "items": "items", "track": {"id": "id", "title": "title"}}
ITEMS = [{"id": 1, "title": "Dawn"}, {"id": 2, "title": "Dusk"}]


def made(**options: object) -> JsonFeed:
    adapter = registry.get("json-feed").configured(BASE | options)
    assert isinstance(adapter, JsonFeed)
    return adapter


def parse(
    adapter: JsonFeed, body: object, request: Request | None = None, url: str = "https://a.example/songs"
) -> Page:
    return adapter.parse(
        request or adapter.probe(), Response(status=200, headers={}, body=json.dumps(body).encode(), url=url)
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"items": "a.[b"}, "items: 'a.[b' is no JMESPath: "),
        ({"items": ""}, "items: Expected a JMESPath of 1 to 500 characters."),
        ({"items": "(" * 499}, "items: '(((((("),
        ({"path": "/songs"}, "path: "),
        ({"path": "songs?x=1"}, "path: "),
        ({"colour": 1}, "colour: there is no such option; there are path, items, "),
        ({"track": {"title": "t"}}, "track.id: is missing."),
        ({"track": 5}, "track: is no object of names and values."),
        ({"track": {"id": "id", "title": "t", "mood": "m"}}, "track.mood: there is no such option"),
        ({"paging": {"style": "cursor"}}, "paging: Object missing required field `next`."),
        ({"paging": {"style": "cursor", "next": "]"}}, "paging.next: ']' is no JMESPath: "),
        (
            {"paging": {"style": "scroll"}},
            "paging.style: Invalid value 'scroll'; there are offset, page, cursor, link.",
        ),
        ({"auth": {"in": "body"}}, "auth.in: Invalid value 'body'; there are header, query."),
        ({"auth": {"in": "header", "name": "X Key"}}, "auth.name: "),
        ({"duration": "min"}, "duration: Invalid enum value 'min'; there are ms, s, m:ss, iso8601."),
        ({"params": {"api_key": "x"}}, "params.api_key: is no place for a credential"),
        ({"params": {"X-Auth-Token": "x"}}, "params.X-Auth-Token: is no place for a credential"),
        ({"auth": {"in": "header", "scheme": "Bearer s3cret"}}, "auth.scheme: "),
        ({"auth": {"in": "header", "name": "Host"}}, "auth.name: Host is a header of HTTP itself: name that of the "),
        ({"params": {"limit": 5}}, "params[...]: Expected `str`, got `int`."),
        ({"track": {"id": "id", "title": "t", "artists": "a"}}, "artist: is missing: say where"),
    ],
)
def test_a_mistake_in_the_options_is_one_line_that_names_it(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadOptions) as raised:
        made(**wrong)
    [line] = raised.value.mistakes
    assert line.startswith(said)
    assert "\n" not in line


@pytest.mark.parametrize(
    "options", [{"params": {"token": "s3cret"}}, {"auth": {"in": "header", "scheme": "Key s3cret"}}]
)
def test_a_credential_among_the_options_is_refused_and_not_repeated(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptions, match=r"MUSICSYNC_CREDENTIAL_<SLUG>|auth\.scheme") as raised:
        made(**options)
    assert "s3cret" not in str(raised.value)


def test_parameters_that_only_sound_like_a_credential_are_taken() -> None:
    assert made(params={"keywords": "a", "monkey": "b", "author": "c", "design": "d"}).probe().params["monkey"] == "b"


def test_without_options_nothing_can_be_asked() -> None:
    with pytest.raises(BadOptions, match=r"path: is missing\. items: is missing\. track: is missing\."):
        registry.get("json-feed").configured({})
    with pytest.raises(MusicsyncError, match="set them"):
        registry.get("json-feed").probe()


def test_an_adapter_that_takes_no_options_says_so() -> None:
    feed = registry.get("feed")
    assert feed.configured({}) is feed
    with pytest.raises(BadOptions, match="Bulk feed takes none"):
        feed.configured(BASE)


def test_other_options_are_another_parser_and_the_same_are_the_same() -> None:
    assert made() is made()
    assert made().parser_version != made(duration="s").parser_version


def test_the_credential_travels_where_the_options_say() -> None:
    assert made().auth_headers("k") == {"Authorization": "Bearer k"}
    assert made(auth={"in": "header", "name": "X-Key", "scheme": ""}).auth_headers("k") == {"X-Key": "k"}
    by_query = made(auth={"in": "query", "name": "key"})
    assert (by_query.auth_headers("k"), by_query.auth_params("k")) == ({}, {"key": "k"})


def test_an_incremental_pass_asks_from_the_watermark_on() -> None:
    adapter = made(incremental={"watermark": "now", "param": "after"})
    scope = Scope(kind="feed", watermark="w7")
    assert [request.key for request in adapter.plan(scope, "incremental")] == ["songs?after=w7"]
    assert [request.key for request in adapter.plan(scope, "full")] == ["songs"]
    assert parse(adapter, {"items": [], "now": "w8"}).watermark == "w8"


@pytest.mark.parametrize(
    ("paging", "body", "keys"),
    [
        ({"style": "offset"}, {}, ["songs?offset=0", "songs?offset=2"]),
        ({"style": "offset", "total": "n"}, {"n": 3}, ["songs?offset=0", "songs?offset=2"]),
        ({"style": "offset", "total": "n"}, {"n": 2}, ["songs?offset=0"]),
        ({"style": "offset", "first": 1, "total": "n"}, {"n": "2"}, ["songs?offset=1"]),
        ({"style": "page", "param": "p"}, {}, ["songs?p=1", "songs?p=2"]),
        ({"style": "page", "first": 0, "pages": "n"}, {"n": 2}, ["songs?page=0", "songs?page=1"]),
        ({"style": "page", "pages": "n"}, {"n": 1}, ["songs?page=1"]),
        ({"style": "cursor", "next": "n"}, {"n": 77}, ["songs", "songs?cursor=77"]),
        ({"style": "cursor", "next": "n"}, {"n": ""}, ["songs"]),
        ({"style": "link", "next": "n"}, {"n": "?page=2&q=a%20b"}, ["songs", "songs?page=2&q=a b"]),
        ({"style": "link", "next": "n"}, {"n": "https://a.example/songs?page=2"}, ["songs", "songs?page=2"]),
        ({"style": "link", "next": "n"}, {}, ["songs"]),
        (None, {}, ["songs"]),
    ],
)
def test_each_style_of_paging_leads_on(paging: object, body: dict[str, object], keys: list[str]) -> None:
    adapter = made(paging=paging)
    page = parse(adapter, {"items": ITEMS} | body)
    assert [adapter.probe().key, *(request.key for request in page.requests)] == keys


@pytest.mark.parametrize("style", ["offset", "page"])
def test_an_empty_page_is_the_last(style: str) -> None:
    assert parse(made(paging={"style": style}), {"items": []}).requests == ()


def test_the_second_page_leads_to_the_third() -> None:
    adapter = made(paging={"style": "offset"}, params={"limit": "2"})
    second = Request(path="songs", params={"limit": "2", "offset": "2"})
    following = parse(adapter, {"items": ITEMS}, second).following
    assert following is not None
    assert following.params == {"limit": "2", "offset": "4"}


@pytest.mark.parametrize("paging", [{"style": "offset"}, {"style": "page"}])
def test_a_provider_that_answers_the_same_page_for_ever_is_told_at_the_second(paging: dict[str, str]) -> None:
    adapter = made(paging=paging)
    second = parse(adapter, {"items": ITEMS}).following
    assert second is not None
    played = [item | {"plays": 5} for item in ITEMS]
    with pytest.raises(Permanent, match=r"holds the same items .* correct the option paging\.param"):
        parse(adapter, {"items": played}, second)
    assert parse(adapter, {"items": ITEMS[:1]}, second).following is not None
    assert parse(adapter, {"items": []}, second).following is None


def test_pages_whose_items_have_no_id_where_the_options_look_for_it_are_not_taken_for_one_page() -> None:
    adapter = made(track={"id": "uid", "title": "title"}, paging={"style": "page"})
    second = parse(adapter, {"items": ITEMS}).following
    assert second is not None
    page = parse(adapter, {"items": [{"id": 3, "title": "Noon"}, {"id": 4, "title": "Night"}]}, second)
    assert [item.reason.partition(" (")[0] for item in page.rejected] == ["track.id"] * 2


@pytest.mark.parametrize("style", ["offset", "page"])
def test_a_page_is_held_against_the_total_of_the_page_before(style: str) -> None:
    page = parse(made(paging={"style": style, "total": "n"}), {"items": ITEMS, "n": 5})
    assert page.total == 5
    assert page.following is not None
    assert page.following.before is not None
    assert page.following.before.total == 5


@pytest.mark.parametrize(
    "link", ["https://b.example/songs?page=2", "//b.example/songs?p=2", "other?p=2", "http://[x", [5]]
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: object) -> None:
    with pytest.raises(Permanent, match=r"is not followed|is no URL|paging\.next") as raised:
        parse(made(paging={"style": "link", "next": "n"}), {"items": ITEMS, "n": link})
    assert "example" not in str(raised.value)


def test_a_credential_in_a_link_is_left_out() -> None:
    adapter = made(paging={"style": "link", "next": "n"}, auth={"in": "query", "name": "key"})
    page = parse(adapter, {"items": ITEMS, "n": "?key=s3cret&page=2"})
    assert page.following == Request(path="songs", params={"page": "2"})


def test_a_field_that_is_not_mapped_is_unset_and_artists_may_be_bare_names() -> None:
    adapter = made(track={"id": "id", "title": "title", "artists": "by"}, artist={"name": "@"})
    page = parse(adapter, {"items": [{"id": "x", "title": "Dawn", "by": ["Ada", "Bén"]}]})
    said = (Credit(name="Ada", join_phrase=", "), Credit(name="Bén"))
    assert page.records == (TrackRecord(external_id="x", title="Dawn", credits=said),)


def test_one_artist_may_stand_where_a_list_is_expected() -> None:
    adapter = made(track={"id": "id", "title": "title", "artists": "by"}, artist={"id": "id", "name": "name"})
    page = parse(adapter, {"items": [{"id": "x", "title": "Dawn", "by": {"id": 7, "name": "Ada"}}]})
    assert page.records[0] == ArtistRecord(external_id="7", name="Ada")


def test_a_rejected_item_names_field_expression_and_reason() -> None:
    adapter = made(track={"id": "id", "title": "title", "isrcs": "join(',', codes)"})
    page = parse(adapter, {"items": [{"id": 1, "title": 5}, {"id": 1, "title": "x", "codes": 5}]})
    assert [(item.path, item.reason.partition(" (")[0]) for item in page.rejected] == [
        ("$.items[0]", "track.title"),
        ("$.items[1]", "track.isrcs"),
    ]
    assert page.rejected[0].reason == "track.title (`title`): Expected `str`, got `int`"


@pytest.mark.parametrize(
    ("unit", "given", "expected"),
    [
        ("ms", 201500, 201500),
        ("ms", "201500", 201500),
        ("ms", 0, None),
        ("s", 201.5, 201500),
        ("s", "201", 201000),
        ("s", "", None),
        ("m:ss", "3:32", 212000),
        ("m:ss", "1:02:03", 3723000),
        ("iso8601", "PT3M21.5S", 201500),
        ("iso8601", None, None),
    ],
)
def test_durations_in_each_unit(unit: str, given: object, expected: int | None) -> None:
    assert milliseconds(given, unit) == expected


@pytest.mark.parametrize(
    ("unit", "given"),
    [
        ("ms", 1.5),
        ("ms", -1),
        ("ms", True),
        ("s", "x"),
        ("s", float("nan")),
        ("s", -1),
        ("s", 1e300),
        ("s", True),
        ("s", []),
        ("m:ss", 3),
        ("m:ss", "3.32"),
        ("iso8601", "PT"),
        ("iso8601", "3:32"),
    ],
)
def test_what_is_no_duration_is_refused(unit: str, given: object) -> None:
    with pytest.raises(ValueError, match=f"is no duration in {unit}"):
        milliseconds(given, unit)


def test_the_example_in_the_admin_and_the_one_in_the_guide_can_be_used() -> None:
    assert registry.get("json-feed").configured(EXAMPLE).probe().key == "v2/catalogue?per_page=100"
    chapter = GUIDE.read_text(encoding="utf-8").partition("## Files")[0]
    options, answer = map(json.loads, re.findall(r"```json\n(.*?)```", chapter, re.DOTALL))
    adapter = registry.get("json-feed").configured(options)
    assert isinstance(adapter, JsonFeed)
    page = parse(adapter, answer)
    assert (len(page.records), page.rejected) == (3, ())
    assert page.following == Request(path="v2/catalogue", params={"per_page": "100", "after": "c2"})


RELEASED: dict[str, Any] = {
    "track": {"id": "id", "title": "title", "artists": "by"},
    "release": {"id": "album.id", "title": "album.title", "explicit": "album.explicit", "artists": "album.by"},
    "artist": {"id": "id", "name": "name"},
}
ALBUM: dict[str, Any] = {"id": "r", "title": "First Light", "explicit": True, "by": [{"id": 1, "name": "Ada"}]}


def on_album(number: int, **album: Any) -> dict[str, Any]:
    return {"id": number, "title": "Dawn", "by": ALBUM["by"], "album": ALBUM | album}


def test_a_release_and_a_credit_that_items_repeat_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, credited = Mock(wraps=items.ReleaseRecord), Mock(wraps=items.Credit)
    monkeypatch.setattr(items, "ReleaseRecord", read)
    monkeypatch.setattr(items, "Credit", credited)
    page = parse(made(**RELEASED), {"items": [on_album(1), on_album(2), on_album(3, title="Second Light")]})
    assert [(record.kind, record.external_id) for record in page.records] == [
        ("artist", "1"),
        ("release", "r"),
        *(("track", str(number)) for number in (1, 2, 3)),
    ]
    assert (read.call_count, credited.call_count) == (2, 1)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({"explicit": True}, {"explicit": 1}),
        ({"explicit": None}, {"explicit": float("nan")}),
        ({"by": [{"id": 1, "name": "Ada"}]}, {"by": [{"id": True, "name": "Ada"}]}),
    ],
)
def test_what_is_like_another_value_and_yet_none_is_refused(right: dict[str, Any], wrong: dict[str, Any]) -> None:
    page = parse(made(**RELEASED), {"items": [on_album(1, **right), on_album(2, **wrong)]})
    assert [item.path for item in page.rejected] == ["$.items[1]"]


def test_what_a_rejected_item_says_first_is_said_by_the_next() -> None:
    page = parse(made(**RELEASED), {"items": [on_album(1) | {"title": None}, on_album(2)]})
    assert [record.kind for record in page.records] == ["artist", "release", "track"]
    assert [item.path for item in page.rejected] == ["$.items[0]"]


def test_what_is_not_read_of_an_artist_may_be_a_number_of_any_length() -> None:
    page = parse(made(**RELEASED), {"items": [on_album(1, by=[{"id": 1, "name": "Ada", "plays": 10**30}])]})
    assert (len(page.records), page.rejected) == (3, ())


def test_an_item_may_be_nested_as_deeply_as_can_be_decoded() -> None:
    adapter = made(items="@", track={"id": "'x'", "title": "'Dawn'", "artists": "@"}, artist={"name": "'Ada'"})
    outcomes = set()
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        body = b"[" * depth + b"]" * depth
        try:
            page = adapter.parse(adapter.probe(), Response(status=200, headers={}, body=body, url=""))
        except Permanent:
            outcomes.add("refused")
        else:
            outcomes.add(page.records[0].external_id)
    assert outcomes == {"x", "refused"}


@pytest.mark.parametrize("status", [404, 410])
def test_a_feed_that_is_not_there_is_a_wrong_setting_and_nothing_is_gone(status: int) -> None:
    error = error_of(made(), "GET /songs", status, {}, b"no such page", now=datetime.now(UTC))
    assert type(error) is Permanent
    assert str(error) == (
        f"GET /songs: {status} no such page: there is no such feed: correct the base URL or the option path"
    )
