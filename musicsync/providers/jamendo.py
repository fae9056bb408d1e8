"""Jamendo's API v3.0: music that its artists publish themselves, under Creative Commons.

Docs:       https://developer.jamendo.com/v3.0; the forms here were checked against its examples and recorded answers.
Auth:       ``client_id`` in the query of every request (https://devportal.jamendo.com gives one).
Rate:       35,000 requests a month for non-commercial use; code 6 says that they, or an unnamed limit for each address,
            are used up, and not for how long. No rate a second is documented: one request a second is what Openverse's
            crawler keeps to.
Errors:     come with HTTP 200, in ``headers.status/code/error_message``: 1 unknown, 2 to 4, 8 and 9 a wrong request, 5
            unknown client, 6 rate limit, 7 no such method, 10 to 13 not allowed (11: client suspended). An id that is
            not there gives an empty list, so an HTTP 404 says that the method is not.
Paging:     ``offset`` and ``limit`` (10 unless given, 200 at most). ``headers.next`` repeats the whole request with its
            ``client_id`` where there is more, but not every answer has it: a full page is taken for one that goes on.
            How many there are in all is told on demand only ("it affects performances"), so a list that changes while
            it is read does not show. Pages overlap by 10 items instead (ADR 16).
Order:      lists are asked for by id, where what is new comes last; the newest releases with the newest first, so that
            what is added meanwhile moves the others on to a page that is still to be read.
Increments: ``datebetween`` narrows by release date alone, so that edits and what is dated back wait for a full run. A
            full run of the feed takes some 3,700 requests (600,000 tracks, 100,000 albums), a tenth of the month's; an
            artist takes three. There is no validator.
Identity:   numeric ids, as texts. No ISRC, no UPC: releases and recordings stay apart from those of other providers.
Forms:      ``duration`` (seconds) and ``position`` are numbers in ``tracks`` and texts in ``albums/tracks``. A single
            has empty ``album_*`` fields. A track on an album has the album's ``releasedate``. There are no discs:
            positions go through the whole release. Names may be wrapped: a line break and its spaces stand for a space.
Left out:   links (the one to the audio is signed anew for each answer), waveform, licence, popularity.
"""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import keys, outcomes, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.wire import Each, Key, Number, Text, Whole
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
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

T = TypeVar("T")

_LABEL = "Jamendo"
_PAGE = 200
_OVERLAP = 10
"""Items that stand on two pages, so that as many may go in between and none that stays is missed."""
_BY_ID, _NEWEST_FIRST = "id", "releasedate_desc id_desc"
_EVER_AFTER = "9999-12-31"
_UNKNOWN, _RATE_LIMIT, _NO_METHOD = 1, 6, 7
_REFUSALS = (5, 10, 11, 12, 13)
_WAVEFORM = re.compile(rb'"waveform":\s*"\{[^"]*"peaks\\":\[[^"]*[^"\\]"')
"""JSON within a text, and nine tenths of a page of tracks: cut out unread, which is most of the time of reading it."""
_WRAPPED = re.compile(r"\s*\n\s*")
_KEYS: Final[dict[ScopeKind, str]] = {
    "feed": "empty",
    "artist": "a Jamendo id",
    "release": "a Jamendo album id (Jamendo knows no UPC)",
    "recording": "a Jamendo track id (Jamendo knows no ISRC)",
}

NoKey = Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[str, Meta(pattern=r"^[0-9]{0,18}\Z")] | None
"""The id of something that may be absent: then it is empty, zero or null."""


class Head(Struct):
    """What an answer says of itself."""

    status: str = ""
    code: int | str | None = None
    error_message: str | None = None
    next: str | None = None


class Envelope(Struct):
    """An answer of which only the head is read."""

    headers: Head


class Answer(Struct, Generic[T]):
    """One page of any list."""

    headers: Head
    results: list[T] | None


class Track(Struct):
    """A track: whole in ``tracks``, without what it stands in within an album or artist."""

    id: Key
    name: Text
    duration: Whole | UnsetType | None = UNSET
    position: Whole | UnsetType | None = UNSET
    artist_id: NoKey = None
    artist_name: str | None = None
    album_id: NoKey = None
    album_name: str | None = None
    releasedate: str | UnsetType | None = UNSET


class Musicinfo(Struct):
    """The tags of an album, often the same one many times."""

    tags: list[str | None] | None = None


class Album(Struct):
    """An album; within an artist it does not name the artist again."""

    id: Key
    name: Text
    releasedate: str | UnsetType | None = UNSET
    artist_id: NoKey = None
    artist_name: str | None = None
    musicinfo: Musicinfo | list[Any] | UnsetType | None = UNSET
    tracks: list[Track] | None = None


class Artist(Struct):
    """An artist, with albums or tracks where they were asked for."""

    id: Key
    name: Text
    albums: list[Album] | None = None
    tracks: list[Track] | None = None


_TRACKS, _ALBUMS = {"tracks": Each(Track)}, {"albums": Each(Album)}
_FORMS: Final[dict[str, tuple[Any, dict[str, Each]]]] = {
    "tracks": (Answer[Track], {"results": Each(Track)}),
    "albums": (Answer[Album], {"results": Each(Album, _TRACKS)}),
    "artists": (Answer[Artist], {"results": Each(Artist, _TRACKS | _ALBUMS)}),
}


class Jamendo(Adapter):
    """Follows artists, releases, recordings and everything that is released at Jamendo."""

    name = "jamendo"
    label = _LABEL
    base_url = "https://api.jamendo.com/v3.0"
    scope_kinds = tuple(_KEYS)
    rate = 1.0
    burst = 1
    per_month = 35_000
    credential = "required"
    credential_param = "client_id"
    volatile = True

    def stated_error(self, what: str, status: int, body: bytes) -> ProviderError | None:
        """Return the error that the head states, or that a method is gone."""
        error = _error(what, body)
        if error is None and status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return outcomes.no_such_method(_LABEL, f"{what}: {status}")
        return error

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id without leading zeros; empty for the feed."""
        if kind == "feed":
            found = "" if not key.strip() else None
        else:
            found = None if keys.has_gtin_length(key) else keys.number_key(key)
        if found is None or kind not in _KEYS:
            raise keys.bad_scope(self.label, kind, key, _KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:
        """Return one request; an incremental run over the feed asks for what is dated from the watermark on."""
        key = self.normalise_key(scope.kind, scope.key)
        if scope.kind == "artist":
            return [Request(path="artists/", params={"format": "json", "id": key})]
        if scope.kind == "release":
            return [_albums(id=key)]
        if scope.kind == "recording":
            return [_tracks(id=key)]
        newer = mode == "incremental" and scope.watermark
        return [_albums(_NEWEST_FIRST, **({"datebetween": f"{scope.watermark}_{_EVER_AFTER}"} if newer else {}))]

    def probe(self) -> Request:
        """Return a request for one track."""
        return Request(path="tracks/", params={"format": "json", "limit": "1"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return the tracks, albums or artists of a page, each with those that stand in it."""
        what, body = f"GET /{request.path}", _WAVEFORM.sub(b'"waveform":""', response.body)
        if error := _error(what, body):
            raise error
        entity = request.path.strip("/").partition("/")[0]
        if entity not in _FORMS:
            raise Permanent(f"{what}: not a form that is synced: tracks, albums or artists are")
        answer, rejected = wire.decode(body, *_FORMS[entity])
        items: list[Track | Album | Artist] = answer.results or []
        if "id" in request.params and not items and not rejected:
            raise Gone(f"{what}: there is none with the id {request.params['id']}")
        page = PageBuilder(rejected)
        for item in items:
            _add(page, item)
        _follow(page, items, request, response)
        _go_on(page, answer.headers.next, len(items), request)
        return page.page()


def _albums(order: str = _BY_ID, **which: str) -> Request:
    return _list("albums/musicinfo/", order, which)


def _tracks(order: str = _BY_ID, **which: str) -> Request:
    return _list("tracks/", order, {"type": "single albumtrack", **which})


def _list(path: str, order: str, which: dict[str, str]) -> Request:
    return Request(path=path, params={"format": "json", "order": order, "limit": str(_PAGE), "offset": "0", **which})


def _error(what: str, body: bytes) -> ProviderError | None:
    """Return the error that the head of an answer states; ``None`` where it states none, or has no head to be read."""
    envelope = wire.try_decode(body, Envelope)
    if envelope is None:
        return None
    head = envelope.headers
    code = wire.code_of(head.code or 0)
    if head.status != "failed" and code == 0:
        return None
    said = f"{what}: {one_line(head.error_message or 'failed')} (code {one_line(str(head.code), 20)})"
    if code == _RATE_LIMIT:
        return RateLimited(said)
    if code in _REFUSALS:
        return Refused(f"{said}: the credential was refused, or may not do this: it is a client_id")
    if code == _NO_METHOD:
        return outcomes.no_such_method(_LABEL, said)
    return Transient(said) if code in (_UNKNOWN, None) else Permanent(said)


def _follow(page: PageBuilder, items: list[Track | Album | Artist], request: Request, response: Response) -> None:
    """Ask for what a scope is made of besides its first request."""
    feed = request.params.get("order") == _NEWEST_FIRST
    for item in items if "id" in request.params else []:
        if isinstance(item, Artist):
            page.follow_ups += [_albums(artist_id=_id(item.id)), _tracks(artist_id=_id(item.id))]
        elif isinstance(item, Album):
            page.follow_ups.append(_tracks(album_id=_id(item.id)))
    if feed and request.path.startswith("albums") and request.params.get("offset") == "0":
        since = {name: value for name, value in request.params.items() if name == "datebetween"}
        page.follow_ups.append(_tracks(_NEWEST_FIRST, **since))
        page.watermark = _newest(items, response)


def _newest(items: list[Any], response: Response) -> str | None:
    """Return the latest release date that has come: one that is a slip would keep out all that is really new."""
    today = outcomes.clock(response.headers, datetime.max.replace(tzinfo=UTC)).date().isoformat()
    dates = (wire.optional_date(item.releasedate) for item in items)
    return max(
        (date for date in dates if isinstance(date, str) and len(date) == len(today) and date <= today), default=None
    )


def _go_on(page: PageBuilder, link: str | None, received: int, request: Request) -> None:
    """Ask for the page after this one, if there is one."""
    asked = [request.params.get(name, "") for name in ("offset", "limit")]
    if not all(number.isdecimal() for number in asked):
        return
    offset, limit = map(int, asked)
    received += sum(item.path.count("[") == 1 for item in page.rejected)
    following = offset + limit if received >= limit else None
    if link:
        # It repeats the credential: nothing is taken from it but where to go on.
        following = _offset_of(link)
        if following is None or following <= offset:
            stated = RejectedItem(path="$.headers.next", reason="has no offset to go on at", excerpt=wire.excerpt(link))
            page.rejected.append(stated)
            return
    if following is not None:
        following -= min(_OVERLAP, (following - offset) // 2)
        page.following = Request(path=request.path, params={**request.params, "offset": str(following)})


def _offset_of(link: str) -> int | None:
    try:
        return msgspec.convert(int(parse_qs(urlsplit(link).query)["offset"][0]), Number)
    except (ValueError, KeyError):
        return None


def _add(page: PageBuilder, item: Track | Album | Artist) -> None:
    if isinstance(item, Track):
        _add_track(page, item)
    elif isinstance(item, Album):
        _add_album(page, item)
    else:
        artist = ArtistRecord(external_id=_id(item.id), name=_name(item.name))
        page.add(artist)
        for album in item.albums or ():
            _add_album(page, album, artist)
        for track in item.tracks or ():
            _add_track(page, track, by=artist)


def _add_album(page: PageBuilder, album: Album, by: ArtistRecord | None = None) -> None:
    record = ReleaseRecord(
        external_id=_id(album.id),
        title=_name(album.name),
        released=wire.optional_date(album.releasedate),
        genres=_genres(album.musicinfo),
        credits=_credits(page, album, by),
    )
    page.add(record)
    for track in album.tracks or ():
        _add_track(page, track, record)


def _add_track(
    page: PageBuilder, track: Track, on: ReleaseRecord | None = None, by: ArtistRecord | None = None
) -> None:
    release = on or _release_of(page, track)
    page.add(
        TrackRecord(
            external_id=_id(track.id),
            title=_name(track.name),
            release_id=release.external_id if release else UNSET,
            disc=1 if release else UNSET,
            position=(wire.whole(track.position) or UNSET) if release else UNSET,
            duration_ms=wire.duration(wire.whole(track.duration), unit=1000),
            credits=_credits(page, track, by),
        )
    )


def _release_of(page: PageBuilder, track: Track) -> ReleaseRecord | None:
    title = _name(track.album_name or "")
    if not title or not int(track.album_id or 0):
        return None
    released = wire.optional_date(track.releasedate)
    release = ReleaseRecord(external_id=_id(track.album_id), title=title, released=released)
    page.add(release)
    return release


def _credits(page: PageBuilder, item: Album | Track, by: ArtistRecord | None) -> tuple[Credit, ...] | UnsetType:
    name = _name(item.artist_name or "")
    if name and int(item.artist_id or 0):
        by = ArtistRecord(external_id=_id(item.artist_id), name=name)
        page.add(by)
    return (Credit(name=by.name, artist_id=by.external_id),) if by else UNSET


def _genres(info: Musicinfo | list[Any] | UnsetType | None) -> tuple[str, ...] | UnsetType:
    if not isinstance(info, Musicinfo):
        return UNSET
    return tuple(sorted({name for tag in info.tags or () if (name := clean_text(tag or ""))}))


def _id(key: int | str | None) -> str:
    return str(int(key or 0))


def _name(text: str) -> str:
    return clean_text(_WRAPPED.sub(" ", text) if "\n" in text else text)
