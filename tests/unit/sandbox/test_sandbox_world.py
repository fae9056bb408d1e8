from itertools import pairwise
from statistics import mean, quantiles

import pytest

from musicsync.identifiers import is_gtin
from sandbox import ids
from sandbox.catalogue import World
from sandbox.world import Block, first_block

BLOCKS = [first_block(1, number) for number in range(100)]
TRACKS = [track for block in BLOCKS for track in block.tracks.values()]
RELEASES = [release for block in BLOCKS for release in block.releases.values()]
SIZES = [len(tracks) for block in BLOCKS for tracks in block.listing.values()]


def test_a_block_depends_on_its_seed_and_number_alone() -> None:
    assert first_block(1, 42) == BLOCKS[42]
    assert first_block(2, 42) != BLOCKS[42]


def test_every_block_has_a_hundred_tracks_on_releases_that_have_some() -> None:
    assert {len(block.tracks) for block in BLOCKS} == {100}
    assert min(SIZES) == 1


def test_releases_are_as_long_as_measured() -> None:
    assert 8 < mean(SIZES) < 10.5
    assert max(SIZES) <= 46


def test_durations_are_as_measured() -> None:
    percentiles = quantiles([track.duration_ms / 1000 for track in TRACKS], n=100)
    for percent, seconds in {5: 127, 25: 170, 50: 200, 75: 235, 95: 339}.items():
        assert percentiles[percent - 1] == pytest.approx(seconds, rel=0.05)


def test_titles_are_as_long_and_as_foreign_as_measured() -> None:
    percentiles = quantiles([len(track.title) for track in TRACKS], n=100)
    assert percentiles[49] == pytest.approx(12, abs=3)
    assert percentiles[94] == pytest.approx(38, abs=6)
    foreign = sum(not track.title.isascii() for track in TRACKS) / len(TRACKS)
    assert 0.02 < foreign < 0.05


@pytest.mark.parametrize(
    "script", ["\u4e00-\u9fff", "\u0400-\u04ff", "\u0590-\u05ff", "\u0e00-\u0e7f", "\uac00-\ud7af"]
)
def test_scripts_other_than_latin_occur(script: str) -> None:
    first, last = script.split("-")
    assert any(first <= character <= last for track in TRACKS for character in track.title)


def test_places_on_a_disc_follow_each_other() -> None:
    for block in BLOCKS:
        for tracks in block.listing.values():
            for before, after in pairwise((track.disc, track.position) for track in tracks):
                assert after in {(before[0], before[1] + 1), (before[0] + 1, 1)}


def test_some_releases_have_two_discs_and_some_begin_before_track_one() -> None:
    assert {track.disc for track in TRACKS} == {1, 2}
    assert 0 in {track.position for track in TRACKS}


def test_no_two_artists_of_a_block_share_a_name() -> None:
    for block in BLOCKS:
        assert len({artist.name for artist in block.artists.values()}) == len(block.artists)


def test_about_a_tenth_of_the_tracks_share_their_recording() -> None:
    for block in BLOCKS:
        for recording in block.shared:
            places = [track for track in block.tracks.values() if track.recording == recording]
            assert len({track.release for track in places}) == 2
            assert len({(track.isrc, track.title, track.duration_ms) for track in places}) == 1
    assert sum(2 * len(block.shared) for block in BLOCKS) / len(TRACKS) == pytest.approx(0.1, abs=0.01)


def test_isrcs_are_unique_to_a_recording_and_a_few_are_missing() -> None:
    isrcs = {track.isrc: track.recording for track in TRACKS if track.isrc}
    assert len(isrcs) == len({track.recording for track in TRACKS if track.isrc})
    assert sum(track.isrc is None for track in TRACKS) / len(TRACKS) == pytest.approx(0.03, abs=0.01)


def test_barcodes_are_mostly_valid_some_invalid_and_some_missing() -> None:
    barcodes = [release.barcode for release in RELEASES]
    given = [barcode for barcode in barcodes if barcode]
    invalid = [barcode for barcode in given if not is_gtin(barcode.zfill(14))]
    assert 0 < len(invalid) < 0.04 * len(barcodes)
    assert 0 < len(barcodes) - len(given) < 0.1 * len(barcodes)
    assert {len(barcode) for barcode in given} == {12, 13}


def test_dates_come_in_every_precision() -> None:
    assert {len(release.date) for release in RELEASES} == {0, 4, 7, 10}


def test_releases_come_in_every_type() -> None:
    assert {release.type for release in RELEASES} == {"album", "compilation", "ep", "single"}


def test_some_releases_are_credited_to_two_artists() -> None:
    assert {len(release.credits) for release in RELEASES} == {1, 2}


def test_a_duplicate_artist_has_one_single_of_two_tracks() -> None:
    for block in BLOCKS[::10]:
        index = block.duplicate()
        releases = [r for r in block.releases.values() if any(c.artist.index == index for c in r.credits)]
        assert [release.type for release in releases] == ["single"]
        assert len(block.listing[releases[0].index]) == 2
        assert credited_tracks(block, index) == len(block.listing[releases[0].index])


def test_the_providers_share_exactly_60_percent() -> None:
    world = World(1000, seed=1)
    musicbrainz, deezer = set(world.musicbrainz().numbers), set(world.deezer().numbers)
    assert len(musicbrainz) == len(deezer) == 10
    assert len(musicbrainz & deezer) == 6


def test_the_size_is_rounded_up_to_whole_blocks() -> None:
    assert World(1, seed=1).tracks == 100
    assert World(101, seed=1).tracks == 200


def test_a_barcode_finds_its_release_with_and_without_leading_zeros() -> None:
    catalogue = World(1000, seed=1).musicbrainz()
    release = next(r for r in RELEASES if r.barcode and r.index // ids.SLOTS < 10)
    assert catalogue.by_barcode(release.barcode) == release
    assert catalogue.by_barcode(release.barcode.zfill(14)) == release
    assert catalogue.by_barcode("0" * 12) is None


def credited_tracks(block: Block, artist: int) -> int:
    return sum(any(c.artist.index == artist for c in track.credits) for track in block.tracks.values())
