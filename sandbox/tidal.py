"""The world in the dialect of TIDAL's API, version 2: JSON:API with references and included resources.

Pages hold 20 items and go on by an opaque cursor, which names the next item; its link leaves ``include`` out. Durations
are ISO 8601, ``popularity`` differs at every answer, and an ``include`` of more than is allowed is refused. Answers
need a token.
"""

import base64
import itertools
import math
from collections.abc import Iterable, Sequence
from itertools import dropwhile
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.tokens import Tokens
from sandbox.wire import Answer, Ask, Refusal, json_answer
from sandbox.world import Artist, Label, Release, Track

_PAGE = 20
_CURSOR = "page[cursor]"
_INCLUDES = frozenset({"", "artists", "items", "items.artists", "providers", "albums"})
_ERRORS = {
    400: ("INVALID_REQUEST", "The request is not valid"),
    401: ("UNAUTHORIZED", "The token has expired. (Expired on time)"),
    403: ("FORBIDDEN", "Access denied"),
    404: ("NOT_FOUND", "Resource not found"),
    429: ("TOO_MANY_REQUESTS", "Too many requests"),
}

Document = dict[str, Any]
Thing = TypeVar("Thing")
Item = TypeVar("Item", Release, Track)


class Tidal:
    """Answers below ``/tidal/v2/``."""

    name = "tidal"

    def __init__(self, catalogue: Catalogue) -> None:
        self.numbers = catalogue.numbers
        self.tokens = Tokens(self.name)
        self._catalogue = catalogue
        self._answers = itertools.count(1)

    def respond(self, ask: Ask) -> Answer:
        """Return a document or an error."""
        if not self.tokens.hold(ask):
            return _error(401)
        try:
            return json_answer(self._route(ask, _includes(ask)))
        except Refusal as refusal:
            return _error(refusal.status)

    def over_limit(self, seconds: float, /) -> Answer:
        """Return a 429 that says how long to wait."""
        return _error(429, {"Retry-After": str(math.ceil(seconds))})

    def not_found(self) -> Answer:
        """Return a 404."""
        return _error(404)

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""
        return _error(status)

    def track_document(self, track: Track, _release: Release) -> bytes:
        """Return the track with its place, without what differs at every answer."""
        document = self._track(track, frozenset({"artists"}))
        del document["attributes"]["popularity"]
        return msgspec.json.encode([document, self._place(track), [credit.artist.name for credit in track.credits]])

    def _route(self, ask: Ask, includes: frozenset[str]) -> Document:
        found: Document
        match ask.parts:
            case ["artists", key]:
                found = {"data": self._artist(self._artist_with(key))}
            case ["artists", key, "relationships", "albums"]:
                found = self._albums_of(ask, self._artist_with(key), includes)
            case ["albums"]:
                release = self._catalogue.by_barcode(ask.query.get("filter[barcodeId]", ""))
                releases = [] if release is None else [release]
                found = self._document(
                    [self._album(one, includes) for one in releases], self._beside(releases, includes)
                )
            case ["albums", key]:
                release = self._release_with(key)
                found = {"data": self._album(release, includes), "included": self._beside([release], includes)}
            case ["albums", key, "relationships", "items"]:
                found = self._items_of(ask, self._release_with(key), includes)
            case ["tracks"]:
                tracks = self._catalogue.by_isrc(ask.query.get("filter[isrc]", ""))
                found = self._document([self._track(one, includes) for one in tracks], self._around(tracks, includes))
            case ["tracks", key]:
                track = _found(self._catalogue.track(ids.decode_number("track", key)))
                found = {"data": self._track(track, includes), "included": self._around([track], includes)}
            case _:
                raise Refusal(404)
        return found

    def _artist_with(self, key: str) -> Artist:
        return _found(self._catalogue.artist(ids.decode_number("artist", key)))

    def _release_with(self, key: str) -> Release:
        return _found(self._catalogue.release(ids.decode_number("release", key)))

    def _albums_of(self, ask: Ask, artist: Artist, includes: frozenset[str]) -> Document:
        releases = self._catalogue.releases_of(artist)
        page = _portion(ask, releases)
        included = [self._album(release, frozenset()) for release in page] if "albums" in includes else []
        references = [_reference("albums", "release", release.index) for release in page]
        return {"data": references, "links": _links(ask, releases), "included": included}

    def _items_of(self, ask: Ask, release: Release, includes: frozenset[str]) -> Document:
        tracks = self._catalogue.tracks_on(release)
        page = _portion(ask, tracks)
        included = self._tracks_with_artists(page, includes)
        return {"data": [self._place(track) for track in page], "links": _links(ask, tracks), "included": included}

    def _document(self, data: list[Document], included: list[Document]) -> Document:
        return {"data": data, "links": {"self": "/"}, "included": included}

    def _beside(self, releases: Sequence[Release], includes: frozenset[str]) -> list[Document]:
        """Return what is included with albums."""
        included: list[Document] = []
        for release in releases:
            if "artists" in includes:
                included += [self._artist(credit.artist) for credit in release.credits]
            if "providers" in includes and release.label:
                included.append(_provider(release.label))
            included += self._tracks_with_artists(self._catalogue.tracks_on(release)[:_PAGE], includes)
        return _each_once(included)

    def _around(self, tracks: Sequence[Track], includes: frozenset[str]) -> list[Document]:
        """Return what is included with tracks."""
        included: list[Document] = []
        for track in tracks:
            if "artists" in includes:
                included += [self._artist(credit.artist) for credit in track.credits]
            if "albums" in includes:
                block = self._catalogue.world.block(track.index // ids.SLOTS)
                included.append(self._album(block.releases[track.release], frozenset()))
        return _each_once(included)

    def _tracks_with_artists(self, tracks: Sequence[Track], includes: frozenset[str]) -> list[Document]:
        if not includes & {"items", "items.artists"}:
            return []
        with_artists = "items.artists" in includes
        found = [self._track(track, frozenset({"artists"}) if with_artists else frozenset()) for track in tracks]
        named = [credit.artist for track in tracks for credit in track.credits] if with_artists else []
        return _each_once([*found, *map(self._artist, named)])

    def _popularity(self) -> float:
        return next(self._answers) % 1000 / 1000

    def _artist(self, artist: Artist) -> Document:
        return _resource("artists", "artist", artist.index, {"name": artist.name, "popularity": self._popularity()})

    def _album(self, release: Release, includes: frozenset[str]) -> Document:
        tracks = self._catalogue.tracks_on(release)
        attributes = {
            "title": release.title,
            "barcodeId": (release.barcode or "").zfill(13) if release.barcode else "",
            "numberOfVolumes": max((track.disc for track in tracks), default=1),
            "numberOfItems": len(tracks),
            "duration": _iso_duration(sum(track.duration_ms for track in tracks)),
            "explicit": any(track.explicit for track in tracks),
            "releaseDate": release.date or None,
            "copyright": {"text": "(C) the sandbox"},
            "popularity": self._popularity(),
            "availability": ["STREAM", "DJ"],
            "mediaTags": ["LOSSLESS"],
            "type": release.type.upper(),
        }
        artists = [_reference("artists", "artist", credit.artist.index) for credit in release.credits]
        providers = [_reference("providers", "label", release.label.index)] if release.label else []
        listed = [self._place(track) for track in tracks[:_PAGE]]
        following = Ask(f"albums/{ids.encode_number('release', release.index)}/relationships/items")
        items = {"data": listed, "links": _links(following, tracks)}
        relationships = {
            "artists": {"data": artists} if "artists" in includes else {},
            "items": items if includes & {"items", "items.artists"} else {},
            "providers": {"data": providers} if "providers" in includes else {},
        }
        return _resource("albums", "release", release.index, attributes, relationships)

    def _track(self, track: Track, includes: frozenset[str]) -> Document:
        attributes = {
            "title": track.title,
            "version": track.version,
            "isrc": track.isrc or "",
            "duration": _iso_duration(track.duration_ms),
            "copyright": "(P) the sandbox",
            "explicit": track.explicit,
            "popularity": self._popularity(),
            "availability": ["STREAM", "DJ"],
            "mediaTags": ["LOSSLESS"],
        }
        artists = [_reference("artists", "artist", credit.artist.index) for credit in track.credits]
        relationships = {"artists": {"data": artists} if "artists" in includes else {}, "albums": {}}
        return _resource("tracks", "track", track.index, attributes, relationships)

    def _place(self, track: Track) -> Document:
        meta = {"volumeNumber": track.disc, "trackNumber": track.position}
        return _reference("tracks", "track", track.index) | {"meta": meta}


def _includes(ask: Ask) -> frozenset[str]:
    includes = frozenset(ask.query.get("include", "").split(","))
    if includes - _INCLUDES:
        raise Refusal(400)
    return includes


def _reference(kind: str, world_kind: ids.Kind, index: int) -> Document:
    return {"id": str(ids.encode_number(world_kind, index)), "type": kind}


def _resource(
    kind: str, world_kind: ids.Kind, index: int, attributes: Document, relationships: Document | None = None
) -> Document:
    return _reference(kind, world_kind, index) | {"attributes": attributes, "relationships": relationships or {}}


def _provider(label: Label) -> Document:
    return _resource("providers", "label", label.index, {"name": label.name})


def _each_once(resources: Iterable[Document]) -> list[Document]:
    return list({(resource["type"], resource["id"]): resource for resource in resources}.values())


def _portion(ask: Ask, things: Sequence[Item]) -> Sequence[Item]:
    return _from_cursor(ask, things)[:_PAGE]


def _links(ask: Ask, things: Sequence[Item]) -> Document:
    ahead = _from_cursor(ask, things)
    if len(ahead) <= _PAGE:
        return {"self": f"/{ask.path}"}
    cursor = base64.urlsafe_b64encode(f"from {ahead[_PAGE].index}".encode()).decode()
    return {"self": f"/{ask.path}", "next": f"/{ask.path}?{urlencode({_CURSOR: cursor, 'countryCode': 'US'})}"}


def _from_cursor(ask: Ask, things: Sequence[Item]) -> Sequence[Item]:
    """Return what is listed from the item on that the cursor names, wherever in the list that stands by now."""
    listed, cursor = ask.listed(things), ask.query.get(_CURSOR, "")
    try:
        first = int(base64.urlsafe_b64decode(cursor).decode().removeprefix("from ")) if cursor else None
    except ValueError:
        raise Refusal(400) from None
    return listed if first is None else list(dropwhile(lambda thing: thing.index != first, listed))


def _iso_duration(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    return "PT" + ("".join(f"{number}{unit}" for number, unit in parts if number) or "0S")


def _found(thing: Thing | None) -> Thing:
    if thing is None:
        raise Refusal(404)
    return thing


def _error(status: int, headers: dict[str, str] | None = None) -> Answer:
    code, detail = _ERRORS.get(status, ("INTERNAL_SERVER_ERROR", "Something went wrong"))
    return json_answer({"errors": [{"status": str(status), "code": code, "detail": detail}]}, status, headers)
