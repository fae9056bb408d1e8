"""The world in the dialect of MusicBrainz' web service, version 2 (JSON only, whatever ``fmt`` says).

Tracks and recordings have ids of their own, a version stands in brackets in the title, lengths are in milliseconds and
may be null. Merged ids answer 301. A browse with ``inc=recordings`` stops at 500 tracks but gives at least one release.
"""

import time
import zlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.ids import Kind
from sandbox.limits import TokenBucket
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Credit, Label, Release, Track

_HELP = "For usage, please see: https://musicbrainz.org/development/mmd"
_INCLUDES = frozenset(
    {"aliases", "annotation", "artist-credits", "artists", "discids", "genres", "isrcs", "labels", "media", "ratings"}
    | {"recordings", "release-groups", "releases", "tags"}
)
_TRACKS_PER_BROWSE = 500
_PRIMARY_TYPES = {"album": "Album", "compilation": "Album", "single": "Single", "ep": "EP"}
_SIDE_TRACKS = 6

Document = dict[str, Any]


class MusicBrainz:
    """Answers below ``/musicbrainz/ws/2/``."""

    name = "musicbrainz"

    def __init__(self, catalogue: Catalogue, limit: TokenBucket | None = None) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._mbids = catalogue.world.mbids
        self._limit = limit
        self._lookups: dict[str, Callable[[str, frozenset[str]], Answer]] = {
            "label": self._label_lookup,
            "release": self._release_lookup,
            "recording": self._recording_lookup,
            "isrc": self._isrc_lookup,
        }

    def respond(self, ask: Ask) -> Answer:
        """Return the answer to a lookup, a browse or a search for a barcode."""
        includes = frozenset(ask.query.get("inc", "").replace("+", " ").split())
        if unknown := includes - _INCLUDES:
            return _error(400, f"{min(unknown)} is not a valid inc parameter for the {ask.parts[0]} resource.")
        try:
            match ask.parts:
                case ["release"] if "query" in ask.query:
                    answer = self._search(ask.query["query"])
                case ["release"]:
                    answer = self._browse(ask, includes)
                case ["artist", mbid]:
                    answer = self._artist_lookup(mbid, ask)
                case [resource, key] if resource in self._lookups:
                    answer = self._lookups[resource](key, includes)
                case _:
                    answer = self.not_found()
        except BadNumber as error:
            answer = _error(400, f"Invalid {error}.")
        return self._with_headers(answer)

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return a 503 in the words of MusicBrainz; it does not say how long to wait."""
        message = (
            "Your requests are exceeding the allowable rate limit. "
            "Please see https://musicbrainz.org/doc/XML_Web_Service/Rate_Limiting for more information."
        )
        return _error(503, message, self._limit_headers())

    def not_found(self) -> Answer:
        """Return a 404."""
        return _error(404, "Not Found")

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""
        return _error(status, "The MusicBrainz web server is currently busy. Please try again later.")

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track with its recording, release and disc."""
        place = [self._id("release", release.index), track.disc]
        return msgspec.json.encode([place, self._track(track, release, _INCLUDES)])

    def _with_headers(self, answer: Answer) -> Answer:
        etag = (
            {"ETag": f'W/"{zlib.crc32(answer.body):08x}{len(answer.body):x}"'} if answer.status == HTTPStatus.OK else {}
        )
        return Answer(answer.status, answer.body, {**answer.headers, **etag, **self._limit_headers()})

    def _limit_headers(self) -> dict[str, str]:
        if self._limit is None:
            return {}
        return {
            "X-RateLimit-Limit": str(round(self._limit.rate)),
            "X-RateLimit-Remaining": str(int(self._limit.tokens)),
            "X-RateLimit-Reset": str(int(time.time()) + 1),
        }

    def _artist_lookup(self, mbid: str, ask: Ask) -> Answer:
        index = self._mbids.decode("artist", mbid)
        artist = self._catalogue.artist(index)
        if artist is not None and artist.index != index:
            query = "&".join(f"{name}={value}" for name, value in ask.query.items()).replace(" ", "+")
            location = f"{ask.root}/artist/{self._id('artist', artist.index)}" + (f"?{query}" if query else "")
            return Answer(301, b"", {"Location": location})
        return self._found(mbid, None if artist is None else self._artist(artist) | _ARTIST_DETAILS)

    def _label_lookup(self, mbid: str, _includes: frozenset[str]) -> Answer:
        label = self._catalogue.label(self._mbids.decode("label", mbid))
        return self._found(mbid, None if label is None else self._label(label) | {"country": label.country})

    def _release_lookup(self, mbid: str, includes: frozenset[str]) -> Answer:
        release = self._catalogue.release(self._mbids.decode("release", mbid))
        return self._found(mbid, None if release is None else self._release(release, includes))

    def _recording_lookup(self, mbid: str, includes: frozenset[str]) -> Answer:
        places = self._catalogue.places_of(self._mbids.decode("recording", mbid))
        return self._found(mbid, self._recording(places[0], includes, places) if places else None)

    def _isrc_lookup(self, isrc: str, includes: frozenset[str]) -> Answer:
        places = self._catalogue.by_isrc(isrc.upper())
        if not places:
            return self.not_found() if len(isrc) == ids.ISRC_LENGTH else _error(400, "Invalid isrc.")
        return json_answer({"isrc": isrc.upper(), "recordings": [self._recording(places[0], includes, places)]})

    def _found(self, mbid: str, document: Document | None) -> Answer:
        if not ids.is_uuid(mbid):
            return _error(400, "Invalid mbid.")
        return self.not_found() if document is None else json_answer(document)

    def _browse(self, ask: Ask, includes: frozenset[str]) -> Answer:
        offset = whole_number(ask.query, "offset", 0)
        limit = whole_number(ask.query, "limit", 25, 100)
        artist = self._catalogue.artist(self._mbids.decode("artist", ask.query.get("artist", "")))
        label = self._catalogue.label(self._mbids.decode("label", ask.query.get("label", "")))
        if artist is not None:
            releases = self._catalogue.releases_of(artist)
        elif label is not None:
            releases = self._catalogue.releases_on(label)
        else:
            return self.not_found()
        releases = list(ask.listed(releases))
        page = releases[offset : offset + limit]
        if "recordings" in includes:
            page = self._within_track_limit(page)
        documents = [self._release(release, includes) for release in page]
        return json_answer({"release-count": len(releases), "release-offset": offset, "releases": documents})

    def _within_track_limit(self, releases: list[Release]) -> list[Release]:
        total = 0
        for place, release in enumerate(releases):
            total += len(self._catalogue.tracks_on(release))
            if place and total > _TRACKS_PER_BROWSE:
                return releases[:place]
        return releases

    def _search(self, query: str) -> Answer:
        field, _, digits = query.partition(":")
        release = self._catalogue.by_barcode(digits.strip('" ')) if field == "barcode" else None
        includes = frozenset({"artist-credits", "release-groups", "media", "labels"})
        found = [] if release is None else [{"score": 100, **self._release(release, includes)}]
        return json_answer({"created": "2026-01-01T00:00:00.000Z", "count": len(found), "offset": 0, "releases": found})

    def _id(self, kind: Kind, index: int) -> str:
        return self._mbids.encode(kind, index)

    def _artist(self, artist: Artist) -> Document:
        return {
            "id": self._id("artist", artist.index),
            "name": artist.name,
            "sort-name": artist.sort_name,
            "disambiguation": artist.disambiguation,
            "type": artist.type,
            "country": artist.country,
        }

    def _credits(self, credited: Iterable[Credit]) -> list[Document]:
        return [
            {"name": credit.artist.name, "joinphrase": credit.join, "artist": self._artist(credit.artist)}
            for credit in credited
        ]

    def _label(self, label: Label) -> Document:
        return {
            "id": self._id("label", label.index),
            "name": label.name,
            "sort-name": label.name,
            "disambiguation": "",
            "label-code": None,
            "type": "Original Production",
        }

    def _release(self, release: Release, includes: frozenset[str]) -> Document:
        document: Document = {
            "id": self._id("release", release.index),
            "title": release.title,
            "disambiguation": "",
            "date": release.date,
            "country": release.credits[0].artist.country,
            "barcode": release.barcode,
            "asin": None,
            "status": "Official",
            "packaging": None,
            "quality": "normal",
            "text-representation": {"language": None, "script": None},
        }
        if "artist-credits" in includes or "artists" in includes:
            document["artist-credit"] = self._credits(release.credits)
        if "labels" in includes:
            document["label-info"] = [] if release.label is None else [
                {"catalog-number": release.catalog_number, "label": self._label(release.label)}
            ]  # fmt: skip
        if "release-groups" in includes:
            document["release-group"] = self._release_group(release)
        if "genres" in includes:
            document["genres"] = [{"count": 1, "disambiguation": "", "name": release.genre}]
        if "media" in includes or "recordings" in includes:
            document["media"] = self._media(release, includes)
        return document

    def _release_group(self, release: Release) -> Document:
        return {
            "id": self._id("release-group", release.index),
            "title": release.title,
            "disambiguation": "",
            "first-release-date": release.date,
            "primary-type": _PRIMARY_TYPES[release.type],
            "secondary-types": ["Compilation"] if release.type == "compilation" else [],
        }

    def _media(self, release: Release, includes: frozenset[str]) -> list[Document]:
        tracks = self._catalogue.tracks_on(release)
        media = []
        for disc in sorted({track.disc for track in tracks}):
            listed = [track for track in tracks if track.disc == disc and track.position]
            medium: Document = {
                "id": self._id("medium", release.index * 10 + disc),
                "position": disc,
                "title": "",
                "format": '12" Vinyl' if release.vinyl else "CD",
                "track-count": len(listed),
            }
            if "recordings" in includes:
                medium["track-offset"] = 0
                medium["tracks"] = [self._track(track, release, includes) for track in listed]
                for pregap in (track for track in tracks if track.disc == disc and not track.position):
                    medium["pregap"] = self._track(pregap, release, includes)
            media.append(medium)
        return media

    def _track(self, track: Track, release: Release, includes: frozenset[str]) -> Document:
        document: Document = {
            "id": self._id("track", track.index),
            "number": _printed_number(track.position, vinyl=release.vinyl),
            "position": track.position,
            "title": _full_title(track),
            "length": None if track.untimed else track.duration_ms,
            "recording": self._recording(track, includes),
        }
        if "artist-credits" in includes:
            document["artist-credit"] = self._credits(track.credits)
        return document

    def _recording(self, track: Track, includes: frozenset[str], places: Iterable[Track] = ()) -> Document:
        document: Document = {
            "id": self._id("recording", track.recording),
            "title": _full_title(track),
            "disambiguation": "",
            "length": None if track.untimed else track.duration_ms,
            "video": False,
        }
        if "isrcs" in includes:
            document["isrcs"] = [track.isrc] if track.isrc else []
        if "artist-credits" in includes or "artists" in includes:
            document["artist-credit"] = self._credits(track.credits)
        if "genres" in includes:
            document["genres"] = []
        if "releases" in includes and places:
            releases = [self._catalogue.release(place.release) for place in places]
            document["releases"] = [self._release(release, frozenset()) for release in releases if release]
        return document


_ARTIST_DETAILS: Document = {
    "area": None,
    "begin-area": None,
    "end-area": None,
    "gender": None,
    "ipis": [],
    "isnis": [],
    "life-span": {"begin": None, "end": None, "ended": False},
}


def _full_title(track: Track) -> str:
    return track.title if track.version is None else f"{track.title} ({track.version})"


def _printed_number(position: int, *, vinyl: bool) -> str:
    if not vinyl or not position:
        return str(position)
    side, place = divmod(position - 1, _SIDE_TRACKS)
    return f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[side]}{place + 1}"


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    return json_answer({"error": message, "help": _HELP}, status, headers)
