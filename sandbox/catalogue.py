"""The world at its present generation, and the part of it that one provider has."""

from collections.abc import Iterator
from functools import lru_cache

from sandbox import evolution, ids
from sandbox.world import BLOCK_TRACKS, Artist, Block, Label, Release, Track, artists_of, first_block, labels_of

_BLOCKS_KEPT = 256


class World:
    """A catalogue of ``tracks`` tracks per provider, rounded up to whole blocks of 100; moves on by ``generation``."""

    def __init__(self, tracks: int, seed: int, generation: int = 0) -> None:
        self.seed = seed
        self.generation = generation
        self.size = max(1, -(-tracks // BLOCK_TRACKS))
        self.mbids = ids.Mbids(seed)
        self._block = lru_cache(_BLOCKS_KEPT)(self._build)

    @property
    def tracks(self) -> int:
        """The tracks of each provider at generation 0."""
        return self.size * BLOCK_TRACKS

    def block(self, number: int, generation: int | None = None) -> Block:
        """Return a block at a generation, the present one unless told."""
        return self._block(number, self.generation if generation is None else generation)

    def _build(self, number: int, generation: int) -> Block:
        block = first_block(self.seed, number)
        for step in range(1, generation + 1):
            block = evolution.next_block(block, self.seed, step)
        return block

    def musicbrainz(self) -> "Catalogue":
        """Return what MusicBrainz has."""
        return Catalogue(self, range(self.size))

    def deezer(self) -> "Catalogue":
        """Return what Deezer has: as much, of which the first 60 % are in MusicBrainz too."""
        return self._from(2)

    def spotify(self) -> "Catalogue":
        """Return what Spotify has: as much, of which the first 80 % are in MusicBrainz too."""
        return self._from(1)

    def tidal(self) -> "Catalogue":
        """Return what TIDAL has: as much, of which the first 40 % are in MusicBrainz too."""
        return self._from(3)

    def _from(self, fifths: int) -> "Catalogue":
        start = self.size * fifths // 5
        return Catalogue(self, range(start, start + self.size))


class Catalogue:
    """A provider's part of the world, found by index; ``None`` or nothing where the provider does not have it."""

    def __init__(self, world: World, numbers: range) -> None:
        self.world = world
        self.numbers = numbers

    def block_of(self, index: int | None) -> Block | None:
        """Return the block at the present generation that a thing with this index stands in."""
        if index is None or index // ids.SLOTS not in self.numbers:
            return None
        return self.world.block(index // ids.SLOTS)

    def artist(self, index: int | None) -> Artist | None:
        """Return the artist, or the one that it was merged into."""
        block = self.block_of(index)
        return None if block is None or index is None else block.artists.get(block.merged.get(index, index))

    def label(self, index: int | None) -> Label | None:
        """Return the label."""
        block = self.block_of(index)
        return None if block is None or index is None else block.labels.get(index)

    def release(self, index: int | None) -> Release | None:
        """Return the release."""
        block = self.block_of(index)
        return None if block is None or index is None else block.releases.get(index)

    def track(self, index: int | None) -> Track | None:
        """Return the track."""
        block = self.block_of(index)
        return None if block is None or index is None else block.tracks.get(index)

    def tracks_on(self, release: Release) -> list[Track]:
        """Return the release's tracks by disc and position."""
        return self.world.block(release.index // ids.SLOTS).listing[release.index]

    def place_of(self, track: Track) -> int:
        """Return the track's place on its release from 1, as one counts who knows no discs."""
        listed = self.world.block(track.release // ids.SLOTS).listing[track.release]
        return 1 + sum((other.disc, other.position) < (track.disc, track.position) for other in listed)

    def releases_of(self, artist: Artist) -> list[Release]:
        """Return the releases that are credited to the artist."""
        releases = self.world.block(artist.index // ids.SLOTS).releases.values()
        return [r for r in releases if any(credit.artist.index == artist.index for credit in r.credits)]

    def releases_on(self, label: Label) -> list[Release]:
        """Return the label's releases."""
        return [r for r in self.world.block(label.index // ids.SLOTS).releases.values() if r.label == label]

    def places_of(self, recording: int | None) -> list[Track]:
        """Return every track that the recording with this index is."""
        block = self.block_of(recording)
        return [] if block is None else [t for t in block.tracks.values() if t.recording == recording]

    def by_isrc(self, isrc: str) -> list[Track]:
        """Return every track with this ISRC, given in canonical form."""
        return [t for t in self.places_of(ids.decode_isrc(isrc)) if t.isrc == isrc]

    def by_barcode(self, digits: str) -> Release | None:
        """Return the release with this barcode, with or without leading zeros."""
        release = self.release(ids.decode_barcode(digits))
        if release is None or release.barcode is None or release.barcode.lstrip("0") != digits.lstrip("0"):
            return None
        return release

    def first_artists(self) -> Iterator[int]:
        """Yield the index of every artist that the catalogue began with."""
        for number in self.numbers:
            yield from artists_of(self.world.seed, number)

    def first_labels(self) -> Iterator[int]:
        """Yield the index of every label."""
        for number in self.numbers:
            yield from labels_of(self.world.seed, number)
