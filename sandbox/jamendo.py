"""The world in the dialect of Jamendo's API v3.0.

Errors stand inside HTTP 200, in the head of the answer. Every id and some numbers are texts, durations are whole
seconds, and there are no discs, versions, ISRCs or barcodes: positions go through the whole release, a version stands
in the name. A track has one artist. What is not there, an artist that was merged too, is an empty list. The link to the
audio differs at every answer.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Release, Track

_PAGE_DEFAULT = 10
_PAGE_MOST = 200
_ERRORS = {
    1: "Exception",
    3: "Type: one of the received parameters has a wrong value",
    4: "Required Parameter: client_id",
    5: "Invalid Client Id: your credential is not authorized",
    6: "Rate Limit Exceeded",
    7: "Method Not Found",
    11: "Suspended Application",
}

Document = dict[str, Any]
Placed = tuple[Track, Release]


class Jamendo:
    """Answers below ``/jamendo/v3.0/``; asks for ``client_id`` where one is set."""

    name = "jamendo"

    def __init__(self, catalogue: Catalogue, client_id: str | None = None) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._client_id = client_id
        self._answers = itertools.count(1)
        self._everything = lru_cache(2)(self._newest_first)
        self._lists: dict[str, tuple[Callable[[Ask], Sequence[Any]], Callable[[Any], Document]]] = {
            "artists": (self._artists, self._artist),
            "albums": (self._albums, self._album),
            "albums/musicinfo": (self._albums, self._album_with_tags),
            "albums/tracks": (self._albums, self._album_with_tracks),
            "tracks": (self._tracks, self._track),
        }

    def respond(self, ask: Ask) -> Answer:
        """Return a list or an error, each with status 200."""
        if self._client_id is not None and ask.query.get("client_id") != self._client_id:
            return error_answer(5 if ask.query.get("client_id") else 4)
        found = self._lists.get("/".join(ask.parts))
        if found is None:
            return error_answer(7)
        select, render = found
        try:
            return self._page(ask, ask.listed(select(ask)), render)
        except BadNumber:
            return error_answer(3)

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return error 6; Jamendo does not say how long to wait."""
        return error_answer(6)

    def not_found(self) -> Answer:
        """Return an empty list."""
        return json_answer({"headers": _head(0), "results": []})

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status: in the head where one fits it, else in no JSON."""
        code = {HTTPStatus.UNAUTHORIZED: 5, HTTPStatus.FORBIDDEN: 11, HTTPStatus.TOO_MANY_REQUESTS: 6}.get(
            HTTPStatus(status)
        )
        if code is not None:
            return json_answer(error_document(code), status)
        return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), {"Content-Type": "text/html"})

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track as listed, without its signed link. Its place is the one on its disc: neither ever moves."""
        document = self._described(track, release, track.position)
        del document["audio"]
        return msgspec.json.encode(document)

    def _artists(self, ask: Ask) -> Sequence[Artist]:
        index = ids.decode_number("artist", ask.query.get("id", ""))
        found = self._catalogue.artist(index)
        return [found] if found is not None and found.index == index else []

    def _albums(self, ask: Ask) -> Sequence[Release]:
        if "id" in ask.query:
            found = self._catalogue.release(ids.decode_number("release", ask.query["id"]))
            return [found] if found else []
        if "artist_id" in ask.query:
            index = ids.decode_number("artist", ask.query["artist_id"])
            return [release for release in self._releases_near(index) if release.credits[0].artist.index == index]
        return [release for release in self._everything(self._catalogue.world.generation) if _is_between(release, ask)]

    def _tracks(self, ask: Ask) -> Sequence[Placed]:
        if "id" in ask.query:
            found = self._catalogue.track(ids.decode_number("track", ask.query["id"]))
            return [(found, self._release_of(found))] if found else []
        if "album_id" in ask.query:
            release = self._catalogue.release(ids.decode_number("release", ask.query["album_id"]))
            return list(self._tracks_on([release] if release else []))
        if "artist_id" in ask.query:
            index = ids.decode_number("artist", ask.query["artist_id"])
            placed = self._tracks_on(self._releases_near(index))
            return [(track, release) for track, release in placed if track.credits[0].artist.index == index]
        everything = self._everything(self._catalogue.world.generation)
        return list(self._tracks_on([release for release in everything if _is_between(release, ask)]))

    def _releases_near(self, artist: int | None) -> list[Release]:
        block = self._catalogue.block_of(artist)
        return list(block.releases.values()) if block else []

    def _newest_first(self, _generation: int) -> list[Release]:
        blocks = (self._catalogue.world.block(number) for number in self.numbers)
        everything = [release for block in blocks for release in block.releases.values()]
        return sorted(everything, key=lambda release: (_date(release), release.index), reverse=True)

    def _tracks_on(self, releases: Sequence[Release]) -> Iterator[Placed]:
        return ((track, release) for release in releases for track in self._catalogue.tracks_on(release))

    def _release_of(self, track: Track) -> Release:
        return self._catalogue.world.block(track.index // ids.SLOTS).releases[track.release]

    def _page(self, ask: Ask, things: Sequence[Any], render: Callable[[Any], Document]) -> Answer:
        offset = whole_number(ask.query, "offset", 0)
        limit = whole_number(ask.query, "limit", _PAGE_DEFAULT, _PAGE_MOST) or _PAGE_DEFAULT
        results = [render(thing) for thing in things[offset : offset + limit]]
        head = _head(len(results))
        if ask.query.get("fullcount") == "true":
            head["results_fullcount"] = len(things)
        if offset + limit < len(things):
            path = "/".join(ask.parts)
            head["next"] = f"{ask.root}/{path}/?{urlencode({**ask.query, 'offset': offset + limit})}"
        return json_answer({"headers": head, "results": results})

    def _artist(self, artist: Artist) -> Document:
        number = str(ids.encode_number("artist", artist.index))
        return {
            "id": number,
            "name": artist.name,
            "website": "",
            "joindate": "2010-01-01",
            "image": "",
            "shorturl": f"https://jamen.do/a/{number}",
            "shareurl": f"https://www.jamendo.com/artist/{number}",
        }

    def _album(self, release: Release) -> Document:
        number = str(ids.encode_number("release", release.index))
        return {
            "id": number,
            "name": release.title,
            "releasedate": _date(release),
            **_by(release.credits[0].artist),
            "image": f"https://usercontent.invalid?type=album&id={number}&width=300",
            "zip": "",
            "shorturl": f"https://jamen.do/l/a{number}",
            "shareurl": f"https://www.jamendo.com/list/a{number}",
            "zip_allowed": False,
        }

    def _album_with_tags(self, release: Release) -> Document:
        # The real one repeats a tag for each of the tracks that have it.
        tags = [release.genre] * len(self._catalogue.tracks_on(release))
        return self._album(release) | {"musicinfo": {"tags": tags, "description": {"en": "", "fr": ""}}}

    def _album_with_tracks(self, release: Release) -> Document:
        tracks = [
            {
                "count": "1",
                **{name: str(value) for name, value in _core(track, self._catalogue.place_of(track)).items()},
            }
            for track in self._catalogue.tracks_on(release)
        ]
        return self._album(release) | {"tracks": tracks}

    def _track(self, placed: Placed) -> Document:
        track, release = placed
        return self._described(track, release, self._catalogue.place_of(track))

    def _described(self, track: Track, release: Release, place: int) -> Document:
        album = self._album(release)
        return {
            **_core(track, place),
            **_by(track.credits[0].artist),
            "album_id": album["id"],
            "album_name": album["name"],
            "license_ccurl": "http://creativecommons.org/licenses/by-nc-nd/3.0/",
            "releasedate": album["releasedate"],
            "audio": f"https://storage.invalid/?trackid={track.index}&from={next(self._answers)}",
            "audiodownload": "",
            "prourl": "",
            "waveform": '{"peaks":[0,0,30,39,33]}',
            "audiodownload_allowed": False,
            "content_id_free": True,
        }


def _core(track: Track, place: int) -> Document:
    return {
        "id": str(ids.encode_number("track", track.index)),
        "name": track.title if track.version is None else f"{track.title} ({track.version})",
        "duration": track.duration_ms // 1000,
        "position": place,
    }


def _by(artist: Artist) -> Document:
    return {"artist_id": str(ids.encode_number("artist", artist.index)), "artist_name": artist.name}


def _date(release: Release) -> str:
    return release.date + "0000-01-01"[len(release.date) :] if release.date else "0000-00-00"


def _is_between(release: Release, ask: Ask) -> bool:
    first, _, last = ask.query.get("datebetween", "").partition("_")
    return not first or first <= _date(release) <= last


def _head(count: int) -> Document:
    return {"status": "success", "code": 0, "error_message": "", "warnings": "", "results_count": count}


def error_document(code: int) -> Document:
    """Return an answer whose head states an error."""
    head = _head(0) | {"status": "failed", "code": code, "error_message": _ERRORS.get(code, "Exception")}
    return {"headers": head, "results": []}


def error_answer(code: int) -> Answer:
    """Return Jamendo's error as an answer."""
    return json_answer(error_document(code))
