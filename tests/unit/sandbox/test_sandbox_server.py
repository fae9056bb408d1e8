import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

from sandbox.limits import Meter, SlidingWindow, TokenBucket
from sandbox.server import Limits
from tests.unit.sandbox.serving import Served


def test_a_token_bucket_lets_its_rate_through() -> None:
    bucket = TokenBucket(10)
    let_through = sum(bucket.take(tick / 100) == 0 for tick in range(1001))
    assert let_through == pytest.approx(10 * 10 + 11, abs=1)
    assert 0 < bucket.take(10.0) <= 0.1


def test_a_sliding_window_never_holds_more_than_its_count() -> None:
    window = SlidingWindow(50, 5)
    taken = [tick / 100 for tick in range(2000) if window.take(tick / 100) == 0]
    assert max(sum(0 <= later - first < 5 for later in taken) for first in taken) == 50
    assert len(taken) == 4 * 50


def test_a_meter_keeps_the_worst_windows() -> None:
    meter = Meter()
    for arrival in (0.0, 0.5, 0.9, 1.0, 4.0, 9.5):
        meter.arrive(arrival)
    assert meter.summary() == {"served": 0, "refused": 0, "worst_1s": 3, "worst_5s": 5}


def test_musicbrainz_answers_503_over_its_limit(served: Served, http: requests.Session) -> None:
    with served(limits=Limits(musicbrainz_rate=0.1)) as url:
        answers = [http.get(f"{url}/musicbrainz/ws/2/artist/x") for _ in range(20)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 12
        assert "exceeding the allowable rate limit" in refused[0].json()["error"]
        assert refused[0].headers["X-RateLimit-Remaining"] == "0"
        counts = http.get(f"{url}/control/state").json()["requests"]["musicbrainz"]
        assert (counts["served"], counts["refused"]) == (20 - len(refused), len(refused))
        assert counts["worst_1s"] <= counts["worst_5s"] <= 20
        assert counts["worst_5s"] > counts["served"], "those that are refused are counted too"


def test_deezer_answers_code_4_over_its_quota(served: Served, http: requests.Session) -> None:
    with served(limits=Limits(deezer_quota=5)) as url:
        answers = [http.get(f"{url}/deezer/chart/0/albums") for _ in range(8)]
        assert {answer.status_code for answer in answers} == {200}
        assert [answer.json().get("error", {}).get("code") for answer in answers] == [None] * 5 + [4] * 3
        assert http.get(f"{url}/control/state").json()["requests"]["deezer"]["refused"] == 3


def test_the_feed_answers_429_over_its_rate_and_says_when_to_come_back(served: Served, http: requests.Session) -> None:
    with served(limits=Limits(feed_rate=0.1)) as url:
        answers = [http.get(f"{url}/feed/tracks?limit=1") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 429, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10


def test_the_feed_asks_for_its_token(served: Served, http: requests.Session) -> None:
    with served(feed_token="let-me-in") as url:
        assert http.get(f"{url}/feed/tracks").status_code == 401
        assert http.get(f"{url}/feed/tracks", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert http.get(f"{url}/feed/tracks", headers={"Authorization": "Bearer let-me-in"}).status_code == 200


@pytest.mark.parametrize("gzip", ["gzip", "identity"])
def test_an_etag_saves_the_body(base: str, http: requests.Session, gzip: str) -> None:
    artist = http.get(f"{base}/control/scopes?provider=musicbrainz").json()["artist"][0]
    for path in (f"musicbrainz/ws/2/release?artist={artist}&inc=recordings", "feed/tracks"):
        first = http.get(f"{base}/{path}", headers={"Accept-Encoding": gzip})
        again = http.get(f"{base}/{path}", headers={"Accept-Encoding": gzip, "If-None-Match": first.headers["ETag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


def test_bodies_over_a_kilobyte_are_compressed_where_the_client_takes_it(base: str, http: requests.Session) -> None:
    zipped = http.get(f"{base}/feed/tracks", headers={"Accept-Encoding": "gzip"})
    plain = http.get(f"{base}/feed/tracks", headers={"Accept-Encoding": "identity"})
    small = http.get(f"{base}/feed/tracks?cursor=zz", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in small.headers
    assert zipped.json() == plain.json()
    assert zipped.headers["ETag"] != plain.headers["ETag"]


def test_a_merged_id_redirects_on_the_host_that_was_asked(served: Served, http: requests.Session) -> None:
    with served(generation=1) as url:
        artists = http.get(f"{url}/control/scopes?provider=musicbrainz").json()["artist"]
        answers = [http.get(f"{url}/musicbrainz/ws/2/artist/{artist}?fmt=json") for artist in artists]
        merged = [answer for answer in answers if answer.history]
        assert len(merged) == 1
        assert merged[0].history[0].status_code == 301
        assert merged[0].url.startswith(f"{url}/musicbrainz/ws/2/artist/{merged[0].json()['id']}")


def test_evolve_moves_the_world_and_says_what_changed(served: Served, http: requests.Session) -> None:
    with served(tracks=1000) as url:
        answer = http.post(f"{url}/control/evolve").json()
        assert answer["generation"] == 1
        assert answer["feed"]["edited"] == 20
        expected = http.get(f"{url}/control/expected?from=0&to=1").json()
        assert {name: answer[name] for name in ("musicbrainz", "deezer", "feed")} == {
            name: expected[name] for name in ("musicbrainz", "deezer", "feed")
        }
        assert http.post(f"{url}/control/evolve", data='{"generations": 2, "expected": false}').json() == {
            "generation": 3
        }
        state = http.get(f"{url}/control/state").json()
        assert (state["seed"], state["tracks"], state["generation"]) == (1, 1000, 3)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "evolve", '{"generations": 1000}', 409, "generation 0 of 100"),
        ("POST", "evolve", '{"speed": 1}', 400, "unknown field `speed`"),
        ("POST", "faults", '[{"kind": "meteor"}]', 400, "'meteor'"),
        ("POST", "faults", '[{"kind": "reset", "share": 2}]', 400, "share must be between 0 and 1"),
        ("POST", "faults", '[{"kind": "reset", "path": "("}]', 400, "no regular expression"),
        ("POST", "faults", "nonsense", 400, "malformed"),
        ("GET", "expected?from=2&to=1", "", 400, "from <= to"),
        ("GET", "expected?from=x", "", 400, "from must be a whole number"),
        ("GET", "scopes?provider=coffee", "", 400, "musicbrainz, deezer, feed"),
    ],
)
def test_control_refuses_nonsense_in_one_line(
    base: str, http: requests.Session, *, method: str, path: str, body: str, status: int, words: str
) -> None:
    answer = http.request(method, f"{base}/control/{path}", data=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_ends_cleanly(stop: signal.Signals, http: requests.Session) -> None:
    process = start("--tracks", "200", "--port", "0", "--no-limits")
    try:
        assert process.stdout
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert http.get(f"{url}/control/state").json()["tracks"] == 200
    finally:
        process.send_signal(stop)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert errors.count("\n") == 1
    assert f"127.0.0.1:{port}" in errors
    assert "--port" in errors


@pytest.mark.parametrize("arguments", [["--tracks", "0"], ["--feed-rate", "nan"], ["--generation", "101"]])
def test_bad_options_are_named(arguments: list[str]) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"argument {arguments[0]}" in errors


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
