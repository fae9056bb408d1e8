import json

import pytest
import requests

from sandbox import ids
from sandbox.catalogue import World
from sandbox.itunes import ITunes
from sandbox.server import Limits
from sandbox.wire import Ask
from tests.unit.sandbox.crawls import ask
from tests.unit.sandbox.serving import Served

WORLD = World(1000, seed=5)


@pytest.fixture
def itunes() -> ITunes:
    return ITunes(WORLD.deezer())


def test_a_long_album_has_a_booklet_and_a_video_among_its_songs(itunes: ITunes) -> None:
    block = WORLD.block(itunes.numbers.start)
    number, tracks = next((number, tracks) for number, tracks in block.listing.items() if len(tracks) > 15)
    answer = ask(itunes, "lookup", id=ids.encode_number("release", number), entity="song", limit=200)
    kinds = [item.get("kind") for item in answer["results"]]
    assert (kinds.count("song"), kinds.count("music-video"), kinds.count("interactive-booklet")) == (len(tracks), 1, 1)
    assert answer["resultCount"] == len(tracks) + 3
    assert answer["results"][0]["wrapperType"] == "collection"


def test_the_limit_counts_what_comes_after_the_thing_itself(itunes: ITunes) -> None:
    artist = ids.encode_number("artist", itunes.numbers.start * ids.SLOTS)
    answer = ask(itunes, "lookup", id=artist, entity="album", limit=1)
    assert [item["wrapperType"] for item in answer["results"]] == ["artist", "collection"]
    assert ask(itunes, "lookup", id=artist)["resultCount"] == 1


def test_an_album_is_found_by_its_upc_and_a_song_by_its_id(itunes: ITunes) -> None:
    block = WORLD.block(itunes.numbers.start)
    release = next(release for release in block.releases.values() if release.barcode)
    [album] = ask(itunes, "lookup", upc=release.barcode)["results"]
    assert album["collectionId"] == ids.encode_number("release", release.index)
    track = block.listing[release.index][0]
    [song] = ask(itunes, "lookup", id=ids.encode_number("track", track.index), country="gb")["results"]
    assert (song["collectionId"], song["country"]) == (album["collectionId"], "GBR")


@pytest.mark.parametrize(
    ("path", "query", "status", "body"),
    [
        ("lookup", {"id": "5"}, 200, {"resultCount": 0, "results": []}),
        ("lookup", {"id": "5", "country": "uk"}, 400, "Invalid value(s) for key(s): [country]"),
        ("lookup", {"id": "5", "limit": "many"}, 400, "Invalid value(s) for key(s): [limit]"),
    ],
)
def test_it_words_its_errors(itunes: ITunes, path: str, query: dict[str, str], status: int, body: object) -> None:
    answer = itunes.respond(Ask(path, query))
    said = json.loads(answer.body)
    assert (answer.status, said.get("errorMessage", said)) == (status, body)


def test_it_answers_403_without_a_word_over_its_quota(served: Served, http: requests.Session) -> None:
    with served(limits=Limits(itunes_quota=2)) as url:
        answers = [http.get(f"{url}/itunes/search?term=x") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert answers[2].content == b""
        assert http.get(f"{url}/itunes/coffee").status_code == 403
    with served() as url:
        assert http.get(f"{url}/itunes/coffee").status_code == 404
