import pytest

from sandbox.catalogue import World
from sandbox.control import compare
from sandbox.deezer import Deezer
from sandbox.discogs import Discogs
from sandbox.evolution import merge_generation
from sandbox.feed import Feed
from sandbox.itunes import ITunes
from sandbox.jamendo import Jamendo
from sandbox.musicbrainz import MusicBrainz
from sandbox.wire import Dialect

WORLD = World(5000, seed=3)
DIALECTS = [
    *(MusicBrainz(WORLD.musicbrainz()), Deezer(WORLD.deezer()), Feed(WORLD.musicbrainz())),
    *(Discogs(WORLD.musicbrainz()), ITunes(WORLD.deezer()), Jamendo(WORLD.musicbrainz())),
]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("generation", [1, 2, 7])
def test_a_generation_edits_removes_and_adds_exact_shares_in_every_dialect(dialect: Dialect, generation: int) -> None:
    totals = {"edited": 0, "removed": 0, "added": 0}
    for number in dialect.numbers:
        counts = compare(dialect, WORLD.block(number, generation - 1), WORLD.block(number, generation))
        totals = {name: totals[name] + counts[name] for name in totals}
    assert totals == {"edited": 100, "removed": 25, "added": 50}


def test_a_block_at_a_generation_does_not_depend_on_the_way_there() -> None:
    assert World(5000, seed=3).block(7, 5) == WORLD.block(7, 5)
    assert World(5000, seed=3, generation=5).block(7) == WORLD.block(7, 5)


@pytest.mark.parametrize("number", range(10))
def test_thirty_generations_keep_their_promises(number: int) -> None:
    for generation in range(1, 31):
        before, after = WORLD.block(number, generation - 1), WORLD.block(number, generation)
        gone = before.tracks.keys() - after.tracks.keys()
        assert len(gone) == (number + generation) % 2 ^ 1
        assert len(after.tracks.keys() - before.tracks.keys()) == 1
        assert sum(before.tracks[i] != after.tracks[i] for i in before.tracks.keys() & after.tracks.keys()) == 2
        for index in gone:
            track = before.tracks[index]
            assert before.listing[track.release][-1] == track
            assert after.listing[track.release]
            assert track.recording not in before.shared


def test_a_place_is_never_taken_twice() -> None:
    seen: dict[tuple[int, int, int], int] = {}
    for generation in range(31):
        for track in WORLD.block(4, generation).tracks.values():
            assert seen.setdefault((track.release, track.disc, track.position), track.index) == track.index


@pytest.mark.parametrize("number", [0, 10, 20, 30, 40])
def test_a_duplicate_artist_merges_in_its_generation_and_its_tracks_are_the_edited_ones(number: int) -> None:
    generation = merge_generation(number)
    before, after = WORLD.block(number, generation - 1), WORLD.block(number, generation)
    duplicate = before.duplicate()
    single = next(r for r in before.releases.values() if r.credits[0].artist.index == duplicate)
    assert not before.merged
    assert duplicate not in after.artists
    survivor = after.merged[duplicate]
    assert after.releases[single.index].credits[0].artist.index == survivor
    edited = {i for i in before.tracks.keys() & after.tracks.keys() if before.tracks[i] != after.tracks[i]}
    assert edited == {track.index for track in before.listing[single.index]}
    assert all(after.tracks[i].credits[0].artist.index == survivor for i in edited)
    assert all(after.tracks[i].changed == generation for i in edited)
