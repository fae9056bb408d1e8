"""The world in the dialect of Deezer's API.

Errors stand inside HTTP 200. Durations are whole seconds, dates always have ten characters, ``rank`` and ``preview``
differ at every answer, and the track list inside an album lacks the ISRC. A merged artist's id answers as the survivor.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Block, Credit, Release, Track

_PAGE_DEFAULT = 25
_PAGE_MOST = 100
_NEW_RELEASE_BLOCKS = 10
_CHART_SIZE = 10
_RECORD_TYPES = {"album": "album", "single": "single", "ep": "ep", "compilation": "compile"}
_ERRORS = {
    4: ("Exception", "Quota limit exceeded"),
    100: ("Exception", "Too many items in the list"),
    200: ("OAuthException", "You don't have the right permission to execute this method"),
    300: ("OAuthException", "Invalid OAuth access token"),
    500: ("ParameterException", "Wrong parameter"),
    501: ("MissingParameterException", "Missing parameters"),
    600: ("InvalidQueryException", "Unknown path components"),
    700: ("Exception", "Service busy"),
    800: ("DataException", "no data"),
}

Document = dict[str, Any]


class Deezer:
    """Answers below ``/deezer/``."""

    name = "deezer"

    def __init__(self, catalogue: Catalogue) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._answers = itertools.count(1)
        self._lookups: dict[str, Callable[[str], Document | None]] = {
            "artist": self._artist_lookup,
            "album": self._album_lookup,
            "track": self._track_lookup,
        }

    def respond(self, ask: Ask) -> Answer:
        """Return an object, a list or an error, each with status 200."""
        try:
            found = self._route(ask)
        except BadNumber:
            return error_answer(500)
        return self.not_found() if found is None else json_answer(found)

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return error 4; Deezer does not say how long to wait."""
        return error_answer(4)

    def not_found(self) -> Answer:
        """Return error 800."""
        return error_answer(800)

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status, whose body is no JSON."""
        return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), {"Content-Type": "text/html"})

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track as looked up, without rank and preview."""
        document = self._whole_track(track, release)
        del document["rank"], document["preview"]
        return msgspec.json.encode(document)

    def _route(self, ask: Ask) -> Document | None:
        match ask.parts:
            case [kind, key] if kind in self._lookups:
                return self._lookups[kind](key)
            case ["artist", key, "albums"]:
                artist = self._artist_with(key)
                return None if artist is None else self._page(ask, self._catalogue.releases_of(artist), self._album)
            case ["album", key, "tracks"]:
                release = self._release_with(key)
                return None if release is None else self._page(ask, self._catalogue.tracks_on(release), self._track)
            case ["chart", "0", "albums"]:
                return self._page(ask, self._charted(), self._charted_album)
            case ["editorial", "0", "releases"]:
                return self._page(ask, self._new_releases(), self._album_with_artist)
            case _:
                return error_document(600)

    def _artist_lookup(self, key: str) -> Document | None:
        artist = self._artist_with(key)
        return None if artist is None else self._whole_artist(artist)

    def _album_lookup(self, key: str) -> Document | None:
        release = self._release_with(key)
        return None if release is None else self._whole_album(release)

    def _track_lookup(self, key: str) -> Document | None:
        track = self._track_with(key)
        return None if track is None else self._whole_track(track, self._release_of(track))

    def _artist_with(self, key: str) -> Artist | None:
        return self._catalogue.artist(ids.decode_number("artist", key))

    def _release_with(self, key: str) -> Release | None:
        if key.startswith("upc:"):
            return self._catalogue.by_barcode(key.removeprefix("upc:"))
        return self._catalogue.release(ids.decode_number("release", key))

    def _track_with(self, key: str) -> Track | None:
        if key.startswith("isrc:"):
            isrc = key.removeprefix("isrc:").replace("-", "").upper()
            return next(iter(self._catalogue.by_isrc(isrc)), None)
        return self._catalogue.track(ids.decode_number("track", key))

    def _release_of(self, track: Track) -> Release:
        return self._catalogue.world.block(track.index // ids.SLOTS).releases[track.release]

    def _charted(self) -> list[tuple[int, Release]]:
        firsts = (next(iter(self._block(number).releases.values())) for number in self.numbers[:_CHART_SIZE])
        return list(enumerate(firsts, start=1))

    def _new_releases(self) -> list[Release]:
        return [
            release
            for number in self.numbers[-_NEW_RELEASE_BLOCKS:]
            for release in reversed(self._block(number).releases.values())
        ]

    def _block(self, number: int) -> Block:
        return self._catalogue.world.block(number)

    def _page(self, ask: Ask, things: Sequence[Any], render: Callable[[Any], Document]) -> Document:
        index = whole_number(ask.query, "index", 0)
        limit = whole_number(ask.query, "limit", _PAGE_DEFAULT, _PAGE_MOST) or _PAGE_DEFAULT
        things = ask.listed(things)
        page: Document = {"data": [render(thing) for thing in things[index : index + limit]], "total": len(things)}
        url = f"{ask.root}/{ask.path.strip('/')}"
        if index + limit < len(things):
            page["next"] = f"{url}?{urlencode({**ask.query, 'index': index + limit})}"
        if index:
            page["prev"] = f"{url}?{urlencode({**ask.query, 'index': max(0, index - limit)})}"
        return page

    def _artist(self, artist: Artist) -> Document:
        number = ids.encode_number("artist", artist.index)
        return {
            "id": number,
            "name": artist.name,
            "link": f"https://www.deezer.com/artist/{number}",
            "tracklist": f"https://api.deezer.com/artist/{number}/top?limit=50",
            "type": "artist",
        }

    def _whole_artist(self, artist: Artist) -> Document:
        albums = len(self._catalogue.releases_of(artist))
        fans = 1000 + next(self._answers) % 1000
        return self._artist(artist) | {"nb_album": albums, "nb_fan": fans, "radio": True}

    def _contributors(self, credited: tuple[Credit, ...]) -> list[Document]:
        return [
            self._artist(credit.artist) | {"role": "Main" if place == 0 else "Featured"}
            for place, credit in enumerate(credited)
        ]

    def _album_stub(self, release: Release) -> Document:
        number = ids.encode_number("release", release.index)
        return {
            "id": number,
            "title": release.title,
            "link": f"https://www.deezer.com/album/{number}",
            "cover": f"https://api.deezer.com/album/{number}/image",
            "release_date": _whole_date(release.date),
            "tracklist": f"https://api.deezer.com/album/{number}/tracks",
            "type": "album",
        }

    def _album(self, release: Release) -> Document:
        explicit = any(track.explicit for track in self._catalogue.tracks_on(release))
        return self._album_stub(release) | {
            "genre_id": -1,
            "fans": next(self._answers) % 1000,
            "record_type": _RECORD_TYPES[release.type],
            "explicit_lyrics": explicit,
        }

    def _album_with_artist(self, release: Release) -> Document:
        return self._album_stub(release) | {"artist": self._artist(release.credits[0].artist)}

    def _charted_album(self, charted: tuple[int, Release]) -> Document:
        position, release = charted
        return self._album(release) | {"position": position, "artist": self._artist(release.credits[0].artist)}

    def _whole_album(self, release: Release) -> Document:
        tracks = self._catalogue.tracks_on(release)
        return self._album(release) | {
            "upc": release.barcode or "",
            "genres": {"data": [{"id": 1, "name": release.genre.title(), "type": "genre"}]},
            "label": "" if release.label is None else release.label.name,
            "nb_tracks": len(tracks),
            "duration": sum(_seconds(track) for track in tracks),
            "available": True,
            "contributors": self._contributors(release.credits),
            "artist": self._artist(release.credits[0].artist),
            "tracks": {"data": [self._embedded_track(track) for track in tracks]},
        }

    def _embedded_track(self, track: Track) -> Document:
        number = ids.encode_number("track", track.index)
        version = "" if track.version is None else f"({track.version})"
        answer = next(self._answers)
        return {
            "id": number,
            "readable": True,
            "title": f"{track.title} {version}".strip(),
            "title_short": track.title,
            "title_version": version,
            "link": f"https://www.deezer.com/track/{number}",
            "duration": _seconds(track),
            "rank": 100_000 + answer % 900_000,
            "explicit_lyrics": track.explicit,
            "explicit_content_lyrics": int(track.explicit),
            "preview": f"https://cdn-preview.invalid/{number}-{answer}.mp3",
            "artist": self._artist(track.credits[0].artist),
            "type": "track",
        }

    def _track(self, track: Track) -> Document:
        return self._embedded_track(track) | {
            "isrc": _written_isrc(track),
            "track_position": track.position,
            "disk_number": track.disc,
        }

    def _whole_track(self, track: Track, release: Release) -> Document:
        return self._track(track) | {
            "release_date": _whole_date(release.date),
            "bpm": 0,
            "gain": -8.5,
            "available_countries": ["DE", "FR", "GB", "US"],
            "contributors": self._contributors(track.credits),
            "album": self._album_stub(release),
        }


def error_document(code: int) -> Document:
    """Return Deezer's error object for a code."""
    kind, message = _ERRORS.get(code, ("Exception", "Unknown error"))
    return {"error": {"type": kind, "message": message, "code": code}}


def error_answer(code: int) -> Answer:
    """Return an error as Deezer sends it: with status 200."""
    return json_answer(error_document(code))


def _seconds(track: Track) -> int:
    return track.duration_ms // 1000


def _whole_date(date: str) -> str:
    return date + "0000-01-01"[len(date) :] if date else "0000-00-00"


def _written_isrc(track: Track) -> str:
    if track.isrc is None:
        return ""
    if not track.unusual_isrc:
        return track.isrc
    if track.index % 2:
        return track.isrc.lower()
    return f"{track.isrc[:2]}-{track.isrc[2:5]}-{track.isrc[5:7]}-{track.isrc[7:]}"
