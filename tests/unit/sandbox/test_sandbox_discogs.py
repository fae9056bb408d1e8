import json
from typing import Any

import pytest
import requests

from sandbox import ids
from sandbox.catalogue import World
from sandbox.discogs import Discogs
from sandbox.server import Limits
from sandbox.wire import Ask
from tests.unit.sandbox.crawls import ask
from tests.unit.sandbox.serving import Served

WORLD = World(5000, seed=5)
TOKEN = {"authorization": "Discogs token=x"}


@pytest.fixture
def discogs() -> Discogs:
    return Discogs(WORLD.musicbrainz())


def releases() -> list[dict[str, Any]]:
    dialect = Discogs(WORLD.musicbrainz())
    indexes = [index for number in dialect.numbers for index in WORLD.block(number).releases]
    return [ask(dialect, f"releases/{ids.encode_number('release', index)}") for index in indexes]


def test_it_has_what_makes_discogs_hard_to_read() -> None:
    lines = [line for release in releases() for line in release["tracklist"]]
    assert {"heading", "track"} == {line["type_"] for line in lines}
    assert {"0", "1", "1-01", "2-01", "A1", "B1"} <= {line["position"] for line in lines}
    assert "" in {line["duration"] for line in lines}
    assert {len(release["released"]) for release in releases()} == {0, 4, 10}
    assert any(release["released"].endswith("-00") for release in releases())
    assert any("(" in artist["name"] for release in releases() for artist in release["artists"])


def test_lists_hold_releases_and_masters_page_by_page(discogs: Discogs) -> None:
    label = ids.encode_number("label", 0)
    whole = ask(discogs, f"labels/{label}/releases", per_page=100)
    pages = whole["pagination"]["items"]
    assert pages > 2
    seen = []
    for number in range(1, pages + 1):
        page = ask(discogs, f"labels/{label}/releases", per_page=1, page=number)
        assert ("next" in page["pagination"]["urls"]) == (number < pages)
        seen += page["releases"]
    assert seen == whole["releases"]
    assert {item["type"] for item in seen} == {"release", "master"}
    master = next(item for item in seen if item["type"] == "master")
    assert ask(discogs, f"masters/{master['id']}")["main_release"] == master["main_release"]
    assert ask(discogs, f"masters/{master['id']}/versions")["versions"][0]["id"] == master["main_release"]


def test_a_search_wants_a_token_and_finds_a_barcode(discogs: Discogs) -> None:
    release = next(release for release in WORLD.block(0).releases.values() if release.barcode)
    query = {"barcode": release.barcode or "", "type": "release"}
    refused = discogs.respond(Ask("database/search", query))
    assert (refused.status, json.loads(refused.body)) == (
        401,
        {"message": "You must authenticate to access this resource."},
    )
    found = json.loads(discogs.respond(Ask("database/search", query, headers=TOKEN)).body)
    assert [item["id"] for item in found["results"]] == [ids.encode_number("release", release.index)]


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("releases/5", {}, "Release not found."),
        ("artists/5/releases", {}, "Artist not found."),
        ("labels/1/releases", {"page": "99"}, "That page does not exist."),
        ("labels/1/releases", {"page": "x"}, "The parameter page is no number."),
        ("labels/1/coffee", {}, "The requested resource was not found."),
        ("coffee", {}, "The requested resource was not found."),
    ],
)
def test_what_is_not_there_is_a_404_with_a_message(
    discogs: Discogs, path: str, query: dict[str, str], message: str
) -> None:
    answer = discogs.respond(Ask(path, query))
    assert (answer.status, json.loads(answer.body)) == (404, {"message": message})


def test_it_counts_down_and_answers_429_over_its_quota(served: Served, http: requests.Session) -> None:
    with served(limits=Limits(discogs_quota=2)) as url:
        answers = [http.get(f"{url}/discogs/releases/1") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-Discogs-Ratelimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].json() == {"message": "You are making requests too quickly."}
        assert http.get(f"{url}/control/state").json()["requests"]["discogs"]["refused"] == 1
