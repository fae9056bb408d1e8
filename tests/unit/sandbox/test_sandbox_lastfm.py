"""What the sandbox holds in Last.fm's dialect is exactly what its adapter reads."""

import asyncio
import json

import pytest

from musicsync.providers.base import Scope
from musicsync.providers.lastfm import LastFm as Adapter
from musicsync.records import ArtistRecord, Credit, RateLimited, Refused, ReleaseRecord, TrackRecord
from sandbox.catalogue import World
from sandbox.control import expected
from sandbox.lastfm import LastFm
from sandbox.wire import Answer, Ask
from sandbox.world import Artist
from tests.unit.sandbox.round_trip import Found, answer, read

ADAPTER = Adapter()


@pytest.fixture
def world() -> World:
    return World(1100, seed=5)


@pytest.fixture
def dialect(world: World) -> LastFm:
    return LastFm(world.musicbrainz(), "a-key")


def key(*names: str) -> str:
    return "/".join(name.replace("%", "%25").replace("/", "%2F").casefold() for name in names)


def held(world: World, dialect: LastFm) -> Found:
    """Return what the world holds for Last.fm, as records."""
    catalogue = world.musicbrainz()
    found: Found = {}

    def credit(artist: Artist) -> Credit:
        name = dialect.artist_name(artist)
        found["artist", key(name)] = ArtistRecord(external_id=key(name), name=name)
        return Credit(name=name, artist_id=key(name))

    for release in (r for number in catalogue.numbers for r in world.block(number).releases.values()):
        by = credit(dialect.credited(release))
        name = key(by.name, dialect.album_name(release))
        found["release", name] = ReleaseRecord(
            external_id=name, title=dialect.album_name(release), genres=(release.genre.lower(),), credits=(by,)
        )
        for place, track in enumerate(catalogue.tracks_on(release), start=1):
            found["track", f"{name}/{place}"] = TrackRecord(
                external_id=f"{name}/{place}",
                title=f"{track.title} ({track.version})" if track.version else track.title,
                release_id=name,
                disc=1,
                position=place,
                duration_ms=None if track.untimed else track.duration_ms // 1000 * 1000,
                credits=(credit(dialect.credited(release, track)),),
            )
    return found


def artists(world: World) -> list[Scope]:
    indexes = world.musicbrainz().first_artists()
    return [Scope(kind="artist", key=world.mbids.encode("artist", index)) for index in indexes]


@pytest.mark.parametrize("generation", [0, 3])
def test_artists_lead_to_all_that_there_is(world: World, dialect: LastFm, generation: int) -> None:
    world.generation = generation
    found, asked = read(ADAPTER, dialect, artists(world))
    known = held(world, dialect)
    assert {kind for kind, _ in found.keys() - known.keys()} <= {"artist"}
    assert {key: found[key] for key in known} == known
    assert any("page=2" in request for request in asked)
    assert not any("(null)" in request for request in asked)


def test_by_name_in_any_case_it_is_the_same(world: World, dialect: LastFm) -> None:
    artist = next(iter(world.block(3).artists.values()))
    name = dialect.artist_name(artist)
    upper, _ = read(ADAPTER, dialect, [Scope(kind="artist", key=name.upper().replace("/", "%2F"))])
    plain, _ = read(ADAPTER, dialect, [Scope(kind="artist", key=name.replace("/", "%2F"))])
    assert upper == plain


def test_a_release_and_a_track_are_found_by_their_names(world: World, dialect: LastFm) -> None:
    release = next(iter(world.block(2).releases.values()))
    track = world.musicbrainz().tracks_on(release)[0]
    by = dialect.artist_name(dialect.credited(release))
    names = (by, dialect.album_name(release))
    found, _ = read(ADAPTER, dialect, [Scope(kind="release", key="/".join(n.replace("/", "%2F") for n in names))])
    assert found["release", key(*names)] == held(world, dialect)["release", key(*names)]
    by = dialect.artist_name(track.credits[0].artist)
    found, _ = read(ADAPTER, dialect, [Scope(kind="recording", key=f"{by}/_/{track.title}")])
    [single] = [record for record in found.values() if isinstance(record, TrackRecord)]
    assert (single.external_id, single.duration_ms) == (key(by, "_", track.title), track.duration_ms)


def test_a_client_sees_the_changes_that_are_announced_but_no_merge(world: World, dialect: LastFm) -> None:
    before, _ = read(ADAPTER, dialect, artists(world))
    world.generation = 1
    after, _ = read(ADAPTER, dialect, artists(world))
    announced = asyncio.run(expected(world, (dialect,), 0, 1))["lastfm"]
    old, new = ({name for name in found if name[0] == "track"} for found in (before, after))
    assert len(new) == announced["tracks"]
    assert (len(old - new), len(new - old)) == (announced["removed"], announced["added"])
    assert sum(before[name] != after[name] for name in old & new) == announced["edited"] == 2 * 11 - 2


def test_its_refusals_are_read_as_what_they_are(dialect: LastFm) -> None:
    def read_as(answered: Answer) -> type[Exception]:
        return type(ADAPTER.stated_error("GET /2.0/", answered.status, answered.body))

    assert read_as(dialect.over_limit(1.0)) is RateLimited
    assert read_as(dialect.respond(Ask("2.0/", {"method": "tag.getTopArtists", "api_key": "wrong"}))) is Refused
    assert json.loads(dialect.respond(Ask("2.0/", {"method": "coffee", "api_key": "a-key"})).body)["error"] == 3


def test_the_cheap_question_is_answered_and_counts_do_not_matter(dialect: LastFm) -> None:
    assert ADAPTER.parse(ADAPTER.probe(), answer(ADAPTER, dialect, ADAPTER.probe())).records
    [request] = ADAPTER.plan(Scope(kind="artist", key=dialect.artist_name(next(iter(artists_of(dialect))))), "full")
    first, second = (answer(ADAPTER, dialect, request) for _ in range(2))
    assert first.body != second.body
    assert ADAPTER.parse(request, first) == ADAPTER.parse(request, second)


def artists_of(dialect: LastFm) -> list[Artist]:
    return list(World(1100, seed=5).block(dialect.numbers[0]).artists.values())
