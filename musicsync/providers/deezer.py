"""Deezer's catalogue API.

Docs:       https://developers.deezer.com/api (sign-in needed); the forms here were checked against recorded answers.
Auth:       none for the catalogue.
Rate:       50 requests in 5 seconds per IP address. 10 a second with no burst stays inside every such window, because
            a budget is used to 98.5 %.
Errors:     come with HTTP 200 as ``{"error": {"type", "message", "code"}}``: code 4 quota, 100 items limit, 200
            permission, 300 token, 500 parameter, 501 missing parameter, 600 query, 700 busy, 800 no data. A quota error
            has no Retry-After; the window is 5 seconds.
Paging:     ``index`` and ``limit`` (25 unless given); ``next`` is a URL of which only these two are read. A page may
            hold fewer items than its limit, and ``total`` may differ from their number, so ``next`` alone says whether
            to go on. A ``total`` that has changed since the page before says that the list has (ADR 16).
Identity:   ``album/{id}`` may answer with another id than asked for: the two are one album now. UPCs have 12 or 13
            digits.
Forms:      every object says its ``type``. Tracks embedded in an album lack ISRC and place, so ``album/{id}/tracks`` is
            asked; that list does not name the album. Lists name the main artist alone; ``track/{id}`` and
            ``album/{id}`` name all contributors, ``track/{id}`` the territories too, in ``available_countries``. A
            request for each track would be ten times as many, so tracks are asked for by themselves only where they
            are followed as recordings: of others neither featured artists nor territories are known. Ids and durations
            were texts once (recorded).
Left out:   rank, fans, preview, covers: they change at almost every answer and are not the catalogue's. ``readable``
            and ``alternative`` say whether the address that asks may play a track, and which other one it may play
            instead: that is of the address, and ``available_countries`` says it of all.

Durations are in seconds. There are no join phrases: names are joined by ", ", and by " feat. " before featured artists.
"""

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import keys, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.wire import Each, Key, Number, Text
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    Kind,
    Mode,
    Page,
    Permanent,
    ProviderError,
    RateLimited,
    Refused,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
    Transient,
)

_PAGE = 100
_WINDOW_SECONDS = 5.0
_QUOTA, _BUSY, _NO_DATA = 4, 700, 800
_CREDENTIAL_CODES = (200, 300)
_LISTS_OF_A_CHART = ("tracks", "albums", "artists")
_IN_PARENTHESES = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_KEYS: Final[dict[ScopeKind, str]] = {
    "feed": "empty",
    "artist": "a Deezer id",
    "release": "a Deezer id or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "an ISRC or a Deezer track id",
}

Seconds = Annotated[int, Meta(ge=0, le=2_000_000)] | Annotated[str, Meta(pattern=r"^[0-9]{0,6}\Z")]


class Artist(Struct, tag_field="type", tag="artist"):
    """An artist, alone or embedded; ``role`` is "Main" or "Featured" among contributors."""

    id: Key
    name: str
    role: str | None = None


class Genre(Struct):
    """A genre of an album."""

    name: str


class Genres(Struct):
    """The genres of an album."""

    data: list[Genre] = []


class Album(Struct, tag_field="type", tag="album"):
    """An album, whole at ``album/{id}`` and with fewer fields in lists and tracks."""

    id: Key
    title: Text
    upc: str | UnsetType | None = UNSET
    label: str | UnsetType | None = UNSET
    release_date: str | UnsetType | None = UNSET
    record_type: str | UnsetType | None = UNSET
    nb_tracks: Number | UnsetType | None = UNSET
    explicit_lyrics: bool | UnsetType | None = UNSET
    genres: Genres | UnsetType = UNSET
    contributors: list[Artist] | UnsetType = UNSET
    artist: Artist | UnsetType = UNSET


class Track(Struct, tag_field="type", tag="track"):
    """A track, whole at ``track/{id}`` and with fewer fields in lists."""

    id: Key
    title: Text
    title_short: str | None = None
    title_version: str | UnsetType | None = UNSET
    isrc: str | UnsetType | None = UNSET
    duration: Seconds | UnsetType | None = UNSET
    disk_number: Number | UnsetType = UNSET
    track_position: Number | UnsetType = UNSET
    explicit_lyrics: bool | UnsetType | None = UNSET
    contributors: list[Artist] | UnsetType = UNSET
    artist: Artist | UnsetType = UNSET
    album: Album | UnsetType = UNSET
    available_countries: list[str] | UnsetType | None = UNSET


Item = Track | Album | Artist


class Items(Struct):
    """One page of a list."""

    data: list[Item]
    next: str | None = None
    total: Number | None = None


class Fault(Struct):
    """What an error says."""

    type: str = ""
    message: str = ""
    code: int | None = None


_ITEMS = {"data": Each(Item)}
_KIND_OF: Final[dict[str, Kind]] = {"track": "track", "album": "release", "artist": "artist"}


class Deezer(Adapter):
    """Follows artists, releases, recordings and the list of new releases at Deezer."""

    name = "deezer"
    label = "Deezer"
    base_url = "https://api.deezer.com"
    scope_kinds = tuple(_KEYS)
    rate = 10.0
    burst = 1
    parser_version = 4
    volatile = True

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id without leading zeros, an ISRC, or a UPC/EAN of at least 12 digits; empty for the feed."""
        found: str | None = None
        if kind == "feed":
            found = "" if not key.strip() else None
        elif kind == "release":
            found = keys.gtin_or_number_key(key)
        elif kind == "recording":
            found = keys.isrc_key(key) or keys.number_key(key)
        elif kind == "artist":
            found = keys.number_key(key)
        if found is None:
            raise keys.bad_scope(self.label, kind, key, _KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one request; albums that it leads to are asked at times of their own by ``refreshes``."""
        key = self.normalise_key(scope.kind, scope.key)
        if scope.kind == "feed":
            return [_list("editorial/0/releases")]
        if scope.kind == "release":
            return [Request(path=f"album/upc:{key}" if keys.has_gtin_length(key) else f"album/{key}")]
        if scope.kind == "recording":
            return [Request(path=f"track/{key}" if key.isdigit() else f"track/isrc:{key}")]
        return [Request(path=f"artist/{key}")]

    def probe(self) -> Request:
        """Return a request for one new release."""
        return Request(path="editorial/0/releases", params={"limit": "1"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return what an object, a list or a chart says; which it is is told by its own fields."""
        answer = wire.load(response.body)
        if not isinstance(answer, dict):
            raise Permanent(f"the answer to {request.path} is not a form that is synced: no object, list or chart")
        if "error" in answer:
            raise _error(answer["error"], request)
        if "data" in answer:
            return _list_page(answer, request)
        if "type" in answer:
            return _object_page(answer, request)
        return _chart_page(answer, request)


def _list(path: str, refreshes: tuple[Kind, str] | None = None) -> Request:
    return Request(path=path, params={"index": "0", "limit": str(_PAGE)}, refreshes=refreshes)


def _error(error: object, request: Request) -> ProviderError:
    try:
        fault = msgspec.convert(error, Fault)
    except msgspec.ValidationError:
        fault = Fault(message=str(error))
    what = f"GET /{request.path}: {one_line(f'{fault.type}: {fault.message}')}"
    if fault.code is not None:
        what += f" (code {fault.code})"
    if fault.code == _QUOTA:
        return RateLimited(what, _WINDOW_SECONDS)
    if fault.code == _BUSY:
        return Transient(what)
    if fault.code == _NO_DATA:
        return Gone(what)
    if fault.code in _CREDENTIAL_CODES or fault.type == "OAuthException":
        return Refused(f"{what}: the credential was refused, or is needed here")
    return Permanent(what)


def _object_page(answer: dict[str, Any], request: Request) -> Page:
    kind = str(answer["type"])
    if kind not in _KIND_OF:
        raise Permanent(f"the answer to {request.path} is not a form that is synced: type {one_line(kind, 40)!r}")
    item, _ = wire.shape(answer, Item)
    page = PageBuilder()
    entity, _, asked = request.path.partition("/")
    if asked.isdigit() and entity == kind:
        page.merge(_KIND_OF[kind], asked, str(item.id))
    _add(page, item)
    if isinstance(item, Artist):
        page.follow_ups.append(_list(f"artist/{item.id}/albums"))
    if isinstance(item, Album):
        # Asked for as the details of a listed album, its tracks are details of it too.
        details_of: tuple[Kind, str] | None = ("release", str(item.id)) if request.refreshes else None
        page.follow_ups.append(_list(f"album/{item.id}/tracks", details_of))
    return page.page()


def _list_page(answer: dict[str, Any], request: Request) -> Page:
    items, rejected = wire.shape(answer, Items, _ITEMS)
    page = PageBuilder(rejected)
    page.total = items.total
    _add_items(page, items, request)
    page.go_on_at(items.next, "index", request)
    return page.page()


def _chart_page(answer: dict[str, Any], request: Request) -> Page:
    lists = [name for name in _LISTS_OF_A_CHART if name in answer]
    if not lists:
        raise Permanent(f"the answer to {request.path} is not a form that is synced: no object, list or chart")
    page = PageBuilder()
    for name in lists:
        items, rejected = wire.shape(answer[name], Items, _ITEMS, f"$.{name}")
        page.rejected += rejected
        _add_items(page, items, request)
    return page.page()


def _add_items(page: PageBuilder, items: Items, request: Request) -> None:
    entity, _, rest = request.path.partition("/")
    owner, _, listed = rest.partition("/")
    album = owner if entity == "album" and listed == "tracks" else None
    followed = (entity, listed) in (("artist", "albums"), ("editorial", "releases"))
    for item in items.data:
        _add(page, item, album)
        if followed and isinstance(item, Album):
            page.follow_ups.append(Request(path=f"album/{item.id}", refreshes=("release", str(item.id))))


def _add(page: PageBuilder, item: Item, album: str | None = None) -> None:
    if isinstance(item, Track):
        _add_track(page, item, album)
    elif isinstance(item, Album):
        _add_album(page, item)
    else:
        _add_artist(page, item)


def _add_artist(page: PageBuilder, artist: Artist) -> None:
    name = clean_text(artist.name)
    if name:
        page.add(ArtistRecord(external_id=str(artist.id), name=name))


def _add_album(page: PageBuilder, album: Album) -> None:
    page.add(
        ReleaseRecord(
            external_id=str(album.id),
            title=clean_text(album.title),
            gtin=wire.optional_gtin(album.upc),
            type=_release_type(album.record_type),
            released=wire.optional_date(album.release_date),
            label=wire.optional_text(album.label),
            explicit=album.explicit_lyrics,
            track_count=album.nb_tracks,
            genres=_genres(album.genres),
            credits=_credits(page, album.contributors),
            main_artists=_main_artists(page, album),
        )
    )


def _add_track(page: PageBuilder, track: Track, album: str | None) -> None:
    if isinstance(track.album, Album):
        _add_album(page, track.album)
        album = str(track.album.id)
    short = clean_text(track.title_short or "")
    page.add(
        TrackRecord(
            external_id=str(track.id),
            release_id=album or UNSET,
            disc=track.disk_number,
            position=track.track_position,
            title=short or clean_text(track.title),
            version=_version(track.title_version) if short else UNSET,
            isrcs=wire.optional_isrcs(track.isrc),
            duration_ms=wire.duration(wire.whole(track.duration), unit=1000),
            explicit=track.explicit_lyrics,
            territories=wire.territories(track.available_countries),
            credits=_credits(page, track.contributors),
            main_artists=_main_artists(page, track),
        )
    )


def _main_artists(page: PageBuilder, item: Album | Track) -> tuple[Credit, ...] | UnsetType:
    """Return the one artist that is named where not all contributors are."""
    return UNSET if item.contributors or isinstance(item.artist, UnsetType) else _credits(page, [item.artist])


def _credits(page: PageBuilder, artists: list[Artist] | UnsetType) -> tuple[Credit, ...] | UnsetType:
    if not artists:
        return UNSET
    for one in artists:
        _add_artist(page, one)
    followers: list[Artist | None] = [*artists[1:], None]
    return tuple(
        Credit(name=clean_text(one.name), artist_id=str(one.id), join_phrase=_join_phrase(one, follower))
        for one, follower in zip(artists, followers, strict=True)
    )


def _join_phrase(artist: Artist, follower: Artist | None) -> str:
    if follower is None:
        return ""
    return " feat. " if follower.role == "Featured" and artist.role != "Featured" else ", "


def _version(text: str | UnsetType | None) -> str | UnsetType | None:
    version = wire.optional_text(text)
    if not isinstance(version, str):
        return version
    match = _IN_PARENTHESES.fullmatch(version)
    return match[1].strip() or None if match else version


def _release_type(text: str | UnsetType | None) -> str | UnsetType | None:
    kind = wire.optional_lower(text)
    return "compilation" if kind == "compile" else kind


def _genres(genres: Genres | UnsetType) -> tuple[str, ...] | UnsetType:
    if isinstance(genres, UnsetType):
        return UNSET
    return tuple(sorted({name for genre in genres.data if (name := clean_text(genre.name))}))
