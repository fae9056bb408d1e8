"""Clients of the dialects, written apart from them: what each finds of a world, track by track."""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.wire import Ask, Dialect

MUSICBRAINZ_INC = "artist-credits isrcs labels media recordings release-groups genres"
Found = dict[str, tuple[Any, ...]]


def ask(dialect: Dialect, path: str, **query: object) -> dict[str, Any]:
    answer = dialect.respond(Ask(path, {name: str(value) for name, value in query.items()}, "http://host/root"))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def crawl_musicbrainz(dialect: Dialect, artists: list[str]) -> tuple[Found, int]:
    """Return what is found of every track by browsing the artists, and how many artists led to another."""
    found: Found = {}
    merged = 0
    for artist in artists:
        answer = dialect.respond(Ask(f"artist/{artist}", {"fmt": "json"}, "/ws"))
        if answer.status == 301:
            merged += 1
            assert answer.headers["Location"].startswith("/ws/artist/")
        for release in browse(dialect, artist):
            for medium in release["media"]:
                pregap = [medium["pregap"]] if "pregap" in medium else []
                for track in pregap + medium["tracks"]:
                    recording = track["recording"]
                    found[track["id"]] = (
                        *(track["title"], track["length"], recording["isrcs"], recording["id"]),
                        *(release["id"], medium["position"], track["position"], track["number"]),
                        *((c["artist"]["id"], c["name"], c["joinphrase"]) for c in track["artist-credit"]),
                    )
    return found, merged


def browse(dialect: Dialect, artist: str) -> Iterator[dict[str, Any]]:
    offset, count = 0, 1
    while offset < count:
        page = ask(dialect, "release", artist=artist, inc=MUSICBRAINZ_INC, limit=100, offset=offset)
        assert page["releases"] or not page["release-count"]
        yield from page["releases"]
        count = page["release-count"]
        offset += len(page["releases"])


def crawl_deezer(dialect: Dialect, artists: list[str], limit: int = 3) -> tuple[Found, int]:
    """Return what is found of every track by the artists' albums, and how many artists answered as another."""
    found: Found = {}
    merged = 0
    for artist in artists:
        document = ask(dialect, f"artist/{artist}")
        merged += str(document["id"]) != artist
        for album in pages(dialect, f"artist/{document['id']}/albums", limit):
            for stub in pages(dialect, f"album/{album['id']}/tracks", limit):
                track = ask(dialect, f"track/{stub['id']}")
                found[str(track["id"])] = (
                    *(track["title_short"], track["title_version"], track["duration"], track["isrc"]),
                    *(track["explicit_lyrics"], track["album"]["id"], track["disk_number"], track["track_position"]),
                    *((c["id"], c["name"]) for c in track["contributors"]),
                )
    return found, merged


def pages(dialect: Dialect, path: str, limit: int) -> Iterator[dict[str, Any]]:
    index = 0
    while True:
        page = ask(dialect, path, index=index, limit=limit)
        yield from page["data"]
        index += limit
        assert ("next" in page) == (index < page["total"])
        if "next" not in page:
            return
        assert page["next"].startswith(f"http://host/root/{path}?")
        assert f"index={index}" in page["next"]


def crawl_feed(dialect: Dialect, limit: int = 70, since: str = "") -> Found:
    """Return every item of the feed."""
    found: Found = {}
    cursor: str | None = ""
    while cursor is not None:
        page = ask(dialect, "tracks", cursor=cursor, limit=limit, since=since)
        assert len(page["items"]) <= limit
        for item in page["items"]:
            assert item["id"] not in found
            release = item.pop("release")
            found[item["id"]] = (release["id"], json.dumps(item))
        cursor = page["next"]
    return found


def differences(before: Found, after: Found) -> dict[str, int]:
    return {
        "tracks": len(after),
        "edited": sum(before[key] != after[key] for key in before.keys() & after.keys()),
        "removed": len(before.keys() - after.keys()),
        "added": len(after.keys() - before.keys()),
    }
