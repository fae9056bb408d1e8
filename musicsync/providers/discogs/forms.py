"""The forms of Discogs' answers: what of them is read."""

from msgspec import Struct

from musicsync.providers.wire import Each, Id, Number, Text

LISTS_OF_ITEMS = ("releases", "versions", "results")


class Credited(Struct):
    """A name in a credit; ``anv`` is how it is written there, ``join`` what stands before the next."""

    name: Text
    id: Number | None = None
    anv: str | None = None
    join: str | None = None
    role: str | None = None
    tracks: str | None = None


class Track(Struct):
    """A line of a list of tracks; ``type_`` is "track", "index" or "heading"."""

    title: Text
    position: str | None = None
    duration: str | None = None
    type_: str | None = None
    artists: list[Credited] | None = None
    extraartists: list[Credited] | None = None
    sub_tracks: list["Track"] | None = None


class Label(Struct):
    """A label that a release is on, with its number there."""

    name: str | None = None
    catno: str | None = None


class Format(Struct):
    """What a release consists of: ``descriptions`` such as "LP", "Album", "Reissue"."""

    descriptions: list[str | None] | None = None


class Identifier(Struct):
    """A code or engraving on a release."""

    type: str | None = None
    value: str | None = None
    description: str | None = None


class Release(Struct):
    """A release, as ``releases/{id}`` has it."""

    id: Id
    title: Text
    artists: list[Credited] | None = None
    extraartists: list[Credited] | None = None
    labels: list[Label] | None = None
    formats: list[Format] | None = None
    identifiers: list[Identifier] | None = None
    genres: list[str | None] | None = None
    styles: list[str | None] | None = None
    released: str | None = None
    year: float | str | None = None
    tracklist: list[Track] | None = None


class Master(Struct):
    """What releases are editions of."""

    id: Id
    artists: list[Credited] | None = None


class Named(Struct):
    """An artist or label."""

    id: Id
    name: Text


class Listed(Struct):
    """A release or master in a list, or anything in the results of a search."""

    id: Id
    title: Text
    type: str | None = None
    role: str | None = None
    main_release: Id | None = None
    barcode: list[str | None] | None = None


class Pagination(Struct, frozen=True):
    """Where in a list a page stands."""

    pages: Number = 1
    items: Number | None = None


class Items(Struct):
    """One page of a list, whichever it is."""

    pagination: Pagination = Pagination()
    releases: list[Listed] = []
    versions: list[Listed] = []
    results: list[Listed] = []


LISTS_OF_A_RELEASE = {
    "tracklist": Each(Track, {"sub_tracks": Each(Track)}),
    "labels": Each(Label),
    "formats": Each(Format),
    "identifiers": Each(Identifier),
}
ITEMS = {name: Each(Listed) for name in LISTS_OF_ITEMS}
