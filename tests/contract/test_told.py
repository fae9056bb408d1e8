"""Answers whose address an index does not have, or that are none of a provider's."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from musicsync.providers import registry
from musicsync.records import Page, Permanent, RateLimited, Shed
from tests.contract import deezer, discogs, jamendo, musicbrainz, spotify, tidal, told
from tests.contract.recordings import Recording, answer, read, request_of, unasked

SPOTIFY_LIST = {"href": f"https://api.spotify.com/v1/albums/{spotify.ALBUM_ID}/tracks?offset=0&limit=2", "items": []}
COLUMNS = ("provider", "status", "method", "url", "headers", "file")


def index(folder: Path, *rows: tuple[str, ...], bodies: dict[str, bytes] | None = None) -> list[Recording]:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    for name, body in (bodies or {}).items():
        (folder / name).write_bytes(body)
    return list(read(folder))


@pytest.mark.parametrize(
    ("provider", "body", "path", "kind"),
    [
        ("spotify", spotify.ALBUM, f"albums/{spotify.ALBUM_ID}", "release"),
        ("spotify", spotify.WHOLE_TRACK, f"tracks/{spotify.DAWN_ID}", "track"),
        ("spotify", spotify.WHOLE_ARTIST, f"artists/{spotify.ADA_ID}", None),
        ("spotify", SPOTIFY_LIST, f"albums/{spotify.ALBUM_ID}/tracks", None),
        ("spotify", {"albums": SPOTIFY_LIST}, f"albums/{spotify.ALBUM_ID}/tracks", None),
        ("musicbrainz", musicbrainz.FULL, f"release/{musicbrainz.RELEASE}", "release"),
        ("musicbrainz", musicbrainz.SOUND, f"recording/{musicbrainz.RECORDING}", "track"),
        ("musicbrainz", {**musicbrainz.ADA, "gender": None}, f"artist/{musicbrainz.ARTIST}", None),
        ("musicbrainz", {"id": musicbrainz.LABEL, "label-code": 5}, f"label/{musicbrainz.LABEL}", None),
        ("musicbrainz", musicbrainz.PLACED, "", None),
        ("deezer", deezer.ALBUM, "", "release"),
        ("discogs", discogs.RELEASE, f"releases/{discogs.RELEASE['id']}", "release"),
        ("discogs", {"id": 7, "resource_url": "https://api.discogs.com/releases/7"}, "releases/7", "release"),
        ("discogs", {"id": 7, "tracklist": [], "versions_url": "x"}, "", None),
        ("tidal", {"data": tidal.ALBUM}, "albums/21", "release"),
        (
            "tidal",
            {"data": [], "links": {"self": "/albums/21/relationships/items?include=items"}},
            "albums/21/relationships/items",
            None,
        ),
        ("jamendo", {"results": [jamendo.LISTED]}, "tracks", None),
        ("jamendo", {"results": []}, "", None),
        ("lastfm", {"album": {}}, "", None),
    ],
)
def test_an_answer_tells_what_was_asked(provider: str, body: object, path: str, kind: str | None) -> None:
    raw = json.dumps(body).encode()
    assert told.kind(provider, raw) == kind
    if path:
        adapter = registry.get(provider)
        for url in ("", f"(inferred) {adapter.base_url}/ [saved.json]", f"{adapter.base_url}/?saved.json"):
            assert request_of(adapter, url, raw).path == path


def test_what_was_asked_counts_where_it_is_known() -> None:
    raw = json.dumps(spotify.WHOLE_TRACK).encode()
    asked = request_of(registry.get("spotify"), "https://api.spotify.com/v1/tracks/old?market=DE", raw)
    assert (asked.path, asked.params) == ("tracks/old", {"market": "DE"})
    assert request_of(registry.get("spotify"), "https://api.spotify.com/v1/me", b"<html>").path == "me"
    assert request_of(registry.get("spotify"), "https://[api", raw).path == f"tracks/{spotify.DAWN_ID}"


def test_a_store_may_stand_before_the_path() -> None:
    asked = request_of(registry.get("itunes"), "https://itunes.apple.com/gb/lookup?id=21")
    assert (asked.path, asked.params) == ("lookup", {"country": "gb", "id": "21"})


def test_an_index_may_leave_out_what_was_not_saved(tmp_path: Path) -> None:
    body = json.dumps(spotify.ALBUM).encode()
    [saved, packed, gone, bodiless] = index(
        tmp_path,
        ("Spotify", "", "", "", "", "a.json"),
        ("spotify", "200 OK", "GET", "", "Date: today", "b.json"),
        ("spotify", "200", "GET", "", "[]", "c.json"),
        ("spotify", "204", "GET", ""),
        bodies={"a.json": b"\xef\xbb\xbf" + body, "b.json": gzip.compress(body)},
    )
    page = answer(registry.get("spotify"), saved)
    assert isinstance(page, Page)
    assert spotify.ALBUM_RECORD in page.records
    assert answer(registry.get("spotify"), packed) == page
    with pytest.raises(FileNotFoundError):
        answer(registry.get("spotify"), gone)
    assert isinstance(answer(registry.get("spotify"), bodiless), Permanent)


def test_the_headers_of_an_error_count(tmp_path: Path) -> None:
    [limited, shed] = index(
        tmp_path,
        ("spotify", "429", "GET", "", '{"Retry-After": ["7"], "Content-Length": 0, "Set-Cookie": []}', "a.json"),
        ("musicbrainz", "503", "GET", "", '{"X-RateLimit-Who": "search-shed"}', "a.json"),
        bodies={"a.json": b""},
    )
    error = answer(registry.get("spotify"), limited)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7.0
    assert isinstance(answer(registry.get("musicbrainz"), shed), Shed)


def test_what_no_adapter_is_handed_is_skipped_with_a_reason(tmp_path: Path) -> None:
    [other, redirect, website, api, local, copied, xml, refused] = index(
        tmp_path,
        ("musicbrainz", "200", "GET", "https://api.acoustid.org/v2/lookup", "", "a.json"),
        ("musicbrainz", "301", "GET", "https://musicbrainz.org/ws/2/artist/x", "", "a.json"),
        ("discogs", "200", "GET", "https://www.discogs.com/release/1", "", "a.json"),
        ("discogs", "404", "GET", "", "", "a.json"),
        ("discogs", "200", "GET", "http://127.0.0.1:8080/masters/1", "", "a.json"),
        ("musicbrainz", "200", "GET", "https://raw.example.com/release.json", "", "b.json"),
        ("lastfm", "200", "GET", "", "", "c.json"),
        ("lastfm", "403", "GET", "", "", "c.json"),
        bodies={
            "a.json": b'{"results": []}',
            "b.json": json.dumps(musicbrainz.FULL).encode(),
            "c.json": b'<?xml version="1.0"?><lfm status="ok"/>',
        },
    )
    musicbrainz_adapter, discogs_adapter = registry.get("musicbrainz"), registry.get("discogs")
    assert unasked(musicbrainz_adapter, other) == "it is an answer of api.acoustid.org, not of MusicBrainz"
    assert unasked(musicbrainz_adapter, redirect) == "with the status 301 it stands for another answer"
    assert [unasked(discogs_adapter, taken) for taken in (website, api, local)] == ["", "", ""]
    assert unasked(musicbrainz_adapter, copied) == ""
    assert unasked(registry.get("lastfm"), xml) == "it is XML, and adapters ask for JSON"
    assert unasked(registry.get("lastfm"), refused) == ""
