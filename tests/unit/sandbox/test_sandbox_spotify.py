"""The sandbox and the adapter say the same of the world, in Spotify's words."""

import asyncio
import json

import msgspec
import pytest
from msgspec import UNSET

from musicsync.identifiers import normalise_gtin
from musicsync.providers import spotify as adapters
from musicsync.records import ArtistRecord, Credit, Record, ReleaseRecord, Request, TrackRecord
from sandbox import ids
from sandbox.catalogue import World
from sandbox.control import expected
from sandbox.spotify import _MARKETS, Spotify
from sandbox.world import Credit as SandboxCredit
from sandbox.world import Release, Track
from tests.unit.sandbox.reading import Found, Reader, by_key, joined, track_differences

MARKETS = tuple(_MARKETS)


@pytest.fixture
def world() -> World:
    return World(500, seed=5)


@pytest.fixture
def dialect(world: World) -> Spotify:
    return Spotify(world.spotify())


@pytest.fixture
def reader(dialect: Spotify) -> Reader:
    return Reader(adapters.Spotify(), dialect, dialect.tokens)


@pytest.fixture
def developer(world: World) -> Spotify:
    return Spotify(world.spotify(), development=True)


def read_all(reader: Reader, world: World) -> Found:
    return reader.read(*(("artist", code(world, "artist", index)) for index in world.spotify().first_artists()))


def code(world: World, kind: ids.Kind, index: int) -> str:
    return ids.Base62(world.mbids).encode(kind, index)


def held(world: World) -> Found:
    """Return what the world holds, written down apart from the dialect and the adapter."""
    records: list[Record] = []
    for block in map(world.block, world.spotify().numbers):
        tracks = list(block.tracks.values())
        credited = {credit.artist for row in (*block.releases.values(), *tracks) for credit in row.credits}
        artists = {*block.artists.values(), *credited}
        records += [ArtistRecord(external_id=code(world, "artist", one.index), name=one.name) for one in artists]
        records += [_release(world, one, len(block.listing[one.index])) for one in block.releases.values()]
        records += [_track(world, one) for one in tracks]
    return by_key(records)


def _release(world: World, release: Release, track_count: int) -> ReleaseRecord:
    return ReleaseRecord(
        external_id=code(world, "release", release.index),
        title=release.title,
        gtin=None if release.barcode is None else normalise_gtin(release.barcode),
        type="single" if release.type == "ep" else release.type,
        released=release.date or None,
        label=release.label.name if release.label else None,
        track_count=track_count,
        territories=MARKETS,
        credits=_credits(world, release.credits),
    )


def _track(world: World, track: Track) -> TrackRecord:
    return TrackRecord(
        external_id=code(world, "track", track.index),
        release_id=code(world, "release", track.release),
        disc=track.disc,
        position=track.position,
        title=f"{track.title} - {track.version}" if track.version else track.title,
        isrcs=(track.isrc,) if track.isrc else (),
        duration_ms=track.duration_ms,
        explicit=track.explicit,
        territories=MARKETS,
        credits=_credits(world, track.credits),
    )


def _credits(world: World, credited: tuple[SandboxCredit, ...]) -> tuple[Credit, ...]:
    return joined(credited, [code(world, "artist", one.artist.index) for one in credited])


def test_what_the_sandbox_holds_is_exactly_what_is_read(reader: Reader, world: World) -> None:
    assert read_all(reader, world) == held(world)


def test_an_app_in_development_mode_reads_the_same_but_for_labels_and_territories(
    world: World, developer: Spotify
) -> None:
    found = read_all(Reader(adapters.SpotifyDevelopment(), developer, developer.tokens), world)
    assert found == {key: _as_in_development(record) for key, record in held(world).items()}


def _as_in_development(record: Record) -> Record:
    withdrawn = dict.fromkeys({"label", "territories"} & set(record.__struct_fields__), UNSET)
    return msgspec.structs.replace(record, **withdrawn)


def test_an_app_in_development_mode_gets_neither_several_tracks_nor_new_releases(developer: Spotify) -> None:
    reader = Reader(adapters.Spotify(), developer, developer.tokens)
    for request in (Request(path="tracks", params={"ids": "x"}), Request(path="browse/new-releases")):
        assert reader.ask(request).status == 403


def test_answers_differ_each_time_and_say_the_same(reader: Reader, world: World) -> None:
    request = Request(path=f"tracks/{code(world, 'track', world.spotify().numbers.start * ids.SLOTS)}")
    assert reader.ask(request).body != reader.ask(request).body
    assert reader.crawl(request) == reader.crawl(request)


def test_what_is_announced_to_change_is_what_changes(world: World, reader: Reader) -> None:
    before = read_all(reader, world)
    world.generation = 2
    announced = asyncio.run(expected(world, (reader.dialect,), 0, 2))["spotify"]
    after = read_all(reader, world)
    assert after == held(world)
    assert announced == track_differences(before, after) | {"merged_artists": announced["merged_artists"]}


def test_a_release_and_a_recording_are_found_by_their_codes(reader: Reader, world: World) -> None:
    block = world.block(world.spotify().numbers.start)
    release = next(row for row in block.releases.values() if normalise_gtin(row.barcode or "") != row.barcode)
    track = next(row for row in block.tracks.values() if row.isrc)
    assert ("release", code(world, "release", release.index)) in reader.read(("release", release.barcode or ""))
    found = reader.read(("recording", track.isrc or ""))["track", code(world, "track", track.index)]
    assert isinstance(found, TrackRecord)
    assert found.isrcs == (track.isrc,)


def test_new_releases_lead_to_albums(reader: Reader, world: World) -> None:
    newest = world.block(world.spotify().numbers[-1])
    wanted = {("release", code(world, "release", index)) for index in newest.releases}
    assert wanted <= reader.read(("feed", "")).keys()


@pytest.mark.parametrize(
    ("path", "limit", "status"),
    [("artists/x", 10, 404), ("albums/x", 10, 404), ("coffee", 10, 404), ("artists/{}/albums", 50, 400)],
)
def test_errors_are_worded(reader: Reader, world: World, path: str, limit: int, status: int) -> None:
    known = code(world, "artist", next(world.spotify().first_artists()))
    answer = reader.ask(Request(path=path.format(known), params={"limit": str(limit)}))
    assert answer.status == status
    assert json.loads(answer.body)["error"]["status"] == status


def test_without_a_token_that_holds_nothing_is_told(reader: Reader, dialect: Spotify) -> None:
    dialect.tokens.revoke()
    answer = reader.ask(Request(path="search"))
    assert answer.status == 401
    assert b"The access token expired" in answer.body


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Bearer x"])
def test_no_token_is_given_to_another_client(dialect: Spotify, header: str) -> None:
    answer = dialect.tokens.issue(header, "client_credentials")
    assert answer.status == 400
    assert b"invalid_client" in answer.body
