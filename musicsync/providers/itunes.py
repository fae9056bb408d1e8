"""Apple's iTunes Search API.

Docs:       https://developer.apple.com/library/archive/documentation/AudioVideo/Conceptual/iTuneSearchAPI; the forms
            here were checked against recorded answers. The Apple Music API (api.music.apple.com) is another one, with
            other forms, which wants a developer's token.
Auth:       none.
Rate:       about 20 requests a minute (the documentation). Over it clients see an empty 403 or a 429, without a word on
            how long to wait (reports of clients), so a 403 is no matter of credentials here.
Country:    each country has a store of its own, with its own names, dates and albums. It is the provider's option
            ``{"country": "GB"}``, the US where there is none. What is answered may be had in that country, so
            ``territories`` is that one. A second provider with another country is another voice.
Paging:     none. ``lookup?id=`` answers with the thing itself and, by ``entity``, an artist's albums or an album's
            songs, 200 at most. Albums come ``sort=recent``, so that it is the old ones of more than 200 that are left
            out; a full answer is noted among the rejected items. Follow such old ones by their own ids.
Incremental: nothing says what changed, so the albums of an artist are listed again, and looked up where they were not
            before.
Errors:     an unknown id or UPC is a 200 with ``resultCount`` 0; a wrong parameter, a country without a store among
            them, is ``{"errorMessage"}`` with 400.
Identity:   ids are the same in every country. No answer names a UPC, so an album has the one that it was looked up by,
            where it is the only one that was found: other editions of it are answered besides.
Quirks:     booklets, videos and other kinds stand among the songs; "... - Single" and "... - EP" is how the titles of
            singles and EPs end; the ``releaseDate`` of a song is not its album's; dates are midnight in California, so
            the day is right as it stands. Names of several artists are one text with the id of one of them, so such a
            credit is linked to nobody, and names no artist.
Left out:   prices (-1 where something is not sold), previews, covers, ``copyright`` (it is not the label).

Durations are in milliseconds. There is no ISRC.
"""

import re
from collections.abc import Mapping
from http.client import FORBIDDEN
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import countries, keys, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.wire import Each, Id, Number, Text
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    Kind,
    Mode,
    Page,
    Permanent,
    RejectedItem,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
)

_MOST = 200
_KIND_OF_TITLE = re.compile(r"(.*\S) - (Single|EP)")
_SEVERAL = re.compile(r", | & | (?:feat\.|featuring|with|x|vs\.?) ", re.IGNORECASE)
_EXPLICIT = {"explicit": True, "cleaned": False, "notExplicit": False}
_KEYS: Final[dict[ScopeKind, str]] = {
    "artist": "an iTunes id",
    "release": "an iTunes id or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "the iTunes id of a song",
}
_WRONG_COUNTRY = "(the country among the provider's options has no store)"


class Artist(Struct, tag_field="wrapperType", tag="artist", rename="camel"):
    """An artist, before its albums."""

    artist_id: Id
    artist_name: Text


class Album(Struct, tag_field="wrapperType", tag="collection", rename="camel"):
    """An album, before its songs or in the list of an artist's."""

    collection_id: Id
    collection_name: Text
    collection_type: str | None = None
    collection_explicitness: str | UnsetType | None = UNSET
    artist_id: Number | None = None
    artist_name: str | None = None
    release_date: str | None = None
    track_count: Number | None = None
    primary_genre_name: str | None = None


class Song(Struct, tag_field="wrapperType", tag="track", rename="camel"):
    """A song, or what else stands among them: then ``kind`` is not "song"."""

    track_id: Id
    track_name: Text
    kind: str | None = None
    artist_id: Number | None = None
    artist_name: str | None = None
    collection_id: Number | None = None
    collection_name: str | None = None
    collection_artist_id: Number | None = None
    collection_artist_name: str | None = None
    collection_explicitness: str | UnsetType | None = UNSET
    track_explicitness: str | UnsetType | None = UNSET
    disc_number: Number | UnsetType | None = UNSET
    track_number: Number | UnsetType | None = UNSET
    track_time_millis: Number | UnsetType | None = UNSET


Item = Artist | Album | Song


class Answer(Struct, rename="camel"):
    """The form of every answer, errors among them."""

    result_count: int | None = None
    results: list[Item] | UnsetType = UNSET
    error_message: str | None = None


_RESULTS = {"results": Each(Item)}


class ITunes(Adapter):
    """Follows artists, releases and recordings in a store of iTunes."""

    name = "itunes"
    label = "iTunes"
    base_url = "https://itunes.apple.com"
    scope_kinds = tuple(_KEYS)
    rate = 0.32
    burst = 1
    volatile = True
    takes_options = True

    def __init__(self, country: str = "US") -> None:
        """Ask the store of this country, ISO 3166-1 alpha-2."""
        self.country = country

    def configured(self, options: Mapping[str, Any]) -> "ITunes":
        """Return the adapter for the store of the country that the options name.

        Raises:
            BadOptions: they name none, or anything else.
        """
        return ITunes(countries.chosen(options, self.country))

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error body, which is ``{"errorMessage": "...", "queryParameters": {...}}``."""
        try:
            answer = msgspec.json.decode(body, type=Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return super().error_text(body)
        return _said(answer.error_message) if answer.error_message else super().error_text(body)

    def is_rate_limit(self, status: int, headers: dict[str, str]) -> bool:
        """Tell a rate limit, which is a 403 here too: there is no credential that could be refused."""
        return status == FORBIDDEN or super().is_rate_limit(status, headers)

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id without leading zeros, or a UPC/EAN of at least 12 digits."""
        found = keys.number_key(key) if not keys.has_gtin_length(key) else None
        if kind == "release":
            found = keys.gtin_key(key) or found
        if kind not in _KEYS or found is None:
            raise keys.bad_scope(self.label, kind, key, _KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one lookup; albums that it leads to are asked at times of their own by ``refreshes``."""
        key = self.normalise_key(scope.kind, scope.key)
        if scope.kind == "artist":
            return [self._get("lookup", id=key, entity="album", limit=str(_MOST), sort="recent")]
        if scope.kind == "recording":
            return [self._get("lookup", id=key)]
        return [self._songs("upc" if keys.has_gtin_length(key) else "id", key)]

    def probe(self) -> Request:
        """Return a search for one song."""
        return self._get("search", term="love", entity="song", limit="1")

    def parse(self, request: Request, response: Response) -> Page:
        """Return what a lookup or a search says."""
        answer, rejected = wire.decode(response.body, Answer, _RESULTS)
        if answer.error_message:
            raise Permanent(f"GET /{request.path}: {_said(answer.error_message)}")
        if isinstance(answer.results, UnsetType):
            raise Permanent(f"the answer to {request.path} is not a form that is synced: no results")
        if answer.result_count == 0 and request.path == "lookup":
            raise Gone(f"GET /{request.path}: the store of {self._country(request)} has no {_asked(request)}")
        page = PageBuilder(rejected)
        if len(answer.results) > _MOST:
            reason = f"the list is full at {_MOST}, and iTunes has no next page: there may be more"
            page.rejected.append(RejectedItem(path="$.results", reason=reason))
        _add_items(page, answer.results, request, self._country(request))
        page.follow_ups += [
            self._songs("id", number, ("release", number)) for number in _listed(answer.results, request)
        ]
        return page.page()

    def _country(self, request: Request) -> str:
        """Return the country that was asked, which was another one where the option has changed since."""
        return request.params.get("country", self.country).upper()

    def _songs(self, by: str, number: str, refreshes: tuple[Kind, str] | None = None) -> Request:
        return self._get("lookup", refreshes, **{by: number}, entity="song", limit=str(_MOST))

    def _get(self, path: str, refreshes: tuple[Kind, str] | None = None, **params: str) -> Request:
        return Request(path=path, params={**params, "country": self.country.lower()}, refreshes=refreshes)


def _said(message: str) -> str:
    return f"{one_line(message)} {_WRONG_COUNTRY}" if "[country]" in message else one_line(message)


def _asked(request: Request) -> str:
    return next((f"{name} {request.params[name]}" for name in ("id", "upc") if name in request.params), "such thing")


def _listed(items: list[Item], request: Request) -> list[str]:
    """Return the ids of the albums of an artist, whose songs are looked up one album after another."""
    if request.params.get("entity") != "album":
        return []
    return [str(item.collection_id) for item in items if isinstance(item, Album)]


def _add_items(page: PageBuilder, items: list[Item], request: Request, country: str) -> None:
    """Add what an answer holds, in its order."""
    _note_merge(page, items, request)
    where = (country,)
    albums = {item.collection_id for item in items if isinstance(item, Album)}
    upc = request.params.get("upc") if len(albums) == 1 else None
    for item in items:
        if isinstance(item, Artist):
            page.add(ArtistRecord(external_id=str(item.artist_id), name=clean_text(item.artist_name)))
        elif isinstance(item, Album):
            _add_album(page, item, where, upc)
        elif item.kind == "song":
            if item.collection_id and item.collection_id not in albums:
                _add_album_of(page, item, where)
            _add_song(page, item, where)


def _note_merge(page: PageBuilder, items: list[Item], request: Request) -> None:
    """Note that another thing was answered than the one that was asked for, where it is of the same kind."""
    asked, first = request.params.get("id"), next(iter(items), None)
    entity = request.params.get("entity")
    if asked is None or not asked.isdigit():
        return
    if entity == "album" and isinstance(first, Artist):
        page.merge("artist", asked, str(first.artist_id))
    elif entity == "song" and isinstance(first, Album):
        page.merge("release", asked, str(first.collection_id))
    elif entity is None and isinstance(first, Song) and first.kind == "song":
        page.merge("track", asked, str(first.track_id))


def _add_album(page: PageBuilder, album: Album, where: tuple[str, ...], upc: str | None) -> None:
    title, kind = _title(album.collection_name)
    genre = clean_text(album.primary_genre_name or "")
    page.add(
        ReleaseRecord(
            external_id=str(album.collection_id),
            title=title,
            gtin=wire.optional_gtin(upc) if upc else UNSET,
            type=kind or clean_text(album.collection_type or "").lower() or None,
            released=wire.optional_date(album.release_date),
            explicit=_explicit(album.collection_explicitness),
            track_count=album.track_count,
            genres=(genre,) if genre else (),
            territories=where,
            credits=_credits(page, album.artist_name, album.artist_id),
        )
    )


def _add_album_of(page: PageBuilder, song: Song, where: tuple[str, ...]) -> None:
    """Add the album that a song names, as far as it describes it."""
    title, kind = _title(song.collection_name or "")
    if title:
        page.add(
            ReleaseRecord(
                external_id=str(song.collection_id),
                title=title,
                type=kind or UNSET,
                explicit=_explicit(song.collection_explicitness),
                territories=where,
                credits=_credits(page, song.collection_artist_name, song.collection_artist_id),
            )
        )


def _add_song(page: PageBuilder, song: Song, where: tuple[str, ...]) -> None:
    page.add(
        TrackRecord(
            external_id=str(song.track_id),
            release_id=str(song.collection_id) if song.collection_id else UNSET,
            disc=song.disc_number,
            position=song.track_number,
            title=clean_text(song.track_name),
            duration_ms=wire.duration(song.track_time_millis),
            explicit=_explicit(song.track_explicitness),
            territories=where,
            credits=_credits(page, song.artist_name, song.artist_id),
        )
    )


def _title(text: str) -> tuple[str, str | None]:
    """Return a title without the kind of release at its end, and that kind."""
    title = clean_text(text)
    match = _KIND_OF_TITLE.fullmatch(title)
    return (match[1], match[2].lower()) if match else (title, None)


def _explicit(text: str | UnsetType | None) -> bool | UnsetType | None:
    return _EXPLICIT.get(text) if isinstance(text, str) else text


def _credits(page: PageBuilder, text: str | None, number: int | None) -> tuple[Credit, ...] | UnsetType:
    name = clean_text(text or "")
    if not name:
        return UNSET
    if not number or _SEVERAL.search(name):
        return (Credit(name=name),)
    page.add(ArtistRecord(external_id=str(number), name=name))
    return (Credit(name=name, artist_id=str(number)),)
