"""Spotify's Web API.

Docs:       https://developer.spotify.com/documentation/web-api; the forms here were checked against recorded answers.
Auth:       client credentials: ``POST https://accounts.spotify.com/api/token``, a token for an hour (documented,
            recorded). An old one answers 401 "The access token expired" (recorded).
Rate:       counted over 30 seconds, by numbers that are not published, and lower for apps in development mode
            (documented); over it 429 with Retry-After, 1 to 5 seconds usually (recorded), 79,892 once (reported by a
            client). 2 a second is a careful guess, to be raised by who has an extended quota.
Paging:     ``limit`` and ``offset``; ``next`` is a URL of which only these two are read. 50 tracks of an album;
            searches and the albums of an artist are asked for by 10, which is all that some apps get (reported by
            clients). A ``total`` that has changed since the page before says that the list has (ADR 16).
Withdrawn:  apps in development mode lost ``browse/new-releases`` and the gets of several things at once in February
            2026 and are answered 403 there; their answers have no ``available_markets``, ``label``, ``linked_from`` and
            popularity any more, but ``external_ids`` stayed (documented in the changelogs of February and March 2026).
            The adapter ``spotify-development`` does without them: one request for each track, no territories.
Errors:     ``{"error": {"status", "message"}}``; of the token URL ``{"error", "error_description"}`` (recorded).
Identity:   ids are letters and digits in which case counts, 22 so far. ``tracks?ids=`` has null in the place of an
            unknown id (recorded). Files of users have no id (recorded) and are rejected. With a ``market``, which is
            not asked for here, one track may stand in for another: ``linked_from`` names the other, whose place on an
            album it is, by a URI beside an ``id`` of null within albums (recorded).
Forms:      every object says its ``type``. Tracks embedded in an album or listed for it lack the ISRC, so the tracks
            are asked for, too. A number may be written as a float (recorded). Dates have 4, 7 or 10 characters, or are
            null or "0000".
Left out:   popularity, followers, previews: they change at almost every answer. The genres of an album, which are
            always empty. ``available_markets`` are the territories, in sorted order; no list is not an empty one.

There is no field for a version: it stands in the title. There are no join phrases: names are joined by ", ".
"""

from http import HTTPStatus
from typing import ClassVar, Final

from msgspec import UNSET

from musicsync.providers import keys, wire
from musicsync.providers.base import Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.oauth import ClientCredentials
from musicsync.providers.spotify.forms import (
    FORM_OF,
    ITEMS,
    SEVERAL,
    Album,
    Artist,
    Error,
    Items,
    Several,
    Track,
    decode,
    no_form,
)
from musicsync.providers.spotify.reading import add, has_isrc, linked
from musicsync.records import Kind, Mode, Page, Permanent, Request, Response, ScopeKind

_TRACKS_A_PAGE = 50
_SEARCH_PAGE = 10
_NEW_RELEASES_PAGE = 50
_WITHDRAWN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_KIND_OF: Final[dict[str, Kind]] = {"tracks": "track", "albums": "release", "artists": "artist"}
_KEYS: Final[dict[ScopeKind, str]] = {
    "feed": "empty",
    "artist": "a Spotify id of 22 letters and digits",
    "release": "a Spotify id or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "an ISRC or a Spotify id",
}


class Spotify(ClientCredentials):
    """Follows artists, releases, recordings and new releases at Spotify, for an app with extended quota."""

    name = "spotify"
    label = "Spotify"
    base_url = "https://api.spotify.com/v1"
    token_url = "https://accounts.spotify.com/api/token"  # noqa: S105 - the address, not a token
    scope_kinds: ClassVar[tuple[ScopeKind, ...]] = tuple(_KEYS)
    rate = 2.0
    burst = 1
    parser_version = 2
    volatile = True
    tracks_at_once: ClassVar[int] = 50
    """Tracks that one request asks for."""

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error."""
        said = wire.try_decode(body, Error)
        return one_line(said.error.message) if said else super().error_text(body)

    def withdrawn(self, path: str, status: int) -> str:
        """Tell what apps in development mode are turned away from."""
        if status not in _WITHDRAWN or path not in ("browse/new-releases", "tracks"):
            return ""
        return (
            "not open to apps in development mode: set MUSICSYNC_CREDENTIAL_<SLUG> to that of an app with extended "
            "quota, or add the provider with --adapter spotify-development"
        )

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id as it is, an ISRC, or a UPC/EAN of at least 12 digits; empty for the feed."""
        found: str | None = None
        if kind == "feed":
            found = "" if not key.strip() else None
        elif kind == "release":
            found = keys.base62_key(key) or keys.gtin_key(key)
        elif kind == "recording":
            found = keys.base62_key(key) or keys.isrc_key(key)
        elif kind == "artist":
            found = keys.base62_key(key)
        if found is None or kind not in self.scope_kinds:
            raise keys.bad_scope(self.label, kind, key, {kind: _KEYS[kind] for kind in self.scope_kinds})
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one request; albums that it leads to are asked at times of their own by ``refreshes``."""
        key = self.normalise_key(scope.kind, scope.key)
        by_id = keys.base62_key(key) is not None
        if scope.kind == "feed":
            return [_list("browse/new-releases", _NEW_RELEASES_PAGE)]
        if scope.kind == "release":
            return [Request(path=f"albums/{key}") if by_id else _search("album", f"upc:{key}")]
        if scope.kind == "recording":
            return [Request(path=f"tracks/{key}") if by_id else _search("track", f"isrc:{key}")]
        return [Request(path=f"artists/{key}")]

    def probe(self) -> Request:
        """Return a search for one artist."""
        return _search("artist", "a", 1)

    def parse(self, request: Request, response: Response) -> Page:
        """Return what an object, a list or a search says; which it is is told by the request's path."""
        kind, _, rest = request.path.partition("/")
        asked, _, listed = rest.partition("/")
        if kind == "playlists":
            raise Permanent(f"the answer to {request.path} is not a form that is synced: a playlist")
        if kind in FORM_OF and asked and not listed:
            return self._object_page(kind, asked, request, response.body)
        if (kind, listed) in (("albums", "tracks"), ("artists", "albums")):
            return self._list_page(request, response.body)
        return self._several_page(request, response.body)

    def _object_page(self, kind: str, asked: str, request: Request, body: bytes) -> Page:
        item, rejected = decode(body, FORM_OF[kind], request)
        page = PageBuilder(rejected)
        if linked(item) is None:
            page.merge(_KIND_OF[kind], asked, item.id)
        add(page, item)
        if isinstance(item, Artist):
            page.follow_ups.append(_albums_of(item.id))
        if isinstance(item, Album):
            self._add_tracks(page, item, request)
        return page.page()

    def _add_tracks(self, page: PageBuilder, album: Album, request: Request) -> None:
        """Add the tracks embedded in an album; ask for the others, and for what is only said of each by itself."""
        if not album.tracks:
            return
        # Asked for as the details of a listed album, its tracks are details of it too.
        details_of: tuple[Kind, str] | None = ("release", album.id) if request.refreshes else None
        listed = Request(path=f"albums/{album.id}/tracks", refreshes=details_of)
        self._add_items(page, album.tracks, listed)
        page.total = _total(album.tracks)
        page.go_on_at(album.tracks.next, "offset", request, "$.tracks.next", listed.path)

    def _list_page(self, request: Request, body: bytes) -> Page:
        items, rejected = decode(body, Items, request, ITEMS)
        page = PageBuilder(rejected)
        self._add_items(page, items, request)
        page.total = _total(items)
        page.go_on_at(items.next, "offset", request)
        return page.page()

    def _several_page(self, request: Request, body: bytes) -> Page:
        several, rejected = decode(body, Several, request, SEVERAL)
        found = {name: value for name in FORM_OF if (value := getattr(several, name)) is not UNSET}
        if not found:
            raise no_form(wire.load(body), request)
        page = PageBuilder(rejected)
        isrc = request.params.get("q", "").partition("isrc:")[2]
        for name, value in found.items():
            items = value if isinstance(value, Items) else Items([item for item in value or () if item])
            if isrc:
                items.items = [item for item in items.items or () if has_isrc(item, isrc)]
            self._add_items(page, items, request)
            page.total = _total(items)
            page.go_on_at(items.next, "offset", request, f"$.{name}.next")
        return page.page()

    def _add_items(self, page: PageBuilder, items: Items, request: Request) -> None:
        entity, _, rest = request.path.partition("/")
        owner, _, listed = rest.partition("/")
        album = owner if (entity, listed) == ("albums", "tracks") else None
        followed = listed == "albums" or rest == "new-releases" or request.params.get("q", "").startswith("upc:")
        wanted = []
        before = None
        for item in items.items or ():
            add(page, item, album, before)
            before = item
            if followed and isinstance(item, Album):
                page.follow_ups.append(Request(path=f"albums/{item.id}", refreshes=("release", item.id)))
            if isinstance(item, Album) and item.tracks:
                self._add_tracks(page, item, Request(path=f"albums/{item.id}", refreshes=request.refreshes))
            if album and isinstance(item, Track) and not item.external_ids:
                wanted.append(linked(item) or item.id)
        for start in range(0, len(wanted), self.tracks_at_once):
            page.follow_ups.append(self._tracks(wanted[start : start + self.tracks_at_once], request.refreshes))

    def _tracks(self, ids: list[str], refreshes: tuple[Kind, str] | None) -> Request:
        if self.tracks_at_once == 1:
            return Request(path=f"tracks/{ids[0]}", refreshes=refreshes)
        return Request(path="tracks", params={"ids": ",".join(ids)}, refreshes=refreshes)


class SpotifyDevelopment(Spotify):
    """The same for an app in development mode, which has no list of new releases and gets tracks one by one."""

    name = "spotify-development"
    label = "Spotify (app in development mode)"
    scope_kinds = ("artist", "release", "recording")
    rate = 1.0
    tracks_at_once = 1


def _list(path: str, limit: int, **params: str) -> Request:
    return Request(path=path, params={**params, "limit": str(limit), "offset": "0"})


def _search(kind: str, query: str, limit: int = _SEARCH_PAGE) -> Request:
    return _list("search", limit, q=query, type=kind)


def _albums_of(artist: str) -> Request:
    return _list(f"artists/{artist}/albums", _SEARCH_PAGE, include_groups="album,single,compilation")


def _total(items: Items) -> int | None:
    return None if items.total is None else int(items.total)
