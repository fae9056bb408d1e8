"""What changes at almost every answer of a provider is not read, so that it is no change."""

import json
from typing import Any

import pytest

from musicsync.providers import registry
from musicsync.records import Page, Request, Response

TIDAL_TRACK = {"id": "31", "type": "tracks", "attributes": {"title": "Dawn"}}
DEEZER_ALBUM = {"type": "album", "id": 21, "title": "First Light"}


def read(adapter: str, path: str, body: dict[str, Any]) -> Page:
    return registry.get(adapter).parse(
        Request(path=path), Response(status=200, headers={}, body=json.dumps(body).encode(), url="")
    )


@pytest.mark.parametrize(
    ("adapter", "path", "body", "volatile"),
    [
        (
            "deezer",
            "track/31",
            {"type": "track", "id": 31, "title": "Dawn"},
            {"rank": 5, "preview": "x?signed", "readable": False},
        ),
        ("deezer", "album/21", DEEZER_ALBUM, {"fans": 9, "cover": "x", "genre_id": -1, "available": False}),
        (
            "spotify",
            "tracks/a",
            {"type": "track", "id": "a", "name": "Dawn"},
            {"popularity": 7, "preview_url": "x?signed"},
        ),
        (
            "spotify",
            "artists/a",
            {"type": "artist", "id": "a", "name": "Ada"},
            {"popularity": 7, "followers": {"total": 8}},
        ),
        (
            "musicbrainz",
            "recording/x",
            {"id": "0" * 8 + "-0000-4000-8000-" + "0" * 12, "title": "x"},
            {"rating": 4, "tags": [1]},
        ),
    ],
)
def test_what_changes_at_almost_every_answer_is_not_read(
    adapter: str, path: str, body: dict[str, Any], volatile: dict[str, Any]
) -> None:
    page = read(adapter, path, body)
    assert page.records
    assert read(adapter, path, body | volatile) == page


def test_popularity_and_availability_at_tidal_are_not_read() -> None:
    changed = {"title": "Dawn", "popularity": 0.5, "availability": ["STREAM"], "mediaTags": ["LOSSLESS"]}
    page = read("tidal", "tracks/31", {"data": TIDAL_TRACK})
    assert page.records
    assert read("tidal", "tracks/31", {"data": TIDAL_TRACK | {"attributes": changed}}) == page
