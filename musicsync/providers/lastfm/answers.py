"""The forms of Last.fm's answers: JSON made of XML, where an object stands for a list of one and a text for none."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from musicsync.providers.wire import Each, Text, Whole


class Place(Struct, rename={"total_pages": "totalPages"}):
    """Where an item stands in its list, or a page in its pages."""

    rank: Whole | None = None
    total_pages: Whole | None = None
    total: Whole | None = None


class Artist(Struct):
    """An artist, wherever it is named."""

    name: Text


class Tag(Struct):
    """A tag."""

    name: str | None = None


class Tags(Struct):
    """The tags of an album."""

    tag: list[Tag] | Tag | None = None


class AlbumTrack(Struct, rename={"place": "@attr"}):
    """A track in the list of an album."""

    name: Text
    artist: Artist | Text | None = None
    duration: Whole | UnsetType | None = UNSET
    place: Place | None = None


class AlbumTracks(Struct):
    """The tracks of an album."""

    track: list[AlbumTrack] | AlbumTrack | None = None


class Album(Struct):
    """An album, whole in ``album.getInfo`` and with fewer fields in lists. Tags have had two names."""

    name: Text
    artist: Artist | Text
    mbid: str | None = None
    releasedate: str | UnsetType | None = UNSET
    tracks: AlbumTracks | str | UnsetType | None = UNSET
    tags: Tags | str | UnsetType | None = UNSET
    toptags: Tags | str | UnsetType | None = UNSET


class Track(Struct):
    """A track by itself."""

    name: Text
    artist: Artist | Text
    duration: Whole | UnsetType | None = UNSET


class Albums(Struct, rename={"place": "@attr"}):
    """A page of albums."""

    album: list[Album] | Album | None = None
    place: Place | None = None


class Artists(Struct):
    """A page of artists."""

    artist: list[Artist] | Artist | None = None


class Tracks(Struct):
    """A page of tracks."""

    track: list[Track] | Track | None = None


class Matches(Struct):
    """What a search found."""

    albummatches: Albums | str | None = None
    artistmatches: Artists | str | None = None
    trackmatches: Tracks | str | None = None


class Fault(Struct):
    """What an error says."""

    error: int | str | None = None
    message: str | None = None


class Answer(Fault):
    """Any answer: one of these stands in it. What a list is called differs by the method, and has changed."""

    artist: Artist | UnsetType = UNSET
    album: Album | UnsetType = UNSET
    track: Track | UnsetType = UNSET
    topalbums: Albums | UnsetType = UNSET
    topartists: Artists | UnsetType = UNSET
    toptracks: Tracks | UnsetType = UNSET
    albums: Albums | UnsetType = UNSET
    artists: Artists | UnsetType = UNSET
    tracks: Tracks | UnsetType = UNSET
    similarartists: Artists | UnsetType = UNSET
    similartracks: Tracks | UnsetType = UNSET
    results: Matches | UnsetType = UNSET


LISTS_OF_ALBUMS = ("topalbums", "albums")
LISTS_OF_ARTISTS = ("topartists", "artists", "similarartists")
LISTS_OF_TRACKS = ("toptracks", "tracks", "similartracks")
LISTS = {
    "album.tracks.track": Each(AlbumTrack),
    **{f"{name}.album": Each(Album) for name in LISTS_OF_ALBUMS},
    **{f"{name}.artist": Each(Artist) for name in LISTS_OF_ARTISTS},
    **{f"{name}.track": Each(Track) for name in LISTS_OF_TRACKS},
    "results.albummatches.album": Each(Album),
    "results.artistmatches.artist": Each(Artist),
    "results.trackmatches.track": Each(Track),
}
"""The lists whose items are read one by one."""


def each(items: Any) -> list[Any]:
    """Return the items of a list, which is one object where it has one item and null where it has none."""
    return items if isinstance(items, list) else [items] if items else []
