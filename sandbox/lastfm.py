"""The world in the dialect of Last.fm's API 2.0.

One address, ``?method=``. Lists of one item are that item, empty ones a text of white space, numbers are numbers, texts
or null. Names are the ids, whatever their case: since the world has some of them twice, each carries its number, as
"Ada Lov [1003]". There are no merges, for a name stays a name, and no discs. Each artist has an album besides that was
played under a wrong name and has no ``mbid``. Errors come with status 200 mostly; counts differ at every answer.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Release, Track

_PAGE = 5
"""Albums on a page, whatever is asked for: the real one has 50, of which few artists here would fill a second page."""
_NUMBERED = re.compile(r".* \[([0-9]{1,15})\]", re.ASCII | re.DOTALL)
_ERRORS = {
    3: "Invalid Method - No method with that name in this package",
    6: "Invalid parameters - Your request is missing a required parameter",
    8: "Operation failed - Most likely the backend service failed. Please try again.",
    10: "Invalid API key - You must be granted a valid key by last.fm",
    11: "Service Offline - This service is temporarily offline. Try again later.",
    26: "Suspended API key - Access for your account has been suspended, please contact Last.fm",
    29: "Rate Limit Exceeded - Your IP has made too many requests in a short period",
}
_STATUSES = {HTTPStatus.UNAUTHORIZED: 10, HTTPStatus.FORBIDDEN: 26, HTTPStatus.TOO_MANY_REQUESTS: 29}

Document = dict[str, Any]


class LastFm:
    """Answers below ``/lastfm/2.0/``; asks for ``api_key`` where one is set."""

    name = "lastfm"

    def __init__(self, catalogue: Catalogue, api_key: str | None = None) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._world = catalogue.world
        self._api_key = api_key
        self._answers = itertools.count(1)
        self._methods: dict[str, Callable[[Ask], Document | None]] = {
            "artist.getinfo": self._artist_info,
            "artist.gettopalbums": self._top_albums,
            "album.getinfo": self._album_info,
            "track.getinfo": self._track_info,
            "tag.gettopartists": self._top_artists,
        }

    def respond(self, ask: Ask) -> Answer:
        """Return what a method finds, or an error, each with status 200."""
        if self._api_key is not None and ask.query.get("api_key") != self._api_key:
            return self.failure(HTTPStatus.FORBIDDEN, 10)
        method = self._methods.get(ask.query.get("method", "").lower())
        if ask.parts != ["2.0"] or method is None:
            return error_answer(3)
        try:
            found = method(ask)
        except BadNumber:
            return error_answer(6)
        return self.not_found() if found is None else json_answer(found)

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return error 29; Last.fm does not say how long to wait."""
        return self.failure(HTTPStatus.TOO_MANY_REQUESTS)

    def not_found(self) -> Answer:
        """Return error 6, which says so in words."""
        return json_answer({"error": 6, "message": "Album not found", "links": []})

    def failure(self, status: int, code: int | None = None) -> Answer:
        """Return an error answer with this status."""
        code = code or _STATUSES.get(HTTPStatus(status))
        if code is not None:
            return json_answer(error_document(code), status)
        return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), {"Content-Type": "text/html"})

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track as an album lists it. Its place is the one on its disc: neither ever moves."""
        return msgspec.json.encode(self._listed(track, release, track.position))

    def artist_name(self, artist: Artist) -> str:
        """Return the name that is this artist's alone."""
        return f"{artist.name} [{artist.index}]"

    def album_name(self, release: Release) -> str:
        """Return the name that is this release's alone."""
        return f"{release.title} [{release.index}]"

    def credited(self, release: Release, track: Track | None = None) -> Artist:
        """Return the artist of a release, or of a track on it, as if nobody had ever been merged."""
        first = self._world.block(release.index // ids.SLOTS, 0)
        original = first.releases.get(release.index, release).credits[0].artist
        return original if track is None or original.index == first.duplicate() else track.credits[0].artist

    def _artist_info(self, ask: Ask) -> Document | None:
        artist = self._artist(ask)
        if artist is None:
            return None
        count = next(self._answers)
        return {
            "artist": self._stub(artist)
            | {
                "streamable": "0",
                "ontour": "0",
                "stats": {"listeners": str(1000 + count), "playcount": str(5000 + count)},
                "similar": {"artist": []},
                "tags": {"tag": {"name": "seen live", "url": "https://www.last.fm/tag/seen+live"}},
                "bio": {"summary": "", "content": ""},
            }
        }

    def _top_artists(self, ask: Ask) -> Document:
        block = self._world.block(self.numbers[0], 0)
        limit = whole_number(ask.query, "limit", _PAGE) or _PAGE
        found = [self._stub(artist) for artist in block.artists.values()][:limit]
        return {"topartists": {"artist": found, "@attr": _pages(1, limit, len(found), tag=ask.query.get("tag", ""))}}

    def _top_albums(self, ask: Ask) -> Document | None:
        artist = self._artist(ask)
        if artist is None:
            return None
        releases = self._world.block(artist.index // ids.SLOTS).releases.values()
        theirs = [release for release in releases if self.credited(release).index == artist.index]
        albums = [self._album_stub(release) for release in theirs]
        albums.append({"name": "(null)", "playcount": next(self._answers), "artist": self._stub(artist)})
        page = max(1, whole_number(ask.query, "page", 1))
        there = ask.listed(albums)
        listed = there[(page - 1) * _PAGE : page * _PAGE]
        about = _pages(page, _PAGE, len(there), artist=self.artist_name(artist))
        return {"topalbums": {"album": _one_or_all(listed), "@attr": about}}

    def _album_info(self, ask: Ask) -> Document | None:
        release = self._release(ask)
        if release is None:
            return None
        tracks = [
            self._listed(track, release, self._catalogue.place_of(track))
            for track in self._catalogue.tracks_on(release)
        ]
        count = next(self._answers)
        tags = [{"name": name, "url": "x"} for name in ("albums I own", release.genre.title())]
        return {
            "album": {
                "artist": self.artist_name(self.credited(release)),
                "mbid": self._world.mbids.encode("release", release.index),
                "tags": {"tag": tags if release.index % 2 else tags[1]},
                "name": self.album_name(release),
                "playcount": str(count),
                "listeners": str(count),
                "tracks": {"track": _one_or_all(tracks)},
                "wiki": {"published": "", "summary": "", "content": ""},
            }
        }

    def _track_info(self, ask: Ask) -> Document | None:
        match = _NUMBERED.fullmatch(ask.query.get("artist", ""))
        block = self._catalogue.block_of(int(match[1])) if match else None
        wanted = ask.query.get("track", "").casefold()
        found = [track for track in block.tracks.values() if track.title.casefold() == wanted] if block else []
        if not found:
            return None
        track = found[0]
        return {
            "track": {
                "name": track.title,
                "duration": str(track.duration_ms),
                "artist": self._stub(track.credits[0].artist),
                "playcount": str(next(self._answers)),
                "toptags": {"tag": []},
            }
        }

    def _artist(self, ask: Ask) -> Artist | None:
        mbid, match = ask.query.get("mbid", ""), _NUMBERED.fullmatch(ask.query.get("artist", ""))
        index = self._world.mbids.decode("artist", mbid) if mbid else int(match[1]) if match else None
        if index is None or index // ids.SLOTS not in self.numbers:
            return None
        artist = self._world.block(index // ids.SLOTS, 0).artists.get(index)
        named = ask.query.get("artist", "").casefold()
        return artist if artist and (mbid or self.artist_name(artist).casefold() == named) else None

    def _release(self, ask: Ask) -> Release | None:
        mbid, match = ask.query.get("mbid", ""), _NUMBERED.fullmatch(ask.query.get("album", ""))
        if mbid:
            return self._catalogue.release(self._world.mbids.decode("release", mbid))
        release = self._catalogue.release(int(match[1])) if match else None
        if release is None:
            return None
        names = self.artist_name(self.credited(release)), self.album_name(release)
        asked = ask.query.get("artist", ""), ask.query.get("album", "")
        return release if [name.casefold() for name in names] == [name.casefold() for name in asked] else None

    def _stub(self, artist: Artist) -> Document:
        mbid = "" if artist.index % 3 else self._world.mbids.encode("artist", artist.index)
        return {"name": self.artist_name(artist), "mbid": mbid, "url": f"https://www.last.fm/music/{artist.index}"}

    def _album_stub(self, release: Release) -> Document:
        return {
            "name": self.album_name(release),
            "playcount": 1_000_000 + next(self._answers),
            "mbid": self._world.mbids.encode("release", release.index),
            "url": f"https://www.last.fm/music/_/{release.index}",
            "artist": self._stub(self.credited(release)),
            "image": [{"#text": "", "size": "small"}],
        }

    def _listed(self, track: Track, release: Release, place: int) -> Document:
        seconds = track.duration_ms // 1000
        return {
            "name": track.title if track.version is None else f"{track.title} ({track.version})",
            "duration": None if track.untimed else seconds if track.index % 2 else str(seconds),
            "mbid": "",
            "streamable": {"#text": "0", "fulltrack": "0"},
            "artist": self._stub(self.credited(release, track)),
            "@attr": {"rank": place if track.index % 2 else str(place)},
        }


def _one_or_all(items: Sequence[Document]) -> Document | Sequence[Document]:
    return items[0] if len(items) == 1 else items


def _pages(page: int, limit: int, total: int, **about: str) -> Document:
    pages = -(-total // limit)
    return {**about, "page": str(page), "perPage": str(limit), "totalPages": str(pages), "total": str(total)}


def error_document(code: int) -> Document:
    """Return Last.fm's error object for a code."""
    return {"error": code, "message": _ERRORS.get(code, "Unknown error"), "links": []}


def error_answer(code: int) -> Answer:
    """Return Last.fm's error as an answer."""
    return json_answer(error_document(code))
