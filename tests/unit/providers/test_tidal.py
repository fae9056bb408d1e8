"""TIDAL's quirks that no body tells of."""

import json
from unittest.mock import Mock

import pytest

from musicsync.providers import registry, tidal
from musicsync.providers.base import BadOptions, Scope
from musicsync.records import Credit, Page, Request, Response, TrackRecord

TIDAL = registry.get("tidal")


def read(**attributes: object) -> Page:
    body = {"data": {"id": "31", "type": "tracks", "attributes": {"title": "Dawn", **attributes}}}
    return TIDAL.parse(
        Request(path="tracks/31"), Response(status=200, headers={}, body=json.dumps(body).encode(), url="")
    )


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("PT3M5S", 185_000),
        ("PT45S", 45_000),
        ("PT1H", 3_600_000),
        ("PT1H0M1S", 3_601_000),
        ("PT62M", 3_720_000),
        ("PT0.25S", 250),
        ("PT1.0009S", 1000),
        ("PT0S", None),
        (None, None),
    ],
)
def test_a_duration_is_read_to_the_millisecond(text: str | None, milliseconds: int | None) -> None:
    assert read(duration=text).records == (TrackRecord(external_id="31", title="Dawn", duration_ms=milliseconds),)


def test_the_form_of_a_copyright_says_nothing() -> None:
    assert read(copyright="x") == read(copyright={"text": "x"}) == read()


def test_json_api_is_asked_for() -> None:
    assert TIDAL.accept == "application/vnd.api+json"


def test_a_credit_that_tracks_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    credited = {"artists": {"data": [{"id": "7", "type": "artists"}]}}
    body = {
        "data": [{"id": key, "type": "tracks"} for key in ("31", "32")],
        "included": [
            {"id": "7", "type": "artists", "attributes": {"name": "Ada"}},
            *(
                {"id": key, "type": "tracks", "attributes": {"title": "Dawn"}, "relationships": credited}
                for key in ("31", "32")
            ),
        ],
    }
    read = Mock(wraps=tidal._read_credits)
    monkeypatch.setattr(tidal, "_read_credits", read)
    request = Request(path="albums/1/relationships/items")
    page = TIDAL.parse(request, Response(status=200, headers={}, body=json.dumps(body).encode(), url=""))
    said = [record.credits for record in page.records if isinstance(record, TrackRecord)]
    assert said == [(Credit(name="Ada", artist_id="7"),)] * 2
    assert read.call_count == 1


def test_the_country_is_an_option_and_the_us_without_one() -> None:
    for options, country in (({}, "US"), ({"country": "gb"}, "GB")):
        adapter = TIDAL.configured(options)
        assert [request.params["countryCode"] for request in adapter.plan(Scope(kind="artist", key="1"), "full")] == [
            country
        ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"country": "GBR"}, "country: is no code of two letters"),
        ({"country": None}, "country: is no code of two letters"),
        ({"market": "GB"}, "market: there is no such option"),
    ],
)
def test_other_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(BadOptions, match=said):
        TIDAL.configured(options)
