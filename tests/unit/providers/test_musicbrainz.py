"""MusicBrainz' quirks that no body tells of."""

import json
from unittest.mock import Mock

import pytest

from musicsync.providers import musicbrainz, registry
from musicsync.records import ArtistRecord, Credit, Request, Response, TrackRecord


def mbid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def test_a_credit_that_tracks_share_is_read_once_and_another_name_of_the_artist_is_another_credit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = {"id": mbid(1), "name": "Ada"}
    names = ["Ada", "Ada", "A. Lov"]
    tracks = [
        {
            "id": mbid(10 + at),
            "title": "Dawn",
            "position": at,
            "recording": {"id": mbid(20 + at), "title": "Dawn"},
            "artist-credit": [{"name": name, "artist": ada}],
        }
        for at, name in enumerate(names)
    ]
    body = {"id": mbid(2), "title": "First Light", "media": [{"tracks": tracks}]}
    read = Mock(wraps=musicbrainz._artist_record)
    monkeypatch.setattr(musicbrainz, "_artist_record", read)
    page = registry.get("musicbrainz").parse(
        Request(path=f"release/{mbid(2)}"), Response(status=200, headers={}, body=json.dumps(body).encode(), url="")
    )
    said = [record.credits for record in page.records if isinstance(record, TrackRecord)]
    assert said == [(Credit(name=name, artist_id=mbid(1)),) for name in names]
    assert [record for record in page.records if isinstance(record, ArtistRecord)] == [
        ArtistRecord(external_id=mbid(1), name="Ada")
    ]
    assert read.call_count == 2
