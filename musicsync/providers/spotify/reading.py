"""What Spotify's tracks, albums and artists say, as records."""

import re

from msgspec import UNSET, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers import wire
from musicsync.providers.collect import PageBuilder
from musicsync.providers.spotify.forms import Album, AlbumStub, Credited, ExternalIds, Item, Track
from musicsync.records import ArtistRecord, Credit, ReleaseRecord, TrackRecord

_TRACK_URI = re.compile(r"spotify:track:([0-9A-Za-z]{1,64})", re.ASCII)


def add(page: PageBuilder, item: Item, album: str | None = None, before: Item | None = None) -> None:
    """Add what an item says; ``album`` is the one that it is listed for, ``before`` the item before it."""
    if isinstance(item, Track):
        _add_track(page, item, album, before)
    elif isinstance(item, Album):
        page.add(_release(page, item, item))
    else:
        page.add(ArtistRecord(external_id=item.id, name=clean_text(item.name)))


def _release(page: PageBuilder, stub: AlbumStub, album: Album | None = None) -> ReleaseRecord:
    return ReleaseRecord(
        external_id=stub.id,
        title=clean_text(stub.name),
        gtin=_gtin(album.external_ids) if album else UNSET,
        type=wire.optional_lower(stub.album_type),
        released=wire.optional_date(stub.release_date),
        label=wire.optional_text(album.label) if album else UNSET,
        track_count=_whole(stub.total_tracks),
        territories=wire.territories(stub.available_markets),
        credits=_credits(page, stub.artists),
    )


def _add_track(page: PageBuilder, track: Track, album: str | None, before: Item | None) -> None:
    stub = track.album
    if stub:
        # Tracks that are asked for together repeat their album, which took as long to read as the track itself.
        if not isinstance(before, Track) or before.album != stub:
            page.add(_release(page, stub))
        album = stub.id
    page.add(
        TrackRecord(
            external_id=track.id if stub else linked(track) or track.id,
            release_id=album or UNSET,
            disc=_whole(track.disc_number),
            position=_whole(track.track_number),
            title=clean_text(track.name),
            isrcs=_isrcs(track.external_ids),
            duration_ms=wire.duration(_whole(track.duration_ms)),
            explicit=track.explicit,
            territories=wire.territories(track.available_markets),
            credits=_credits(page, track.artists),
        )
    )


def linked(item: Item) -> str | None:
    """Return the id of the track that this one stands in for."""
    if not isinstance(item, Track) or not item.linked_from:
        return None
    by_uri = _TRACK_URI.fullmatch(item.linked_from.uri or "")
    return item.linked_from.id or (by_uri[1] if by_uri else None)


def has_isrc(item: Item, isrc: str) -> bool:
    """Tell whether the item is a track with this ISRC."""
    return isinstance(item, Track) and isrc in (_isrcs(item.external_ids) or ())


def _credits(page: PageBuilder, artists: list[Credited] | UnsetType | None) -> tuple[Credit, ...] | UnsetType:
    said = tuple(artists or ())
    if said not in page.credits:
        page.credits[said] = _read_credits(page, said)
    return page.credits[said] or UNSET


def _read_credits(page: PageBuilder, artists: tuple[Credited, ...]) -> tuple[Credit, ...]:
    named = [(name, artist.id) for artist in artists if (name := clean_text(artist.name))]
    for name, artist_id in named:
        if artist_id:
            page.add(ArtistRecord(external_id=artist_id, name=name))
    joins = [", "] * (len(named) - 1) + [""]
    return tuple([Credit(name, artist_id, join) for (name, artist_id), join in zip(named, joins, strict=False)])


def _isrcs(ids: ExternalIds | UnsetType | None) -> tuple[str, ...] | UnsetType:
    return UNSET if isinstance(ids, UnsetType) else wire.optional_isrcs(ids.isrc if ids else None)


def _gtin(ids: ExternalIds | UnsetType | None) -> str | UnsetType | None:
    return UNSET if isinstance(ids, UnsetType) else wire.optional_gtin((ids.upc or ids.ean) if ids else None)


def _whole(number: float | UnsetType | None) -> int | UnsetType | None:
    return int(number) if isinstance(number, float) else number
