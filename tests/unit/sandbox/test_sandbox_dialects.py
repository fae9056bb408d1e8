import asyncio
import json

import pytest

from musicsync.providers import registry
from musicsync.providers.base import Scope
from sandbox import ids
from sandbox.catalogue import World
from sandbox.control import expected
from sandbox.deezer import Deezer
from sandbox.feed import Feed
from sandbox.musicbrainz import MusicBrainz
from sandbox.wire import Ask
from tests.unit.sandbox.crawls import (
    MUSICBRAINZ_INC,
    ask,
    browse,
    crawl_deezer,
    crawl_feed,
    crawl_musicbrainz,
    differences,
)
from tests.unit.sandbox.round_trip import read


@pytest.fixture
def world() -> World:
    return World(1000, seed=5)


@pytest.fixture
def musicbrainz(world: World) -> MusicBrainz:
    return MusicBrainz(world.musicbrainz())


@pytest.fixture
def deezer(world: World) -> Deezer:
    return Deezer(world.deezer())


@pytest.fixture
def feed(world: World) -> Feed:
    return Feed(world.musicbrainz())


def musicbrainz_artists(world: World) -> list[str]:
    return [world.mbids.encode("artist", index) for index in world.musicbrainz().first_artists()]


def deezer_artists(world: World) -> list[str]:
    return [str(ids.encode_number("artist", index)) for index in world.deezer().first_artists()]


@pytest.mark.parametrize("generations", [1, 2])
def test_clients_find_exactly_the_changes_that_are_announced(
    world: World, musicbrainz: MusicBrainz, deezer: Deezer, feed: Feed, generations: int
) -> None:
    artists = musicbrainz_artists(world)
    numbers = deezer_artists(world)
    first = (crawl_musicbrainz(musicbrainz, artists), crawl_deezer(deezer, numbers), crawl_feed(feed))
    assert [len(first[0][0]), len(first[1][0]), len(first[2])] == [1000, 1000, 1000]

    world.generation = generations
    announced = asyncio.run(expected(world, (musicbrainz, deezer, feed), 0, generations))
    found, merged = crawl_musicbrainz(musicbrainz, artists)
    assert announced["musicbrainz"] == differences(first[0][0], found) | {"merged_artists": merged}
    found, merged = crawl_deezer(deezer, numbers)
    assert announced["deezer"] == differences(first[1][0], found) | {"merged_artists": merged}
    counts = differences(first[2], crawl_feed(feed))
    assert announced["feed"] == counts | {"merged_artists": announced["feed"]["merged_artists"]}


def test_one_generation_changes_the_shares_that_were_set(
    world: World, musicbrainz: MusicBrainz, deezer: Deezer, feed: Feed
) -> None:
    announced = asyncio.run(expected(world, (musicbrainz, deezer, feed), 0, 1))
    for name, merged in {"musicbrainz": 1, "deezer": 0, "feed": 1}.items():
        counts = {"tracks": 1005, "edited": 20, "removed": 5, "added": 10}
        assert announced[name] == counts | {"merged_artists": merged}


def test_dialects_describe_the_same_world(world: World, musicbrainz: MusicBrainz, deezer: Deezer, feed: Feed) -> None:
    catalogue = world.deezer()
    release = next(r for r in world.block(5).releases.values() if r.barcode and not r.vinyl)
    found = ask(musicbrainz, "release", query=f"barcode:{release.barcode}")["releases"][0]
    whole = ask(musicbrainz, f"release/{found['id']}", inc=MUSICBRAINZ_INC)
    album = ask(deezer, f"album/upc:{release.barcode}")
    assert album["upc"] == whole["barcode"] == release.barcode
    tracks = ask(deezer, f"album/{album['id']}/tracks", limit=100)["data"]
    recorded = [track for medium in whole["media"] for track in medium["tracks"]]
    assert album["nb_tracks"] == len(tracks) == len(catalogue.tracks_on(release))
    for theirs, ours in zip(recorded, tracks, strict=True):
        assert theirs["title"] == ours["title"]
        assert theirs["length"] is None or theirs["length"] // 1000 == ours["duration"]
        assert theirs["recording"]["isrcs"] == ([ours["isrc"].replace("-", "").upper()] if ours["isrc"] else [])


def test_paging_by_any_size_covers_everything_once(feed: Feed, deezer: Deezer, world: World) -> None:
    assert crawl_feed(feed, limit=1).keys() == crawl_feed(feed, limit=500).keys()
    number = deezer_artists(world)[0]
    assert crawl_deezer(deezer, [number], limit=1)[0].keys() == crawl_deezer(deezer, [number], limit=100)[0].keys()


def test_the_feed_gives_what_changed_since_a_generation(world: World, feed: Feed) -> None:
    world.generation = 3
    before = crawl_feed(Feed(World(1000, seed=5, generation=1).musicbrainz()))
    after = crawl_feed(feed)
    changed = {key for key, item in after.items() if before.get(key) != item}
    assert crawl_feed(feed, since="g1").keys() == changed
    assert crawl_feed(feed, since="g3") == {}
    assert ask(feed, "tracks", limit=1)["watermark"] == "g3"


@pytest.mark.parametrize("query", [{"cursor": "zz"}, {"limit": "many"}, {"since": "yesterday"}])
def test_the_feed_refuses_nonsense(feed: Feed, query: dict[str, str]) -> None:
    assert feed.respond(Ask("tracks", query)).status == 400


def test_the_feed_knows_its_etag_without_the_page(world: World, feed: Feed) -> None:
    answer = feed.respond(Ask("tracks"))
    etag = answer.headers["ETag"]
    assert not etag.startswith("W/")
    assert feed.respond(Ask("tracks", headers={"if-none-match": etag})).status == 304
    assert feed.respond(Ask("tracks", {"limit": "7"}, headers={"if-none-match": etag})).status == 200
    world.generation = 1
    assert feed.respond(Ask("tracks", headers={"if-none-match": etag})).status == 200


def test_a_merged_artist_leads_to_the_survivor_in_both_dialects(
    world: World, musicbrainz: MusicBrainz, deezer: Deezer
) -> None:
    musicbrainz_block, deezer_block = 0, 10
    world.generation = 4
    gone, survivor = next(iter(world.block(musicbrainz_block).merged.items()))
    old, new = (world.mbids.encode("artist", index) for index in (gone, survivor))
    answer = musicbrainz.respond(Ask(f"artist/{old}", {"fmt": "json"}, "http://host/ws/2"))
    assert answer.status == 301
    assert answer.headers["Location"] == f"http://host/ws/2/artist/{new}?fmt=json"
    assert list(browse(musicbrainz, old)) == list(browse(musicbrainz, new))

    gone, survivor = next(iter(world.block(deezer_block).merged.items()))
    old, new = (ids.encode_number("artist", index) for index in (gone, survivor))
    assert ask(deezer, f"artist/{old}")["id"] == new


def test_musicbrainz_ends_a_browse_page_at_500_tracks(
    world: World, musicbrainz: MusicBrainz, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = musicbrainz_artists(world)[0]
    query = {"artist": artist, "inc": "recordings", "limit": 100}
    every = ask(musicbrainz, "release", **query)
    monkeypatch.setattr("sandbox.musicbrainz._TRACKS_PER_BROWSE", 2)
    page = ask(musicbrainz, "release", **query)
    assert len(page["releases"]) == 1
    assert page["release-count"] == every["release-count"] > 1
    assert [release["id"] for release in browse(musicbrainz, artist)] == [r["id"] for r in every["releases"]]


def test_musicbrainz_serves_only_what_inc_asks_for(world: World, musicbrainz: MusicBrainz) -> None:
    release = world.mbids.encode("release", 0)
    bare = ask(musicbrainz, f"release/{release}")
    assert not bare.keys() & {"media", "artist-credit", "label-info", "release-group", "genres"}
    assert "tracks" not in ask(musicbrainz, f"release/{release}", inc="media")["media"][0]
    full = ask(musicbrainz, f"release/{release}", inc=MUSICBRAINZ_INC)
    assert {"media", "artist-credit", "label-info", "release-group", "genres"} <= full.keys()


def test_musicbrainz_finds_a_recording_by_isrc_on_all_its_releases(world: World, musicbrainz: MusicBrainz) -> None:
    block = world.block(0)
    recording = next(iter(block.shared))
    isrc = next(track.isrc for track in block.tracks.values() if track.recording == recording)
    found = ask(musicbrainz, f"isrc/{isrc}", inc="artist-credits releases")["recordings"]
    assert [document["id"] for document in found] == [world.mbids.encode("recording", recording)]
    assert len(found[0]["releases"]) == 2
    alone = ask(musicbrainz, f"recording/{found[0]['id']}", inc="artist-credits isrcs releases")
    assert alone["isrcs"] == [isrc]


def test_musicbrainz_embeds_25_releases_of_a_recording_at_most_and_its_adapter_browses_the_others(
    world: World, musicbrainz: MusicBrainz, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sandbox.musicbrainz", "musicsync.providers.musicbrainz"):
        monkeypatch.setattr(f"{module}._MOST_EMBEDDED", 1)
    block = world.block(0)
    recording = next(iter(block.shared))
    mbid = world.mbids.encode("recording", recording)
    assert len(ask(musicbrainz, f"recording/{mbid}", inc="releases")["releases"]) == 1
    found, asked = read(registry.get("musicbrainz"), musicbrainz, [Scope(kind="recording", key=mbid)])
    places = world.musicbrainz().places_of(recording)
    assert {key for kind, key in found if kind == "release"} == {
        world.mbids.encode("release", track.release) for track in places
    }
    assert [key.partition("?")[0] for key in asked] == [f"recording/{mbid}", "release"]


def test_musicbrainz_labels_lead_to_their_releases(world: World, musicbrainz: MusicBrainz) -> None:
    label = world.mbids.encode("label", 0)
    assert ask(musicbrainz, f"label/{label}")["id"] == label
    page = ask(musicbrainz, "release", label=label, inc="labels")
    assert page["releases"]
    assert all(release["label-info"][0]["label"]["id"] == label for release in page["releases"])


def test_musicbrainz_has_null_lengths_and_vinyl_numbers_and_pregaps() -> None:
    world = World(5000, seed=5)
    found = crawl_musicbrainz(MusicBrainz(world.musicbrainz()), musicbrainz_artists(world))[0].values()
    assert None in {track[1] for track in found}
    assert "A1" in {track[7] for track in found}
    assert 0 in {track[6] for track in found}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("artist/00000000-1111-2222-3333-444444444444", 404),
        ("artist/nonsense", 400),
        ("isrc/USRC17607839", 404),
        ("isrc/nonsense", 400),
        ("release", 404),
        ("coffee", 404),
    ],
)
def test_musicbrainz_words_its_errors(musicbrainz: MusicBrainz, path: str, status: int) -> None:
    answer = musicbrainz.respond(Ask(path))
    assert answer.status == status
    assert json.loads(answer.body).keys() == {"error", "help"}


def test_musicbrainz_refuses_an_unknown_inc(musicbrainz: MusicBrainz) -> None:
    answer = musicbrainz.respond(Ask("artist/x", {"inc": "coffee"}))
    assert answer.status == 400
    assert b"coffee is not a valid inc parameter" in answer.body


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("artist/1", {}, 800),
        ("album/-1", {}, 800),
        ("album/upc:000000000000", {}, 800),
        ("track/isrc:USRC17607839", {}, 800),
        ("editorial/0/releases", {"limit": "many"}, 500),
        ("coffee", {}, 600),
    ],
)
def test_deezer_words_its_errors_inside_status_200(deezer: Deezer, path: str, query: dict[str, str], code: int) -> None:
    answer = deezer.respond(Ask(path, query))
    assert answer.status == 200
    assert json.loads(answer.body)["error"]["code"] == code


def test_deezer_differs_at_every_answer_in_rank_and_preview_alone(world: World, deezer: Deezer) -> None:
    number = ids.encode_number("track", world.deezer().numbers.start * ids.SLOTS)
    first, second = (ask(deezer, f"track/{number}") for _ in range(2))
    assert {key for key in first if first[key] != second[key]} == {"rank", "preview"}


def test_deezer_embeds_tracks_without_isrc_and_lists_them_with(world: World, deezer: Deezer) -> None:
    number = ids.encode_number("release", world.deezer().numbers.start * ids.SLOTS)
    assert "isrc" not in ask(deezer, f"album/{number}")["tracks"]["data"][0]
    assert "isrc" in ask(deezer, f"album/{number}/tracks")["data"][0]


def test_deezer_writes_some_isrcs_in_lower_case_or_with_dashes(world: World, deezer: Deezer) -> None:
    isrcs = [track[3] for track in crawl_deezer(deezer, deezer_artists(world), limit=100)[0].values()]
    unusual = [isrc for isrc in isrcs if isrc and (isrc != isrc.upper() or "-" in isrc)]
    assert 0 < len(unusual) < 0.03 * len(isrcs)


def test_deezer_finds_a_track_by_isrc_however_written(world: World, deezer: Deezer) -> None:
    track = next(t for t in world.block(5).tracks.values() if t.isrc)
    assert ask(deezer, f"track/isrc:{track.isrc.lower()}")["title_short"] == track.title


@pytest.mark.parametrize("path", ["chart/0/albums", "editorial/0/releases"])
def test_deezer_lists_albums_of_charts_and_new_releases(deezer: Deezer, path: str) -> None:
    page = ask(deezer, path)
    assert {album["type"] for album in page["data"]} == {"album"}
    assert page["total"] >= len(page["data"]) > 0
