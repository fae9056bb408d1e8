"""Last.fm's API 2.0: what listeners call artists, albums and tracks, and the tags they give them. Enrichment only.

Docs:       https://www.last.fm/api and the notes of its users (https://lastfm-docs.github.io/api-docs); the forms here
            were checked against recorded answers.
Auth:       ``api_key`` in the query of every request (https://www.last.fm/api/account/create gives one).
Rate:       5 requests a second for each address, averaged over 5 minutes, by the terms of use; over it error 29, with
            status 429 or 200 and no Retry-After. Who asks several times a second without end may lose the key: lower
            the rate for a large catalogue. The terms allow 100 MB of their data to be kept.
Errors:     ``{"error", "message"}``, with status 200 as well as 400, 403 and 404: 2, 3 and 27 no such method, 4, 9, 10,
            13, 14, 17 and 26 not allowed (10: unknown key, 26: suspended key), 6 "not found" as well as a parameter
            that is wrong, 7 not there, 8, 11 and 16 out of order, 29 rate limit.
Requests:   all to one address; ``method`` says which form the answer has.
Paging:     ``page`` from 1 to ``@attr.totalPages``. A page may hold fewer than its ``limit``, and with a limit of 100
            the order is wrong, so none is given (50). The order is by popularity. A ``total`` that has changed since
            the page before says that the list has (ADR 16).
Increments: none; the details of an album that is known are not asked for again. There is no validator.
Identity:   there are no ids but names, of which the case does not count. ``mbid`` is often empty, missing or another's,
            so it may be asked by and is never an id. A track on an album is known by its place there. Whatever was once
            played under a name is an album, so of an artist's albums those are followed that have an ``mbid``.
            Nothing here has an ISRC or UPC: these rows never tie a row of another provider to anything.
Forms:      JSON made of XML. One object stands where a list has one item, and a text of white space where it has none.
            Numbers are numbers, texts or null. ``duration`` is in seconds in lists and in milliseconds in
            ``track.getInfo``, which answers for any name whatever. Dates are "6 Apr 1999, 00:00", as long as they were
            given. Tags are anything: those that name the artist or album, or the listener's shelf, are no genres.
Left out:   listeners, play counts, ranks in charts, biographies, images; the album that ``track.getInfo`` names, which
            is one of many and no place of the track's own; what a listener played or loves.
"""

import re
from http import HTTPStatus
from typing import Final

from msgspec import UNSET, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import keys, outcomes, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.providers.lastfm import names
from musicsync.providers.lastfm.answers import (
    LISTS,
    LISTS_OF_ALBUMS,
    LISTS_OF_ARTISTS,
    LISTS_OF_TRACKS,
    Album,
    Albums,
    AlbumTracks,
    Answer,
    Artist,
    Artists,
    Fault,
    Matches,
    Place,
    Tags,
    Track,
    Tracks,
    each,
)
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
    RejectedItem,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
    Transient,
)

_LABEL = "Last.fm"
_ARTIST, _ALBUM, _TRACK, _ALBUMS = "artist.getInfo", "album.getInfo", "track.getInfo", "artist.getTopAlbums"
_NO_METHOD, _REFUSALS, _OUT_OF_ORDER = (2, 3, 27), (4, 9, 10, 13, 14, 17, 26), (8, 11, 16)
_WRONG_PARAMETER, _NOT_THERE, _RATE_LIMIT = 6, 7, 29
_NOT_FOUND = re.compile(r"\bnot (be )?found\b", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* ([0-9]{4})", re.ASCII)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_NO_GENRES = frozenset({"albums i own", "favorites", "favourites", "favourite albums", "seen live"})
_PARAMETERS: Final[dict[ScopeKind, tuple[str, tuple[str, ...]]]] = {
    "artist": (_ARTIST, ("artist",)),
    "release": (_ALBUM, ("artist", "album")),
    "recording": (_TRACK, ("artist", "track")),
}


class LastFm(Adapter):
    """Follows artists, albums and tracks by their names at Last.fm."""

    name = "lastfm"
    label = _LABEL
    base_url = "https://ws.audioscrobbler.com"
    scope_kinds = tuple(names.KEYS)
    rate = 5.0
    burst = 1
    credential = "required"
    credential_param = "api_key"
    parser_version = 2
    volatile = True

    def stated_error(self, what: str, status: int, body: bytes) -> ProviderError | None:
        """Return the error that a code stands for, or that there is nothing at this address."""
        fault = wire.try_decode(body, Fault) or Fault()
        if fault.error is None and status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return outcomes.no_such_method(_LABEL, f"{what}: {status}")
        return None if fault.error is None else _error(what, fault)

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return a MusicBrainz id in lower case, or the names as they are written, joined by "/"."""
        found = keys.uuid_key(key) or (names.key_of(kind, names.of(key)) if kind in names.KEYS else None)
        if found is None or kind not in names.KEYS:
            raise keys.bad_scope(self.label, kind, key, names.KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one request; albums that it leads to are asked at times of their own by ``refreshes``."""
        key = self.normalise_key(scope.kind, scope.key)
        method, parameters = _PARAMETERS[scope.kind]
        if keys.uuid_key(key):
            return [_ask(method, {"mbid": key})]
        named = [name for name in names.of(key) if name != names.BETWEEN]
        return [_ask(method, dict(zip(parameters, named, strict=True)))]

    def probe(self) -> Request:
        """Return a request for one artist of a chart."""
        return _ask("tag.getTopArtists", {"tag": "rock", "limit": "1"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return what an answer says; which form it has is told by the field that stands in it."""
        method = request.params.get("method", "")
        what = f"GET /{request.path} {method}".strip()
        answer, rejected = wire.decode(response.body, Answer, LISTS)
        if answer.error is not None:
            raise _error(what, answer)
        page = PageBuilder(rejected)
        page.form = method
        if isinstance(answer.album, Album):
            _merge(page, request, "release", names.id_of(_name(answer.album.artist), answer.album.name))
            _add_album(page, answer.album)
        elif isinstance(answer.artist, Artist):
            _merge(page, request, "artist", names.id_of(answer.artist.name))
            _add_artist(page, answer.artist.name)
            if method == _ARTIST:
                page.follow_ups.append(_ask(_ALBUMS, {"artist": clean_text(answer.artist.name), "page": "1"}))
        elif isinstance(answer.track, Track):
            _add_track(page, answer.track, unit=1)
        elif not _add_lists(page, answer, request):
            raise Permanent(f"{what}: not a form that is synced: artists, albums and tracks are")
        return page.page()


def _ask(method: str, params: dict[str, str], refreshes: tuple[Kind, str] | None = None) -> Request:
    return Request(path="2.0/", params={"method": method, "format": "json", **params}, refreshes=refreshes)


def _error(what: str, fault: Fault) -> ProviderError:
    said = f"{what}: {one_line(fault.message or 'failed')} (code {one_line(str(fault.error), 20)})"
    code = wire.code_of(fault.error)
    if code == _RATE_LIMIT:
        return RateLimited(said)
    if code in _REFUSALS:
        return Refused(f"{said}: the credential was refused, or may not do this: it is an API key")
    if code in _OUT_OF_ORDER:
        return Transient(said)
    if code in _NO_METHOD:
        return outcomes.no_such_method(_LABEL, said)
    if code == _NOT_THERE or (code == _WRONG_PARAMETER and _NOT_FOUND.search(fault.message or "")):
        return Gone(said)
    return Permanent(said)


def _merge(page: PageBuilder, request: Request, kind: Kind, answered: str) -> None:
    """Note that another name answered than the one that was asked for: Last.fm knows some as misspelt."""
    asked = [request.params[name] for name in ("artist", "album") if name in request.params]
    if asked:
        page.merge(kind, names.id_of(*asked), answered)


def _add_lists(page: PageBuilder, answer: Answer, request: Request) -> bool:
    """Add what stands in lists; tell whether there is any."""
    found = answer.results if isinstance(answer.results, Matches) else Matches()
    lists = [getattr(answer, name) for name in (*LISTS_OF_ALBUMS, *LISTS_OF_ARTISTS, *LISTS_OF_TRACKS)]
    for listed in (*lists, found.albummatches, found.artistmatches, found.trackmatches):
        if isinstance(listed, Albums):
            _add_albums(page, listed, request)
        elif isinstance(listed, Artists):
            for artist in each(listed.artist):
                _add_artist(page, artist.name)
        elif isinstance(listed, Tracks):
            for track in each(listed.track):
                _add_track(page, track)
    return any(part is not UNSET for part in (*lists, answer.results))


def _add_albums(page: PageBuilder, listed: Albums, request: Request) -> None:
    followed = request.params.get("method") == _ALBUMS and request.params.get("page", "").isdecimal()
    for album in each(listed.album):
        if not followed:
            _add_album(page, album)
        elif (album.mbid or "").strip():
            artist, name = _name(album.artist), clean_text(album.name)
            _add_album(page, album)
            page.follow_ups.append(
                _ask(_ALBUM, {"artist": artist, "album": name}, ("release", names.id_of(artist, name)))
            )
    place = listed.place or Place()
    page.total = wire.whole(place.total) or None
    if followed and (number := int(request.params["page"])) < (wire.whole(place.total_pages) or 0):
        page.following = page_after(request, {"page": str(number + 1)}, page.total)


def _add_album(page: PageBuilder, album: Album) -> None:
    artist = _name(album.artist)
    release = ReleaseRecord(
        external_id=names.id_of(artist, album.name),
        title=clean_text(album.name),
        released=_released(album.releasedate),
        genres=_genres(album, artist),
        credits=_credits(page, artist),
    )
    page.add(release)
    tracks = each(album.tracks.track) if isinstance(album.tracks, AlbumTracks) else []
    taken: set[int] = set()
    for number, track in enumerate(tracks):
        position = (wire.whole(track.place.rank) if track.place else None) or number + 1
        if position in taken:
            path, reason = f"$.album.tracks.track[{number}]", f"stands at place {position}, where another stands"
            page.rejected.append(RejectedItem(path=path, reason=reason, excerpt=wire.excerpt(track.name)))
            continue
        taken.add(position)
        page.add(
            TrackRecord(
                external_id=f"{release.external_id}/{position}",
                title=clean_text(track.name),
                release_id=release.external_id,
                disc=1,
                position=position,
                duration_ms=wire.duration(wire.whole(track.duration), unit=1000),
                credits=_credits(page, _name(track.artist) if track.artist else artist),
            )
        )


def _add_track(page: PageBuilder, track: Track, unit: int = 1000) -> None:
    artist = _name(track.artist)
    page.add(
        TrackRecord(
            external_id=names.id_of(artist, names.BETWEEN, track.name),
            title=clean_text(track.name),
            duration_ms=wire.duration(wire.whole(track.duration), unit=unit),
            credits=_credits(page, artist),
        )
    )


def _add_artist(page: PageBuilder, name: str) -> None:
    page.add(ArtistRecord(external_id=names.id_of(name), name=clean_text(name)))


def _credits(page: PageBuilder, artist: str) -> tuple[Credit, ...]:
    _add_artist(page, artist)
    return (Credit(name=artist, artist_id=names.id_of(artist)),)


def _genres(album: Album, artist: str) -> tuple[str, ...] | UnsetType:
    stated = album.tags if album.tags is not UNSET else album.toptags
    if stated is UNSET:
        return UNSET
    tags = each(stated.tag) if isinstance(stated, Tags) else []
    named = {clean_text(tag.name or "").lower() for tag in tags}
    return tuple(sorted(named - _NO_GENRES - {"", artist.lower(), clean_text(album.name).lower()}))


def _released(text: str | UnsetType | None) -> str | UnsetType | None:
    if not isinstance(text, str):
        return text
    match = _DATE.search(text)
    if match is None:
        return wire.optional_date(text)
    day, month, year = match.groups()
    return wire.optional_date(f"{year}-{_MONTHS.index(month) // 3 + 1:02}-{int(day):02}")


def _name(artist: Artist | str) -> str:
    return clean_text(artist.name if isinstance(artist, Artist) else artist)
