"""How a block changes from one generation to the next: a pure function of seed, block and generation.

Each generation edits two tracks of every block, adds one, and removes one from every second block. In one generation,
the artist that a block holds twice is merged into the original: the tracks then edited are those of its single.

Edits are made so that every dialect shows them: a title or version, or a duration by whole seconds. A track is removed
from the end of a release only, so that the positions of the others stay.
"""

# ruff: noqa: S311 (chance makes a catalogue here, it keeps no secret)
from dataclasses import dataclass
from random import Random

from msgspec.structs import replace

from sandbox import figures, ids, names
from sandbox.world import BLOCK_TRACKS, DUPLICATE_EVERY, Artist, Block, Credit, Release, Track, new_release, new_track

MAX_GENERATION = 100
"""Up to here every block keeps tracks that may be removed."""
EDITS = 2
YEAR_OF_ADDITIONS = 2025


def merge_generation(number: int) -> int:
    """Return the generation in which a block merges its duplicate artist, if it has one."""
    return 1 + number // DUPLICATE_EVERY % 4


def next_block(block: Block, seed: int, generation: int) -> Block:
    """Return the block one generation on: ``generation`` is the one that it becomes."""
    step = _Step(block, Random(f"{seed}/{block.number}/{generation}"), generation)
    if (block.number + generation) % 2 == 0:
        step.remove()
    if block.duplicate() is not None and generation == merge_generation(block.number):
        step.merge_duplicate()
    else:
        step.edit()
    step.add()
    return step.result()


@dataclass
class _Step:
    """One generation of one block in the making."""

    before: Block
    rng: Random
    generation: int

    def __post_init__(self) -> None:
        self.artists = dict(self.before.artists)
        self.releases = dict(self.before.releases)
        self.tracks = dict(self.before.tracks)
        self.merged = dict(self.before.merged)
        self.shrunk = self.before.shrunk

    def result(self) -> Block:
        return Block(
            self.before.number, self.artists, self.before.labels, self.releases, self.tracks, self.merged, self.shrunk
        )

    def remove(self) -> None:
        lasts = [tracks[-1] for index, tracks in self.before.listing.items() if len(tracks) > 1]
        free = [track for track in lasts if self._is_free(track) and track.position > 1]
        if free:
            track = self.rng.choice(free)
            del self.tracks[track.index]
            self.shrunk |= {track.release}

    def edit(self) -> None:
        free = [track for track in self.tracks.values() if self._is_free(track)]
        for track in self.rng.sample(free, EDITS):
            self.tracks[track.index] = replace(self._edited(track), changed=self.generation)

    def merge_duplicate(self) -> None:
        """Credit the duplicate's single, and the two tracks of it, to the original."""
        gone = self.artists.pop(self.before.duplicate() or 0)
        survivor = next(iter(self.artists.values()))
        self.merged[gone.index] = survivor.index
        release = next(r for r in self.releases.values() if r.credits[0].artist.index == gone.index)
        self.releases[release.index] = replace(release, credits=_credit_to(survivor))
        for track in self.before.listing[release.index]:
            self.tracks[track.index] = replace(track, credits=_credit_to(survivor), changed=self.generation)

    def add(self) -> None:
        index = self.before.number * ids.SLOTS + BLOCK_TRACKS + self.generation
        release, place = self._place_for_addition()
        artists = {i: artist for i, artist in self.artists.items() if i != self.before.duplicate()}
        self.tracks[index] = new_track(self.rng, index, release, place, artists=artists, changed=self.generation)

    def _place_for_addition(self) -> tuple[Release, tuple[int, int]]:
        """Return the end of a release that never lost a track, or every other time the start of a new single."""
        open_ones = [r for r in self.releases.values() if r.type != "single" and r.index not in self.shrunk]
        if open_ones and self.rng.random() < figures.ADDITIONS_TO_OLD_RELEASES:
            release = self.rng.choice(open_ones)
            last = self.before.listing[release.index][-1]
            return release, (last.disc, last.position + 1)
        index = self.before.number * ids.SLOTS + BLOCK_TRACKS + self.generation
        artist = self.rng.choice([a for i, a in self.artists.items() if i != self.before.duplicate()])
        credited = _credit_to(artist)
        labels = self.before.labels
        release = new_release(self.rng, index, "single", credited, labels=labels, year=YEAR_OF_ADDITIONS)
        self.releases[index] = release
        return release, (1, 1)

    def _is_free(self, track: Track) -> bool:
        """Tell whether the track may be edited or removed by itself: not one of two, not the duplicate's."""
        duplicates_single = self.before.duplicate() is not None and track.release == self.before.number * ids.SLOTS
        return track.recording not in self.before.shared and not duplicates_single

    def _edited(self, track: Track) -> Track:
        kind = self.rng.choice(("title", "version", "title" if track.untimed else "duration"))
        if kind == "duration":
            return replace(track, duration_ms=track.duration_ms + 1000 * self.rng.randint(1, 9))
        if kind == "version":
            return replace(track, version=self.rng.choice([v for v in names.VERSIONS if v != track.version]))
        return replace(track, title=f"{track.title} {self.rng.choice(('II', 'III', 'No. 2', 'Reprise'))}")


def _credit_to(artist: Artist) -> tuple[Credit, ...]:
    return (Credit(artist),)
