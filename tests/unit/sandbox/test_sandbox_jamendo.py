"""What the sandbox holds in Jamendo's dialect is exactly what its adapter reads."""

import pytest

from musicsync.providers.base import Scope
from musicsync.providers.jamendo import Jamendo as Adapter
from musicsync.records import ArtistRecord, Credit, ProviderError, RateLimited, Refused, ReleaseRecord, TrackRecord
from sandbox import ids
from sandbox.catalogue import Catalogue, World
from sandbox.jamendo import Jamendo, error_answer
from sandbox.wire import Ask
from sandbox.world import Artist, Release, Track
from tests.unit.sandbox.round_trip import Found, answer, read

ADAPTER = Adapter()


@pytest.fixture
def world() -> World:
    return World(1100, seed=5)


@pytest.fixture
def dialect(world: World) -> Jamendo:
    return Jamendo(world.musicbrainz(), "a-key")


def number(kind: ids.Kind, thing: Artist | Release | Track) -> str:
    return str(ids.encode_number(kind, thing.index))


def held(catalogue: Catalogue) -> Found:
    """Return what the catalogue holds, as records."""
    found: Found = {}
    blocks = [catalogue.world.block(number) for number in catalogue.numbers]
    for release in (release for block in blocks for release in block.releases.values()):
        found["release", number("release", release)] = ReleaseRecord(
            external_id=number("release", release),
            title=release.title,
            released=f"{release.date}-01-01"[:10] if 0 < len(release.date) < 10 else release.date or None,
            genres=(release.genre,),
            credits=(credit(found, release.credits[0].artist),),
        )
        for place, track in enumerate(catalogue.tracks_on(release), start=1):
            found["track", number("track", track)] = TrackRecord(
                external_id=number("track", track),
                title=f"{track.title} ({track.version})" if track.version else track.title,
                release_id=number("release", release),
                disc=1,
                position=place,
                duration_ms=track.duration_ms // 1000 * 1000,
                credits=(credit(found, track.credits[0].artist),),
            )
    return found


def credit(found: Found, artist: Artist) -> Credit:
    key = number("artist", artist)
    found["artist", key] = ArtistRecord(external_id=key, name=artist.name)
    return Credit(name=artist.name, artist_id=key)


def artists(catalogue: Catalogue) -> list[Scope]:
    return [Scope(kind="artist", key=str(ids.encode_number("artist", index))) for index in catalogue.first_artists()]


@pytest.mark.parametrize("generation", [0, 3])
def test_artists_lead_to_all_that_there_is(world: World, dialect: Jamendo, generation: int) -> None:
    world.generation = generation
    catalogue = world.musicbrainz()
    found, asked = read(ADAPTER, dialect, artists(catalogue))
    expected = held(catalogue)
    without_any = found.keys() - expected.keys()
    assert {kind for kind, _ in without_any} <= {"artist"}
    assert {key: found[key] for key in expected} == expected
    assert len(asked) == 3 * len(artists(catalogue)) - 2 * gone(catalogue)


def gone(catalogue: Catalogue) -> int:
    return sum(len(catalogue.world.block(number).merged) for number in catalogue.numbers)


def test_the_feed_has_everything_in_full_pages_and_then_only_what_is_newer(world: World, dialect: Jamendo) -> None:
    catalogue = world.musicbrainz()
    found, asked = read(ADAPTER, dialect, [Scope(kind="feed")])
    assert found == held(catalogue)
    assert sum(key.startswith("tracks/") for key in asked) == 6

    world.generation = 2
    old = found.keys()
    newer, asked = read(ADAPTER, dialect, [Scope(kind="feed", watermark="2025-01-01")], "incremental")
    singles = {
        ("release", number("release", release))
        for block in map(world.block, catalogue.numbers)
        for release in block.releases.values()
        if release.date.startswith("2025")
    }
    assert singles
    assert {key for key in newer.keys() - old if key[0] == "release"} == singles
    assert len(asked) == 2


@pytest.mark.parametrize("kind", ["release", "recording"])
def test_one_thing_by_its_id(world: World, dialect: Jamendo, kind: str) -> None:
    catalogue = world.musicbrainz()
    release = next(iter(world.block(0).releases.values()))
    track = catalogue.tracks_on(release)[-1]
    key = number("release", release) if kind == "release" else number("track", track)
    found, _ = read(ADAPTER, dialect, [Scope(kind=kind, key=key)])  # type: ignore[arg-type]
    expected = held(catalogue)
    assert found["track", number("track", track)] == expected["track", number("track", track)]
    if kind == "release":
        assert found["release", key] == expected["release", key]


@pytest.mark.parametrize(
    ("query", "code"), [({}, 4), ({"client_id": "wrong"}, 5), ({"client_id": "a-key", "limit": "many"}, 3)]
)
def test_what_is_wrong_with_a_request_stands_in_the_head(dialect: Jamendo, query: dict[str, str], code: int) -> None:
    assert dialect.respond(Ask("tracks/", query)) == error_answer(code)
    assert dialect.respond(Ask("coffee/", {"client_id": "a-key"})) == error_answer(7)


def test_its_refusals_are_read_as_what_they_are(dialect: Jamendo) -> None:
    assert isinstance(raised(dialect.over_limit(1.0).body), RateLimited)
    assert isinstance(raised(dialect.respond(Ask("tracks/", {"client_id": "wrong"})).body), Refused)


def raised(body: bytes) -> ProviderError | None:
    return ADAPTER.stated_error("GET /tracks/", 200, body)


def test_no_two_answers_are_the_same_and_they_say_the_same(dialect: Jamendo) -> None:
    request = ADAPTER.probe()
    first, second = (answer(ADAPTER, dialect, request) for _ in range(2))
    assert first.body != second.body
    assert ADAPTER.parse(request, first) == ADAPTER.parse(request, second)
