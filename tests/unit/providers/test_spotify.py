"""Spotify's quirks that no body tells of."""

import json
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from musicsync.providers import registry
from musicsync.providers.outcomes import error_of
from musicsync.providers.spotify import reading
from musicsync.records import Gone, Page, Permanent, ProviderError, Refused, Request, Response, TrackRecord, Transient

SPOTIFY = registry.get("spotify")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def error(path: str, status: int) -> ProviderError:
    return error_of(SPOTIFY, f"GET /{path}", status, {}, b'{"error": {"status": 403, "message": "no"}}', now=NOW)


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("path", ["tracks", "browse/new-releases"])
def test_a_withdrawn_list_is_told_with_the_setting(path: str, status: int) -> None:
    found = error(path, status)
    assert type(found) is Permanent
    assert f"GET /{path}: {status} no: not open to apps in development mode: set MUSICSYNC_CREDENTIAL_" in str(found)
    assert "--adapter spotify-development" in str(found)


@pytest.mark.parametrize(("path", "status", "kind"), [("tracks/x", 404, Gone), ("tracks/x", 403, Refused)])
def test_what_was_not_withdrawn_is_refused_or_gone_as_ever(path: str, status: int, kind: type[ProviderError]) -> None:
    assert type(error(path, status)) is kind


def test_an_old_token_is_told_from_a_forbidden_request() -> None:
    for status, unauthorized in ((401, True), (403, False)):
        found = error("artists/x", status)
        assert isinstance(found, Refused)
        assert found.unauthorized is unauthorized


def track(markets: str) -> Page:
    body = f'{{"type": "track", "id": "a", "name": "Dawn", "popularity": 1{markets}}}'
    return SPOTIFY.parse(Request(path="tracks/a"), Response(status=200, headers={}, body=body.encode(), url=""))


@pytest.mark.parametrize(
    ("markets", "territories"),
    [
        (', "available_markets": ["US", "DE"]', ("DE", "US")),
        (', "available_markets": ["DE", "US", "DE"]', ("DE", "US")),
        (', "available_markets": []', ()),
        (', "available_markets": null', None),
    ],
)
def test_the_order_of_markets_says_nothing(markets: str, territories: tuple[str, ...] | None) -> None:
    assert track(markets).records == (TrackRecord(external_id="a", title="Dawn", territories=territories),)


def test_no_list_of_markets_leaves_what_is_known() -> None:
    assert track("").records == (TrackRecord(external_id="a", title="Dawn"),)


def test_ids_that_differ_in_case_are_two() -> None:
    asked = Request(path="tracks/A")
    body = b'{"type": "track", "id": "a", "name": "Dawn"}'
    page = SPOTIFY.parse(asked, Response(status=200, headers={}, body=body, url=""))
    assert [(merged.old, merged.new) for merged in page.merged] == [("A", "a")]


@pytest.mark.parametrize(
    "markets",
    [
        ', "available_markets" :\n [\n\t"US" ,\r\n "DE"\n]',
        ', "available_markets":["US","DE"]',
        ', "available_markets": ["US, DE"]',
    ],
)
def test_markets_are_read_in_any_layout(markets: str) -> None:
    assert track(markets).records == (TrackRecord(external_id="a", title="Dawn", territories=("DE", "US")),)


@pytest.mark.parametrize("markets", ["5", '"DE"', "[5]", "[null]", "{}", "[[]]"])
def test_what_is_no_list_of_markets_is_refused(markets: str) -> None:
    with pytest.raises(Permanent, match="available_markets"):
        track(f', "available_markets": {markets}')


def test_a_market_with_a_bracket_in_it_ends_no_list() -> None:
    [record] = track(', "available_markets": ["DE]", "US"]').records
    assert record == TrackRecord(external_id="a", title="Dawn", territories=("DE]", "US"))


@pytest.mark.parametrize("markets", ["[DE]", '["DE",]', '["DE""US"]', '["DE", US]'])
def test_what_is_not_json_is_not_made_json(markets: str) -> None:
    with pytest.raises(Transient, match="not JSON"):
        track(f', "available_markets": {markets}')


def test_a_title_that_looks_like_a_list_of_markets_stays_as_it_is() -> None:
    title = '"available_markets": ["DE", "US"] \\"available_markets": ["DE"]'
    body = json.dumps({"type": "track", "id": "a", "name": title, "available_markets": ["FR"]}).encode()
    page = SPOTIFY.parse(Request(path="tracks/a"), Response(status=200, headers={}, body=body, url=""))
    assert page.records == (TrackRecord(external_id="a", title=title, territories=("FR",)),)


def test_an_album_that_tracks_repeat_is_read_once_whatever_the_order_of_its_markets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    album = {"id": "r", "name": "First Light", "artists": [{"id": "b", "name": "Ada"}]}
    tracks = [
        {
            "type": "track",
            "id": key,
            "name": "Dawn",
            "artists": album["artists"],
            "album": album | {"available_markets": m},
        }
        for key, m in (("a", ["DE", "US", "JP"]), ("c", ["JP", "DE", "US"]))
    ]
    read = Mock(wraps=reading._release)
    credited = Mock(wraps=reading._read_credits)
    monkeypatch.setattr(reading, "_release", read)
    monkeypatch.setattr(reading, "_read_credits", credited)
    body = json.dumps({"tracks": tracks}).encode()
    page = SPOTIFY.parse(Request(path="tracks"), Response(status=200, headers={}, body=body, url=""))
    assert [record.external_id for record in page.records] == ["b", "r", "a", "c"]
    assert (read.call_count, credited.call_count) == (1, 1)


@pytest.mark.parametrize("listed", ['["DE]", "US"]', '["de", "US"]', '[ "D E", "US" ]', '["DE" "US"]', '["D"E","U"S"]'])
def test_what_is_no_list_of_codes_is_read_as_it_stands(listed: str) -> None:
    try:
        expected = tuple(sorted(json.loads(listed)))
    except ValueError:
        with pytest.raises(Transient):
            track(f', "available_markets": {listed}')
    else:
        assert track(f', "available_markets": {listed}').records[0].territories == expected  # type: ignore[union-attr]
