"""The sandbox and the adapter say the same of the world, in TIDAL's words."""

import asyncio
import json

import pytest

from musicsync.identifiers import normalise_gtin
from musicsync.providers import tidal as adapters
from musicsync.records import ArtistRecord, Credit, Record, ReleaseRecord, Request, TrackRecord
from sandbox import ids
from sandbox.catalogue import World
from sandbox.control import expected
from sandbox.tidal import Tidal
from sandbox.world import Block, Release, Track
from sandbox.world import Credit as SandboxCredit
from tests.unit.sandbox.reading import Found, Reader, by_key, joined, track_differences


@pytest.fixture
def world() -> World:
    return World(500, seed=5)


@pytest.fixture
def dialect(world: World) -> Tidal:
    return Tidal(world.tidal())


@pytest.fixture
def reader(dialect: Tidal) -> Reader:
    return Reader(adapters.Tidal(), dialect, dialect.tokens)


def read_all(reader: Reader, world: World) -> Found:
    return reader.read(*(("artist", code("artist", index)) for index in world.tidal().first_artists()))


def code(kind: ids.Kind, index: int) -> str:
    return str(ids.encode_number(kind, index))


def held(world: World) -> Found:
    """Return what the world holds, written down apart from the dialect and the adapter."""
    records: list[Record] = []
    for block in map(world.block, world.tidal().numbers):
        tracks = list(block.tracks.values())
        credited = {credit.artist for row in (*block.releases.values(), *tracks) for credit in row.credits}
        artists = {*block.artists.values(), *credited}
        records += [ArtistRecord(external_id=code("artist", one.index), name=one.name) for one in artists]
        records += [_release(block, one) for one in block.releases.values()]
        records += [_track(one) for one in tracks]
    return by_key(records)


def _release(block: Block, release: Release) -> ReleaseRecord:
    return ReleaseRecord(
        external_id=code("release", release.index),
        title=release.title,
        gtin=None if release.barcode is None else normalise_gtin(release.barcode),
        type=release.type,
        released=release.date or None,
        label=release.label.name if release.label else None,
        explicit=any(track.explicit for track in block.listing[release.index]),
        track_count=len(block.listing[release.index]),
        credits=_credits(release.credits),
    )


def _track(track: Track) -> TrackRecord:
    return TrackRecord(
        external_id=code("track", track.index),
        release_id=code("release", track.release),
        disc=track.disc,
        position=track.position,
        title=track.title,
        version=track.version,
        isrcs=(track.isrc,) if track.isrc else (),
        duration_ms=track.duration_ms // 1000 * 1000,
        explicit=track.explicit,
        credits=_credits(track.credits),
    )


def _credits(credited: tuple[SandboxCredit, ...]) -> tuple[Credit, ...]:
    return joined(credited, [code("artist", one.artist.index) for one in credited])


def test_what_the_sandbox_holds_is_exactly_what_is_read(reader: Reader, world: World) -> None:
    assert read_all(reader, world) == held(world)


def test_some_albums_go_on_behind_the_first_page(world: World) -> None:
    sizes = [len(block.listing[index]) for block in map(world.block, world.tidal().numbers) for index in block.releases]
    assert max(sizes) > 20


def test_answers_differ_each_time_and_say_the_same(reader: Reader, world: World) -> None:
    request = Request(path=f"tracks/{code('track', world.tidal().numbers.start * ids.SLOTS)}")
    assert reader.ask(request).body != reader.ask(request).body
    assert reader.crawl(request) == reader.crawl(request)


def test_what_is_announced_to_change_is_what_changes(world: World, reader: Reader) -> None:
    before = read_all(reader, world)
    world.generation = 2
    announced = asyncio.run(expected(world, (reader.dialect,), 0, 2))["tidal"]
    after = read_all(reader, world)
    assert after == held(world)
    assert announced == track_differences(before, after) | {"merged_artists": announced["merged_artists"]}


def test_a_release_and_a_recording_are_found_by_their_codes(reader: Reader, world: World) -> None:
    block = world.block(world.tidal().numbers.start)
    release = next(row for row in block.releases.values() if normalise_gtin(row.barcode or "") != row.barcode)
    track = next(row for row in block.tracks.values() if row.isrc)
    assert ("release", code("release", release.index)) in reader.read(("release", release.barcode or ""))
    found = reader.read(("recording", track.isrc or ""))["track", code("track", track.index)]
    assert isinstance(found, TrackRecord)
    assert found.isrcs == (track.isrc,)


def test_a_barcode_is_found_by_12_or_13_digits_and_stated_with_14(reader: Reader, world: World) -> None:
    block = world.block(world.tidal().numbers.start)
    barcode = next(row.barcode for row in block.releases.values() if row.barcode and len(row.barcode) == 12)
    stated = []
    for length in (12, 13, 14):
        answer = reader.ask(Request(path="albums", params={"filter[barcodeId]": barcode.zfill(length)}))
        stated.append([album["attributes"]["barcodeId"] for album in json.loads(answer.body)["data"]])
    assert stated == [[barcode.zfill(14)], [barcode.zfill(14)], []]


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("artists/1", {}, 404),
        ("albums/x", {}, 404),
        ("coffee", {}, 404),
        ("artists/{}", {"include": "everything"}, 400),
        ("artists/{}/relationships/albums", {"page[cursor]": "bmV4dA=="}, 400),
    ],
)
def test_errors_are_worded(reader: Reader, world: World, path: str, params: dict[str, str], status: int) -> None:
    known = code("artist", next(world.tidal().first_artists()))
    answer = reader.ask(Request(path=path.format(known), params=params))
    assert answer.status == status
    assert json.loads(answer.body)["errors"][0]["status"] == str(status)


def test_without_a_token_that_holds_nothing_is_told(reader: Reader, dialect: Tidal) -> None:
    dialect.tokens.revoke()
    assert reader.ask(Request(path="albums")).status == 401
