"""The world in the dialect of the iTunes Search API: ``lookup`` and ``search``, nothing else.

There are no pages: an answer holds the thing asked for, and with ``entity`` up to 200 albums or songs after it. Names
of several artists are one text with the id of the first, titles of singles and EPs say so at their end, prices are -1,
and every long album has a booklet and a video among its songs. Ids that nobody has are an empty answer with status 200.
A merged artist's id answers as the survivor.

Not recorded, made after what clients report: the 403 over the limit.
"""

import itertools
from typing import Any

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Credit, Release, Track

_MOST = 200
_DEFAULT = 50
_LONG_ALBUM = 12
_STORES = {"us": ("USA", "USD"), "gb": ("GBR", "GBP"), "de": ("DEU", "EUR"), "jp": ("JPN", "JPY")}
_ENDINGS = {"single": " - Single", "ep": " - EP"}

Document = dict[str, Any]


class ITunes:
    """Answers below ``/itunes/``."""

    name = "itunes"

    def __init__(self, catalogue: Catalogue) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._answers = itertools.count(1)

    def respond(self, ask: Ask) -> Answer:
        """Return what is looked up, or for any search the first song."""
        if ask.parts not in (["lookup"], ["search"]):
            return self.not_found()
        store = _STORES.get(ask.query.get("country", "us").lower())
        if store is None:
            return _error("country", ask)
        try:
            limit = whole_number(ask.query, "limit", _DEFAULT, _MOST)
        except BadNumber as error:
            return _error(str(error), ask)
        found = self._first_song() if ask.parts == ["search"] else self._looked_up(ask, limit)
        results = [{**document, "country": store[0], "currency": store[1]} for document in found]
        return json_answer({"resultCount": len(results), "results": results})

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return a 403 without a word."""
        return Answer(403)

    def not_found(self) -> Answer:
        """Return a 404."""
        return self.failure(404)

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status, whose body is no JSON."""
        return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), {"Content-Type": "text/html"})

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the song without its preview."""
        document = self._song(track, release)
        del document["previewUrl"]
        return msgspec.json.encode(document)

    def _looked_up(self, ask: Ask, limit: int) -> list[Document]:
        number, entity = ask.query.get("id", ""), ask.query.get("entity")
        if artist := self._catalogue.artist(ids.decode_number("artist", number)):
            albums = [self._album(release) for release in self._catalogue.releases_of(artist)]
            return [self._artist(artist), *(albums[:limit] if entity == "album" else [])]
        release = self._catalogue.release(ids.decode_number("release", number))
        release = release or self._catalogue.by_barcode(ask.query.get("upc", ""))
        if release is not None:
            return [self._album(release), *(self._on(release)[:limit] if entity == "song" else [])]
        track = self._catalogue.track(ids.decode_number("track", number))
        return [] if track is None else [self._song(track, self._release_of(track))]

    def _first_song(self) -> list[Document]:
        track = next(iter(self._catalogue.world.block(self.numbers.start).tracks.values()))
        return [self._song(track, self._release_of(track))]

    def _release_of(self, track: Track) -> Release:
        return self._catalogue.world.block(track.index // ids.SLOTS).releases[track.release]

    def _artist(self, artist: Artist) -> Document:
        number = ids.encode_number("artist", artist.index)
        return {
            "wrapperType": "artist",
            "artistType": "Artist",
            "artistName": artist.name,
            "artistLinkUrl": f"https://music.apple.com/us/artist/{number}?uo=4",
            "artistId": number,
        }

    def _album(self, release: Release) -> Document:
        tracks = self._catalogue.tracks_on(release)
        document = {
            "wrapperType": "collection",
            "collectionType": "Album",
            **self._album_named(release),
            "artistId": ids.encode_number("artist", release.credits[0].artist.index),
            "artistName": _name(release.credits),
            "collectionPrice": -1.00,
            "collectionExplicitness": _explicitness(any(track.explicit for track in tracks)),
            "trackCount": len(tracks),
            "copyright": "℗ nobody",
            "primaryGenreName": release.genre.title(),
        }
        return document | ({"releaseDate": f"{_whole_date(release.date)}T08:00:00Z"} if release.date else {})

    def _album_named(self, release: Release) -> Document:
        return {
            "collectionId": ids.encode_number("release", release.index),
            "collectionName": release.title + _ENDINGS.get(release.type, ""),
        }

    def _on(self, release: Release) -> list[Document]:
        songs = [self._song(track, release) for track in self._catalogue.tracks_on(release)]
        if len(songs) < _LONG_ALBUM:
            return songs
        # No number of the world stands for what is no song.
        video = {**songs[0], "kind": "music-video", "trackId": 1, "trackNumber": len(songs) + 1}
        booklet = {**songs[0], "kind": "interactive-booklet", "trackId": 2, "trackName": "Digital Booklet"}
        return [*songs[:1], video, *songs[1:], booklet]

    def _song(self, track: Track, release: Release) -> Document:
        document = {
            "wrapperType": "track",
            "kind": "song",
            **self._album_named(release),
            "trackId": ids.encode_number("track", track.index),
            "trackName": track.title if track.version is None else f"{track.title} ({track.version})",
            "artistId": ids.encode_number("artist", track.credits[0].artist.index),
            "artistName": _name(track.credits),
            "previewUrl": f"https://audio-ssl.invalid/{next(self._answers)}.m4a",
            "collectionPrice": -1.00,
            "trackPrice": -1.00,
            "trackExplicitness": _explicitness(track.explicit),
            "discNumber": track.disc,
            "trackNumber": track.position,
            "isStreamable": True,
        }
        if track.credits != release.credits:
            document["collectionArtistId"] = ids.encode_number("artist", release.credits[0].artist.index)
            document["collectionArtistName"] = _name(release.credits)
        return document | ({} if track.untimed else {"trackTimeMillis": track.duration_ms})


def _error(key: str, ask: Ask) -> Answer:
    message = f"Invalid value(s) for key(s): [{key}]"
    return json_answer({"errorMessage": message, "queryParameters": dict(ask.query)}, 400)


def _name(credited: tuple[Credit, ...]) -> str:
    return "".join(credit.artist.name + credit.join for credit in credited)


def _explicitness(explicit: bool) -> str:
    return "explicit" if explicit else "notExplicit"


def _whole_date(date: str) -> str:
    return date + "0000-01-01"[len(date) :]
