"""TIDAL's catalogue API, version 2, which is JSON:API (https://jsonapi.org).

Docs:       https://developer.tidal.com; the forms here were checked against recorded answers.
Auth:       client credentials: ``POST https://auth.tidal.com/v1/oauth2/token`` (documented).
Rate:       429, by numbers that are not documented; about 2 requests in 10 seconds pass (reported by a client).
Paging:     20 items a page and an opaque ``page[cursor]``; of ``links.next`` only the cursor is read (documented), and
            ``include`` is added to it again, which the link leaves out (reported by a client). The items of an album
            are embedded up to the first page; ``relationships.items.links.next`` leads to the others. That a cursor
            goes on at the right item in a list that has changed since is assumed: no total is stated that would show
            it (ADR 16).
Errors:     ``{"errors": [{"status", "code", "detail"}]}`` (documented). More in ``include`` than is allowed answers
            400. The token URL says ``{"status", "error", "sub_status", "error_description"}`` (reported by a client).
Identity:   ids are digits in a text. A track stands on one album; its place is ``meta`` of the album's reference to
            it, so a track by itself has none. An artist may be referred to and not included (recorded): then the others
            of the credit are known, and not all of them.
Forms:      ``data`` refers to ``included`` by type and id. ``copyright`` is a text or an object (recorded), ``type`` of
            an album is named ``albumType`` in newer descriptions. Durations are ISO 8601 ("PT3M5S").
Barcodes:   ``filter[barcodeId]`` takes a UPC-A of 12 digits, as in its example, or an EAN-13 (documented); so it is
            asked. ``barcodeId`` in answers has 14 digits (recorded).
Country:    answers are for one country, which the API once demanded: ``countryCode``. It is the provider's option
            ``{"country": "GB"}``, the US where there is none. A second provider with another one is another voice.
Left out:   popularity, availability and media tags: they change, and ``availability`` names uses, not territories.
            Videos are no tracks. The provider of an album, who delivers it, is the only label that there is.

There are no join phrases: names are joined by ", ".
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import countries, keys, wire
from musicsync.providers.base import Scope, one_line
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.providers.oauth import ClientCredentials
from musicsync.providers.outcomes import by_status
from musicsync.providers.wire import Each, Number, Text, Token
from musicsync.records import (
    ArtistRecord,
    Credit,
    Kind,
    Mode,
    Page,
    Permanent,
    ProviderError,
    RejectedItem,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
)

R = TypeVar("R", bound="Reference")

_DURATION = r"^PT(?=[0-9])(?:([0-9]{1,2})H)?(?:([0-9]{1,4})M)?(?:([0-9]{1,6})(?:\.([0-9]{1,9}))?S)?\Z"
_DURATION_PARTS = re.compile(_DURATION)
_CURSOR = "page[cursor]"
_ALBUM_INCLUDE = "artists,items.artists,providers"
_ITEMS_INCLUDE = "items.artists"
_TRACK_INCLUDE = "artists,albums"
_KIND_OF: Final[dict[str, Kind]] = {"tracks": "track", "albums": "release", "artists": "artist"}
_KEYS: Final[dict[ScopeKind, str]] = {
    "artist": "a TIDAL id",
    "release": "a TIDAL id or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "an ISRC or a TIDAL track id",
}


class Place(Struct, rename="camel"):
    """Where an item stands on its album."""

    volume_number: Number | UnsetType | None = UNSET
    track_number: Number | UnsetType | None = UNSET


class Reference(Struct):
    """One resource as another refers to it."""

    id: Token
    type: str
    meta: Place | None = None


class Links(Struct):
    """The links of a list."""

    next: str | None = None


class Relation(Struct):
    """What a resource is related to, as far as this page of it goes; unset where that was not asked for."""

    data: list[Reference] | Reference | UnsetType | None = UNSET
    links: Links | None = None


class Relations(Struct):
    """The relationships that are read."""

    artists: Relation | None = None
    items: Relation | None = None
    providers: Relation | None = None


class Attributes(Struct, rename="camel"):
    """What albums, tracks, artists and providers say of themselves."""

    title: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    version: str | UnsetType | None = UNSET
    isrc: str | UnsetType | None = UNSET
    barcode_id: str | UnsetType | None = UNSET
    release_date: str | UnsetType | None = UNSET
    duration: Annotated[str, Meta(pattern=_DURATION)] | UnsetType | None = UNSET
    explicit: bool | UnsetType | None = UNSET
    number_of_items: Number | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    album_type: str | UnsetType | None = UNSET


class Resource(Reference):
    """A resource, or in a list of relationships a reference to one."""

    attributes: Attributes | None = None
    relationships: Relations | None = None


class Document(Struct):
    """An answer."""

    data: list[Resource] | Resource | None
    included: list[Resource] | None = None
    links: Links | None = None
    errors: list[Any] | None = None


class Fault(Struct):
    """One error of an answer."""

    status: str | int | None = None
    code: str | None = None
    detail: str | None = None
    title: str | None = None

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.code, self.detail or self.title)))


class _Errors(Struct):
    errors: Annotated[list[Fault], Meta(min_length=1)]


_RESOURCES = {"data": Each(Resource), "included": Each(Resource)}


class Tidal(ClientCredentials):
    """Follows artists, releases and recordings at TIDAL."""

    name = "tidal"
    label = "TIDAL"
    base_url = "https://openapi.tidal.com/v2"
    token_url = "https://auth.tidal.com/v1/oauth2/token"  # noqa: S105 - the address, not a token
    accept = "application/vnd.api+json"
    scope_kinds = tuple(_KEYS)
    rate = 0.2
    burst = 1
    parser_version = 2
    volatile = True
    takes_options = True

    def __init__(self, country: str = "US") -> None:
        """Read the catalogue of this country, ISO 3166-1 alpha-2."""
        self.country = country

    def configured(self, options: Mapping[str, Any]) -> "Tidal":
        """Return the adapter for the country that the options name.

        Raises:
            BadOptions: they name none, or anything else.
        """
        return Tidal(countries.chosen(options, self.country))

    def error_text(self, body: bytes) -> str:
        """Return the first error in one line."""
        said = wire.try_decode(body, _Errors)
        return one_line(str(said.errors[0])) if said else super().error_text(body)

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id without leading zeros, an ISRC, or a UPC/EAN of at least 12 digits."""
        found: str | None = None
        if kind == "release":
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
        if scope.kind == "release":
            by_code = {"filter[barcodeId]": key}
            return [self._get("albums", _ALBUM_INCLUDE, by_code) if keys.has_gtin_length(key) else self._album(key)]
        if scope.kind == "recording":
            by_id = key.isdigit()
            return [
                self._get(
                    f"tracks/{key}" if by_id else "tracks", _TRACK_INCLUDE, {} if by_id else {"filter[isrc]": key}
                )
            ]
        return [self._get(f"artists/{key}")]

    def probe(self) -> Request:
        """Return a search for a barcode that nothing has."""
        return self._get("albums", "", {"filter[barcodeId]": "0000000000000"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return what a resource, a list of them or a list of references says."""
        document, rejected = _decode(response.body, request)
        page = PageBuilder(rejected)
        data, included = _listed(document.data), {(found.type, found.id): found for found in document.included or ()}
        match request.path.split("/"):
            case ["albums", album, "relationships", "items"]:
                _add_tracks(page, album, data, included)
            case ["artists", _, "relationships", "albums"]:
                page.follow_ups += [self._album(one.id, ("release", one.id)) for one in data if one.type == "albums"]
            case _:
                for resource in data:
                    self._add_resource(page, resource, included, request)
        _add_included(page, included)
        page.follow_ups += _next_page(document.links, request, page, "$.links.next")
        return page.page()

    def _add_resource(
        self, page: PageBuilder, resource: Resource, included: dict[tuple[str, str], Resource], request: Request
    ) -> None:
        entity, _, asked = request.path.partition("/")
        if asked and resource.type == entity and entity in _KIND_OF:
            page.merge(_KIND_OF[entity], asked, resource.id)
        if resource.type == "albums":
            _add_album(page, resource, included)
            self._add_items(page, resource, included, request)
        elif resource.type == "tracks":
            _add_track(page, resource, included)
        elif resource.type == "artists":
            _add_artist(page, resource)
            page.follow_ups.append(self._get(f"artists/{resource.id}/relationships/albums", "albums"))

    def _add_items(
        self, page: PageBuilder, album: Resource, included: dict[tuple[str, str], Resource], request: Request
    ) -> None:
        """Add the tracks embedded in an album, and ask for the others."""
        items = album.relationships.items if album.relationships else None
        if items is None:
            return
        _add_tracks(page, album.id, _listed(items.data), included)
        # Asked for as the details of a listed album, its tracks are details of it too.
        details_of: tuple[Kind, str] | None = ("release", album.id) if request.refreshes else None
        listed = self._get(f"albums/{album.id}/relationships/items", _ITEMS_INCLUDE, refreshes=details_of)
        page.follow_ups += _next_page(items.links, listed, page, "$.data.relationships.items.links.next")

    def _album(self, album: str, refreshes: tuple[Kind, str] | None = None) -> Request:
        return self._get(f"albums/{album}", _ALBUM_INCLUDE, refreshes=refreshes)

    def _get(
        self,
        path: str,
        include: str = "",
        params: dict[str, str] | None = None,
        refreshes: tuple[Kind, str] | None = None,
    ) -> Request:
        asked = {"countryCode": self.country, **({"include": include} if include else {}), **(params or {})}
        return Request(path=path, params=asked, refreshes=refreshes)


def _decode(body: bytes, request: Request) -> tuple[Document, list[RejectedItem]]:
    try:
        document, rejected = wire.decode(body, Document, _RESOURCES)
    except Permanent:
        answer = wire.load(body)
        if isinstance(answer, dict) and answer.get("errors"):
            raise _error(answer["errors"], request) from None
        raise
    if document.errors:
        raise _error(document.errors, request)
    return document, rejected


def _error(errors: object, request: Request) -> ProviderError:
    try:
        fault = msgspec.convert({"errors": errors}, _Errors).errors[0]
        status = int(fault.status or 0)
    except ValueError:
        return Permanent(f"GET /{request.path}: {one_line(str(errors))}")
    return by_status(status, f"GET /{request.path}: {status} {one_line(str(fault))}")


def _listed(data: list[R] | R | UnsetType | None) -> list[R]:
    """Return one or several as a list."""
    if not data:
        return []
    return data if isinstance(data, list) else [data]


def _next_page(links: Links | None, request: Request, page: PageBuilder, place: str) -> list[Request]:
    if links is None or not links.next:
        return []
    try:
        cursor = parse_qs(urlsplit(links.next).query)[_CURSOR][0]
    except (ValueError, KeyError):
        excerpt = wire.excerpt(links.next)
        page.rejected.append(RejectedItem(path=place, reason="has no cursor to go on at", excerpt=excerpt))
        return []
    return [page_after(request, {_CURSOR: cursor}, None)]


def _add_included(page: PageBuilder, included: dict[tuple[str, str], Resource]) -> None:
    """Add the artists and albums that stand in an answer beside what was asked for."""
    for resource in included.values():
        if resource.type == "artists":
            _add_artist(page, resource)
        elif resource.type == "albums":
            _add_album(page, resource, included)


def _add_artist(page: PageBuilder, artist: Resource) -> None:
    if name := _name(artist):
        page.add(ArtistRecord(external_id=artist.id, name=name))


def _add_album(page: PageBuilder, album: Resource, included: dict[tuple[str, str], Resource]) -> None:
    said = album.attributes
    if said is None or not said.title:
        page.rejected.append(_without_title(album))
        return
    everybody, some = _credits(page, album, included)
    page.add(
        ReleaseRecord(
            external_id=album.id,
            title=clean_text(said.title),
            version=wire.optional_text(said.version),
            gtin=wire.optional_gtin(said.barcode_id),
            type=wire.optional_lower(said.type if isinstance(said.album_type, UnsetType) else said.album_type),
            released=wire.optional_date(said.release_date),
            label=_label(album, included),
            explicit=said.explicit,
            track_count=said.number_of_items,
            credits=everybody,
            main_artists=some,
        )
    )


def _add_tracks(
    page: PageBuilder, album: str, items: Iterable[Reference], included: dict[tuple[str, str], Resource]
) -> None:
    for item in items:
        if item.type == "tracks":
            _add_track(page, included.get(("tracks", item.id)) or item, included, album, item.meta)


def _add_track(
    page: PageBuilder,
    track: Reference,
    included: dict[tuple[str, str], Resource],
    album: str | UnsetType = UNSET,
    place: Place | None = None,
) -> None:
    said = track.attributes if isinstance(track, Resource) else None
    if said is None or not said.title:
        page.rejected.append(_without_title(track))
        return
    everybody, some = _credits(page, track, included)
    page.add(
        TrackRecord(
            external_id=track.id,
            release_id=album,
            disc=place.volume_number if place else UNSET,
            position=place.track_number if place else UNSET,
            title=clean_text(said.title),
            version=wire.optional_text(said.version),
            isrcs=wire.optional_isrcs(said.isrc),
            duration_ms=_milliseconds(said.duration),
            explicit=said.explicit,
            credits=everybody,
            main_artists=some,
        )
    )


def _without_title(thing: Reference) -> RejectedItem:
    said = {"type": thing.type, "id": thing.id}
    return RejectedItem(path=f"$.included[{thing.type}]", reason="is named without a title", excerpt=wire.excerpt(said))


def _credits(
    page: PageBuilder, thing: Reference, included: dict[tuple[str, str], Resource]
) -> tuple[tuple[Credit, ...] | UnsetType, tuple[Credit, ...] | UnsetType]:
    """Return the credit, and where not all its artists are named those that are: one of the two is unset."""
    relation = thing.relationships.artists if isinstance(thing, Resource) and thing.relationships else None
    artists = tuple([artist.id for artist in _listed(relation.data)]) if relation else ()
    if artists not in page.credits:
        page.credits[artists] = _read_credits(artists, included)
    named = page.credits[artists]
    return (named or UNSET, UNSET) if len(named) == len(artists) else (UNSET, named or UNSET)


def _read_credits(artists: tuple[str, ...], included: dict[tuple[str, str], Resource]) -> tuple[Credit, ...]:
    named = [(name, artist) for artist in artists if (name := _name(included.get(("artists", artist))))]
    joins = [", "] * (len(named) - 1) + [""]
    return tuple([Credit(name, artist, join) for (name, artist), join in zip(named, joins, strict=False)])


def _label(album: Resource, included: dict[tuple[str, str], Resource]) -> str | UnsetType | None:
    relation = album.relationships.providers if album.relationships else None
    if relation is None or isinstance(relation.data, UnsetType):
        return UNSET
    names = (_name(included.get(("providers", provider.id))) for provider in _listed(relation.data))
    return next(filter(None, names), None)


def _name(resource: Resource | None) -> str:
    name = resource.attributes.name if resource and resource.attributes else UNSET
    return clean_text(name) if isinstance(name, str) else ""


@lru_cache(maxsize=4096)
def _milliseconds(text: str | UnsetType | None) -> int | UnsetType | None:
    if not isinstance(text, str):
        return text
    match = _DURATION_PARTS.match(text)
    hours, minutes, seconds, fraction = match.groups("0") if match else ("0",) * 4
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(fraction.ljust(3, "0")[:3]) or None
