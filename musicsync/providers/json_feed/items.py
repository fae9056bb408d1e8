"""An item of a JSON feed as records: what its fields are found to be, checked and in canonical form."""

from collections.abc import Hashable
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from musicsync.identifiers import clean_text, storable
from musicsync.providers import wire
from musicsync.providers.json_feed.durations import milliseconds
from musicsync.providers.json_feed.fields import Fields, WrongItem
from musicsync.providers.json_feed.options import Options
from musicsync.providers.wire import Id, Text, Whole
from musicsync.records import ArtistRecord, Credit, Record, ReleaseRecord, TrackRecord

_BETWEEN = ", "

Key = Text | Id
Words = str | Id | UnsetType | None
Names = list[str | None] | str | UnsetType | None
Count = Whole | UnsetType | None


class Artist(Struct):
    """What is found of one artist."""

    name: Text
    id: Key | None = None
    join_phrase: str | UnsetType | None = UNSET
    sort_name: str | UnsetType | None = UNSET
    disambiguation: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET


class Release(Struct):
    """What is found of a release."""

    id: Key
    title: Text
    version: str | UnsetType | None = UNSET
    gtin: Words = UNSET
    type: str | UnsetType | None = UNSET
    released: Words = UNSET
    label: str | UnsetType | None = UNSET
    catalog_number: Words = UNSET
    explicit: bool | UnsetType | None = UNSET
    track_count: Count = UNSET
    genres: Names = UNSET
    territories: Names = UNSET
    artists: Any = UNSET


class Track(Struct):
    """What is found of a track."""

    id: Key
    title: Text
    version: str | UnsetType | None = UNSET
    recording_id: Key | UnsetType | None = UNSET
    disc: Count = UNSET
    position: Count = UNSET
    number: Words = UNSET
    isrcs: Names = UNSET
    duration: Any = UNSET
    explicit: bool | UnsetType | None = UNSET
    territories: Names = UNSET
    artists: Any = UNSET


class Known(Struct):
    """What was read of a page so far, by what is said there: a release, or a credit, and the records that it makes."""

    releases: dict[Hashable, tuple[ReleaseRecord, list[Record]]] = {}
    credits: dict[Hashable, tuple[tuple[Credit, ...], list[Record]]] = {}


class Reader:
    """Reads items as the options say."""

    def __init__(self, options: Options) -> None:
        self._unit = options.duration
        self._track = Fields(options.track, Track)
        self._release = Fields(options.release, Release) if options.release else None
        self._artist = Fields(options.artist, Artist) if options.artist else None
        self._joined = bool(options.artist and options.artist.join_phrase)

    def records(self, item: Any, known: Known) -> list[Record]:
        """Return the artists, the release and the track of an item; ``known`` is what its page says before it.

        Raises:
            WrongItem: it lacks what it must have, or has what cannot be.
        """
        if self._release is None:
            return self._read_track(item, None, known)
        found = self._release.found("release", item)
        key = _key(found)
        if key not in known.releases:
            known.releases[key] = self._read_release(self._release.shaped("release", item, found), known)
        release, records = known.releases[key]
        return [*records, *self._read_track(item, release, known)]

    def _read_release(self, said: Release, known: Known) -> tuple[ReleaseRecord, list[Record]]:
        credits_, artists = self._credits("release", said.artists, known)
        release = ReleaseRecord(
            external_id=clean_text(str(said.id)),
            title=clean_text(said.title),
            version=wire.optional_text(said.version),
            gtin=wire.optional_gtin(_text(said.gtin)),
            type=_lower(said.type),
            released=wire.optional_date(_text(said.released)),
            label=wire.optional_text(said.label),
            catalog_number=wire.optional_text(_text(said.catalog_number)),
            explicit=said.explicit,
            track_count=wire.whole(said.track_count),
            genres=_names(said.genres),
            territories=_codes(said.territories),
            credits=credits_,
        )
        return release, [*artists, release]

    def _read_track(self, item: Any, release: ReleaseRecord | None, known: Known) -> list[Record]:
        said = self._track.read("track", item)
        credits_, artists = self._credits("track", said.artists, known)
        track = TrackRecord(
            external_id=clean_text(str(said.id)),
            title=clean_text(said.title),
            version=wire.optional_text(said.version),
            recording_id=wire.optional_text(_text(said.recording_id)),
            release_id=release.external_id if release else UNSET,
            disc=(wire.whole(said.disc) or 1) if release else UNSET,
            position=(wire.whole(said.position) or UNSET) if release else UNSET,
            number=wire.optional_text(_text(said.number)),
            isrcs=wire.optional_isrcs(_strings(said.isrcs)),
            duration_ms=self._duration(said.duration),
            explicit=said.explicit,
            territories=_codes(said.territories),
            credits=credits_,
        )
        return [*artists, track]

    def _duration(self, given: Any) -> int | UnsetType | None:
        if isinstance(given, UnsetType):
            return UNSET
        try:
            return milliseconds(given, self._unit)
        except ValueError as error:
            raise WrongItem(f"track.duration (`{self._track.expressions['duration'].text}`) {error}") from error

    def _credits(self, owner: str, given: Any, known: Known) -> tuple[tuple[Credit, ...] | UnsetType, list[Record]]:
        if isinstance(given, UnsetType) or self._artist is None:
            return UNSET, []
        key = _key(given)
        if key not in known.credits:
            known.credits[key] = self._read_credits(self._artist, owner, given)
        return known.credits[key]

    def _read_credits(self, fields: Fields[Artist], owner: str, given: Any) -> tuple[tuple[Credit, ...], list[Record]]:
        artists = []
        for at, one in enumerate(given if isinstance(given, list) else [] if given is None else [given]):
            artists.append(fields.read(f"{owner}.artists[{at}]", one))
        named = [
            Credit(
                name=clean_text(one.name),
                artist_id=None if one.id is None else clean_text(str(one.id)),
                join_phrase=self._join(one, is_last=at == len(artists)),
            )
            for at, one in enumerate(artists, start=1)
        ]
        return tuple(named), [_artist(one) for one in artists if one.id is not None]

    def _join(self, artist: Artist, *, is_last: bool) -> str:
        if self._joined:
            return storable(artist.join_phrase or "")
        return "" if is_last else _BETWEEN


def _key(said: Any) -> Hashable:
    """Return what tells values apart, also 1 and true, which are equal in Python."""
    try:
        return msgspec.msgpack.encode(said)
    except (OverflowError, RecursionError):  # a number of any length, or lists in lists: like nothing else
        return object()


def _artist(said: Artist) -> ArtistRecord:
    return ArtistRecord(
        external_id=clean_text(str(said.id)),
        name=clean_text(said.name),
        sort_name=wire.optional_text(said.sort_name),
        disambiguation=wire.optional_text(said.disambiguation),
        type=_lower(said.type),
        country=wire.optional_text(said.country),
    )


def _text(given: str | int | UnsetType | None) -> str | UnsetType | None:
    return str(given) if isinstance(given, int) else given


def _lower(given: str | UnsetType | None) -> str | UnsetType | None:
    found = wire.optional_text(given)
    return found.lower() if isinstance(found, str) else found


def _strings(given: Names) -> list[str] | UnsetType:
    if isinstance(given, UnsetType):
        return UNSET
    return [given] if isinstance(given, str) else [one for one in given or () if one]


def _names(given: Names) -> tuple[str, ...] | UnsetType:
    found = _strings(given)
    return (
        found if isinstance(found, UnsetType) else tuple(sorted({name for one in found if (name := clean_text(one))}))
    )


def _codes(given: Names) -> tuple[str, ...] | UnsetType | None:
    """Return codes of territories, sorted; ``None``, and not nowhere, where nothing is said of them."""
    return None if given is None else _names(_upper(given))


def _upper(given: Names) -> Names:
    found = _strings(given)
    return found if isinstance(found, UnsetType) else [one.upper() for one in found]
