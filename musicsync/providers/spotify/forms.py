"""What Spotify's answers are made of, and how they are decoded: page by page, item by item where one is wrong."""

import functools
import re
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.providers import wire
from musicsync.providers.base import one_line
from musicsync.providers.outcomes import by_status
from musicsync.providers.wire import Each, Text
from musicsync.records import Permanent, ProviderError, Refused, RejectedItem, Request

T = TypeVar("T")

_ID = r"^[0-9A-Za-z]{1,64}$"
_CODES = re.compile(rb'\s*"[A-Z]+"(?:\s*,\s*"[A-Z]+")*\s*')
_MARKETS = re.compile(rb'("available_markets"\s*:\s*\[)([^\]]*)')

SpotifyId = Annotated[str, Meta(pattern=_ID)]
Whole = Annotated[int, Meta(ge=0, le=wire.LARGEST)] | Annotated[float, Meta(ge=0, le=wire.LARGEST, multiple_of=1)]
"""A whole number, which may be written as 1.0."""


class Credited(Struct, frozen=True):
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
    """The track that another stands in for; within an album its ``id`` may be null, and ``uri`` names it."""

    id: SpotifyId | None = None
    uri: str | None = None


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
    total: Whole | None = None


class Several(Struct):
    """Things asked for by their ids, or pages of a search, by their kind."""

    tracks: list[Track | None] | Items | UnsetType | None = UNSET
    albums: list[Album | None] | Items | UnsetType | None = UNSET
    artists: list[Artist | None] | Items | UnsetType | None = UNSET


class Fault(Struct):
    """What an error says."""

    status: int = 400
    message: str = ""


class Error(Struct):
    """An error."""

    error: Fault


ITEMS = {"items": Each(Item)}
SEVERAL = {
    "tracks": Each(Track | None),
    "albums": Each(Album | None, {"tracks.items": Each(Item)}),
    "artists": Each(Artist | None),
}
FORM_OF: Final[dict[str, Any]] = {"tracks": Track, "albums": Album, "artists": Artist}


def decode(
    body: bytes, form: type[T], request: Request, lists: wire.Lists | None = None
) -> tuple[T, list[RejectedItem]]:
    """Return the body in its form; the pages within it are read item by item where one of their items is wrong.

    Raises:
        ProviderError: the answer is an error, or as ``wire.decode`` does.
    """
    try:
        return wire.decode(_folded(body), form)
    except Permanent:
        answer = wire.load(body)
    if not isinstance(answer, dict) or "error" in answer:
        raise no_form(answer, request)
    rejected: list[RejectedItem] = []
    for name in FORM_OF:
        if isinstance(answer.get(name), dict):
            # What is wrong is taken out of the answer itself, which is then read as a whole.
            rejected += wire.shape(answer[name], Items, ITEMS, f"$.{name}")[1]
    found, wrong = wire.shape(answer, form, lists)
    return found, rejected + wrong


def no_form(answer: object, request: Request) -> ProviderError:
    """Return the error that an answer is which holds none of what is synced."""
    if not isinstance(answer, dict) or "error" not in answer:
        return Permanent(f"the answer to {request.path} is not a form that is synced: no track, album, artist or list")
    try:
        fault = msgspec.convert(answer, Error).error
    except msgspec.ValidationError:
        said = f"{answer['error']}: {answer.get('error_description', '')}"
        what = f"GET /{request.path}: {one_line(said)}"
        return Refused(what) if answer["error"] == "invalid_client" else Permanent(what)
    return by_status(fault.status, f"GET /{request.path}: {fault.status} {one_line(fault.message)}")


def _folded(body: bytes) -> bytes:
    """Return the body with each list of markets as a list of one text, ``["DE,US"]``.

    A track may have two lists of 180 markets. Two texts instead of 360 take a third of the time to decode.
    """
    parts = _MARKETS.split(body)
    parts[2::3] = map(_as_one, parts[2::3])
    return b"".join(parts)


@functools.lru_cache(maxsize=1024)
def _as_one(markets: bytes) -> bytes:
    """Return what stands in a list of markets as one text, sorted; as it is, where it is anything else."""
    if not _CODES.fullmatch(markets):
        return markets
    return b'"%b"' % b",".join(sorted(markets.translate(None, b'" \t\r\n').split(b",")))
