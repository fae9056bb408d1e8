"""Spotify's Web API.

Docs:       https://developer.spotify.com/documentation/web-api; the forms here were checked against recorded answers.
Auth:       client credentials: ``POST https://accounts.spotify.com/api/token``, a token for an hour (documented,
            recorded). An old one answers 401 "The access token expired" (recorded).
Rate:       counted over 30 seconds, by numbers that are not published, and lower for apps in development mode
            (documented); over it 429 with Retry-After, 1 to 5 seconds usually (recorded), 79,892 once (reported by a
            client). 2 a second is a careful guess, to be raised by who has an extended quota.
Paging:     ``limit`` and ``offset``; ``next`` is a URL of which only these two are read. 50 tracks of an album;
            searches and the albums of an artist are asked for by 10, which is all that some apps get (reported by
            clients).
Withdrawn:  apps in development mode lost ``browse/new-releases`` and the gets of several things at once in February
            2026 and are answered 403 there; ``external_ids`` stayed (documented in the changelogs of February and March
            2026). The adapter ``spotify-development`` does without them: one request for each track.
Errors:     ``{"error": {"status", "message"}}``; of the token URL ``{"error", "error_description"}`` (recorded).
Identity:   ids are letters and digits in which case counts, 22 so far. ``tracks?ids=`` has null in the place of an
            unknown id (recorded). Files of users have no id (recorded) and are rejected. With a ``market``, which is
            not asked for here, one track may stand in for another: ``linked_from`` names the other, whose place on an
            album it is.
Forms:      every object says its ``type``. Tracks embedded in an album or listed for it lack the ISRC, so the tracks
            are asked for, too. A number may be written as a float (recorded). Dates have 4, 7 or 10 characters, or are
            null or "0000".
Left out:   popularity, followers, previews: they change at almost every answer. The genres of an album, which are
            always empty. ``available_markets`` are the territories, in sorted order; no list is not an empty one.

There is no field for a version: it stands in the title. There are no join phrases: names are joined by ", ".
"""

import functools
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import keys, wire
from musicsync.providers.base import Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.oauth import ClientCredentials
from musicsync.providers.outcomes import by_status
from musicsync.providers.wire import Each, Text
from musicsync.records import (
    ArtistRecord,
    Credit,
    Kind,
    Mode,
    Page,
    Permanent,
    ProviderError,
    Refused,
    RejectedItem,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
)

T = TypeVar("T")

_TRACKS_A_PAGE = 50
_SEARCH_PAGE = 10
_NEW_RELEASES_PAGE = 50
_LARGEST = 2**31 - 1
_ID = r"^[0-9A-Za-z]{1,64}$"
_WITHDRAWN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_KEYS: Final[dict[ScopeKind, str]] = {
    "feed": "empty",
    "artist": "a Spotify id of 22 letters and digits",
    "release": "a Spotify id or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "an ISRC or a Spotify id",
}

SpotifyId = Annotated[str, Meta(pattern=_ID)]
Whole = Annotated[int, Meta(ge=0, le=_LARGEST)] | Annotated[float, Meta(ge=0, le=_LARGEST, multiple_of=1)]
"""A whole number, which may be written as 1.0."""


class Credited(Struct):
    """An artist in a credit; one of a user's files has no id."""

    name: str
    id: SpotifyId | None = None


class Artist(Struct, tag_field="type", tag="artist"):
    """An artist, alone or in a list."""

    id: SpotifyId
    name: Text


class ExternalIds(Struct):
    """The codes of an album or a track."""

    isrc: str | None = None
    upc: str | None = None
    ean: str | None = None


class Link(Struct):
    """The track that another stands in for."""

    id: SpotifyId


class AlbumStub(Struct):
    """An album as a track names it, with fewer fields than its own page has."""

    id: SpotifyId
    name: Text
    album_type: str | UnsetType | None = UNSET
    release_date: str | UnsetType | None = UNSET
    total_tracks: Whole | UnsetType | None = UNSET
    available_markets: list[str] | UnsetType | None = UNSET
    artists: list[Credited] | UnsetType | None = UNSET


class Track(Struct, tag_field="type", tag="track"):
    """A track, whole at ``tracks/{id}`` and with fewer fields in an album."""

    id: SpotifyId
    name: Text
    duration_ms: Whole | UnsetType | None = UNSET
    disc_number: Whole | UnsetType | None = UNSET
    track_number: Whole | UnsetType | None = UNSET
    explicit: bool | UnsetType | None = UNSET
    external_ids: ExternalIds | UnsetType | None = UNSET
    available_markets: list[str] | UnsetType | None = UNSET
    artists: list[Credited] | UnsetType | None = UNSET
    album: AlbumStub | UnsetType | None = UNSET
    linked_from: Link | UnsetType | None = UNSET


class Album(AlbumStub, tag_field="type", tag="album"):
    """An album, whole at ``albums/{id}`` and with fewer fields in lists."""

    external_ids: ExternalIds | UnsetType | None = UNSET
    label: str | UnsetType | None = UNSET
    tracks: "Items | UnsetType | None" = UNSET


Item = Track | Album | Artist


class Items(Struct):
    """One page of a list."""

    items: list[Item] | None
    next: str | None = None


class Several(Struct):
    """Things asked for by their ids, or pages of a search, by their kind."""

    tracks: list[Track | None] | Items | UnsetType | None = UNSET
    albums: list[Album | None] | Items | UnsetType | None = UNSET
    artists: list[Artist | None] | Items | UnsetType | None = UNSET


class Fault(Struct):
    """What an error says."""

    status: int = 400
    message: str = ""


class _Error(Struct):
    error: Fault


_ITEMS = {"items": Each(Item)}
_SEVERAL = {"tracks": Each(Track | None), "albums": Each(Album | None), "artists": Each(Artist | None)}
_FORM_OF: Final[dict[str, Any]] = {"tracks": Track, "albums": Album, "artists": Artist}
_KIND_OF: Final[dict[str, Kind]] = {"tracks": "track", "albums": "release", "artists": "artist"}


class Spotify(ClientCredentials):
    """Follows artists, releases, recordings and new releases at Spotify, for an app with extended quota."""

    name = "spotify"
    label = "Spotify"
    base_url = "https://api.spotify.com/v1"
    token_url = "https://accounts.spotify.com/api/token"  # noqa: S105 - the address, not a token
    scope_kinds: ClassVar[tuple[ScopeKind, ...]] = tuple(_KEYS)
    rate = 2.0
    burst = 1
    volatile = True
    tracks_at_once: ClassVar[int] = 50
    """Tracks that one request asks for."""

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error."""
        try:
            return one_line(msgspec.json.decode(body, type=_Error).error.message)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return super().error_text(body)

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
        """Return one request; albums that are known already are left out of an incremental run by ``refreshes``."""
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
        if kind in _FORM_OF and asked and not listed:
            return self._object_page(kind, asked, request, response.body)
        if (kind, listed) in (("albums", "tracks"), ("artists", "albums")):
            return self._list_page(request, response.body)
        return self._several_page(request, response.body)

    def _object_page(self, kind: str, asked: str, request: Request, body: bytes) -> Page:
        item, rejected = _decode(body, _FORM_OF[kind], request)
        page = PageBuilder(rejected)
        if _linked(item) is None:
            page.merge(_KIND_OF[kind], asked, item.id)
        _add(page, item)
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
        page.follow_ups += _next_page(album.tracks.next, listed, page, "$.tracks.next")

    def _list_page(self, request: Request, body: bytes) -> Page:
        items, rejected = _decode(body, Items, request, _ITEMS)
        page = PageBuilder(rejected)
        self._add_items(page, items, request)
        page.follow_ups += _next_page(items.next, request, page, "$.next")
        return page.page()

    def _several_page(self, request: Request, body: bytes) -> Page:
        several, rejected = _decode(body, Several, request, _SEVERAL)
        found = {name: value for name in _FORM_OF if (value := getattr(several, name)) is not UNSET}
        if not found:
            raise _no_form(wire.load(body), request)
        page = PageBuilder(rejected)
        isrc = request.params.get("q", "").partition("isrc:")[2]
        for name, value in found.items():
            items = value if isinstance(value, Items) else Items([item for item in value or () if item])
            if isrc:
                items.items = [item for item in items.items or () if _has_isrc(item, isrc)]
            self._add_items(page, items, request)
            page.follow_ups += _next_page(items.next, request, page, f"$.{name}.next")
        return page.page()

    def _add_items(self, page: PageBuilder, items: Items, request: Request) -> None:
        entity, _, rest = request.path.partition("/")
        owner, _, listed = rest.partition("/")
        album = owner if (entity, listed) == ("albums", "tracks") else None
        followed = (
            listed in ("albums", "new-releases") or rest == "new-releases" or "upc:" in request.params.get("q", "")
        )
        wanted = []
        for item in items.items or ():
            _add(page, item, album)
            if followed and isinstance(item, Album):
                page.follow_ups.append(Request(path=f"albums/{item.id}", refreshes=("release", item.id)))
            if album and isinstance(item, Track) and not item.external_ids:
                wanted.append(_linked(item) or item.id)
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


def _decode(
    body: bytes, form: type[T], request: Request, lists: wire.Lists | None = None
) -> tuple[T, list[RejectedItem]]:
    """Return the body in its form; the pages within it are read item by item where one of their items is wrong.

    Raises:
        ProviderError: the answer is an error, or as ``wire.decode`` does.
    """
    try:
        return wire.decode(body, form)
    except Permanent:
        answer = wire.load(body)
    if not isinstance(answer, dict) or "error" in answer:
        raise _no_form(answer, request)
    rejected: list[RejectedItem] = []
    for name in _FORM_OF:
        if isinstance(answer.get(name), dict):
            # What is wrong is taken out of the answer itself, which is then read as a whole.
            rejected += wire.shape(answer[name], Items, _ITEMS, f"$.{name}")[1]
    found, wrong = wire.shape(answer, form, lists)
    return found, rejected + wrong


def _no_form(answer: object, request: Request) -> ProviderError:
    """Return the error that an answer is which holds none of what is synced."""
    if not isinstance(answer, dict) or "error" not in answer:
        return Permanent(f"the answer to {request.path} is not a form that is synced: no track, album, artist or list")
    try:
        fault = msgspec.convert(answer, _Error).error
    except msgspec.ValidationError:
        said = f"{answer['error']}: {answer.get('error_description', '')}"
        what = f"GET /{request.path}: {one_line(said)}"
        return Refused(what) if answer["error"] == "invalid_client" else Permanent(what)
    return by_status(fault.status, f"GET /{request.path}: {fault.status} {one_line(fault.message)}")


def _next_page(url: str | None, request: Request, page: PageBuilder, place: str) -> list[Request]:
    if not url:
        return []
    try:
        query = parse_qs(urlsplit(url).query)
        offset = int(query["offset"][0])
        limit = int(query.get("limit", [request.params.get("limit", str(_TRACKS_A_PAGE))])[0])
    except (ValueError, KeyError):
        page.rejected.append(RejectedItem(path=place, reason="has no offset to go on at", excerpt=wire.excerpt(url)))
        return []
    params = {**request.params, "limit": str(limit), "offset": str(offset)}
    return [Request(path=request.path, params=params, refreshes=request.refreshes)]


def _add(page: PageBuilder, item: Item, album: str | None = None) -> None:
    if isinstance(item, Track):
        _add_track(page, item, album)
    elif isinstance(item, Album):
        page.add(_release(page, item, item))
    else:
        page.add(ArtistRecord(external_id=item.id, name=clean_text(item.name)))


def _release(page: PageBuilder, stub: AlbumStub, album: Album | None = None) -> ReleaseRecord:
    return ReleaseRecord(
        external_id=stub.id,
        title=clean_text(stub.name),
        gtin=_gtin(album.external_ids) if album else UNSET,
        type=_lower(stub.album_type),
        released=wire.optional_date(stub.release_date),
        label=wire.optional_text(album.label) if album else UNSET,
        track_count=_whole(stub.total_tracks),
        territories=_territories(stub.available_markets),
        credits=_credits(page, stub.artists),
    )


def _add_track(page: PageBuilder, track: Track, album: str | None) -> None:
    stub = track.album
    if stub:
        page.add(_release(page, stub))
        album = stub.id
    page.add(
        TrackRecord(
            external_id=track.id if stub else _linked(track) or track.id,
            release_id=album or UNSET,
            disc=_whole(track.disc_number),
            position=_whole(track.track_number),
            title=clean_text(track.name),
            isrcs=_isrcs(track.external_ids),
            duration_ms=wire.duration(_whole(track.duration_ms)),
            explicit=track.explicit,
            territories=_territories(track.available_markets),
            credits=_credits(page, track.artists),
        )
    )


def _linked(item: Item) -> str | None:
    return item.linked_from.id if isinstance(item, Track) and item.linked_from else None


def _has_isrc(item: Item, isrc: str) -> bool:
    return isinstance(item, Track) and isrc in (_isrcs(item.external_ids) or ())


def _credits(page: PageBuilder, artists: list[Credited] | UnsetType | None) -> tuple[Credit, ...] | UnsetType:
    named = [(name, artist.id) for artist in artists or () if (name := clean_text(artist.name))]
    if not named:
        return UNSET
    for name, artist_id in named:
        if artist_id:
            page.add(ArtistRecord(external_id=artist_id, name=name))
    last = len(named) - 1
    return tuple(
        Credit(name=name, artist_id=artist_id, join_phrase=", " if place < last else "")
        for place, (name, artist_id) in enumerate(named)
    )


def _territories(markets: list[str] | UnsetType | None) -> tuple[str, ...] | UnsetType | None:
    if isinstance(markets, UnsetType) or markets is None:
        return markets
    return _sorted("\n".join(markets))


@functools.lru_cache(maxsize=4096)
def _sorted(markets: str) -> tuple[str, ...]:
    # Nearly all tracks have one of a few lists of 180 markets: sorting each anew would take longer than all the rest.
    return tuple(sorted({clean_text(market) for market in markets.splitlines()} - {""}))


def _isrcs(ids: ExternalIds | UnsetType | None) -> tuple[str, ...] | UnsetType:
    return UNSET if isinstance(ids, UnsetType) else wire.optional_isrcs(ids.isrc if ids else None)


def _gtin(ids: ExternalIds | UnsetType | None) -> str | UnsetType | None:
    return UNSET if isinstance(ids, UnsetType) else wire.optional_gtin((ids.upc or ids.ean) if ids else None)


def _whole(number: float | UnsetType | None) -> int | UnsetType | None:
    return int(number) if isinstance(number, float) else number


def _lower(text: str | UnsetType | None) -> str | UnsetType | None:
    cleaned = wire.optional_text(text)
    return cleaned.lower() if isinstance(cleaned, str) else cleaned
