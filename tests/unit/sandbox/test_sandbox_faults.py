import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

SetRules = Callable[..., str]


@pytest.fixture
def faulty(base: str, http: requests.Session) -> Iterator[SetRules]:
    """Set fault rules for one test."""

    def set_rules(*rules: dict[str, object]) -> str:
        answer = http.post(f"{base}/control/faults", data=json.dumps(rules))
        assert answer.status_code == 200, answer.text
        return base

    yield set_rules
    http.delete(f"{base}/control/faults")


def test_status_faults_carry_their_wait(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "status", "status": 429, "retry_after": 7})
    answer = http.get(f"{url}/feed/tracks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert http.get(f"{url}/deezer/chart/0/albums").status_code == 429


def test_deezer_code_faults_come_with_status_200(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "deezer_code", "code": 700})
    answer = http.get(f"{url}/deezer/chart/0/albums")
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, 700)


def test_false_404s_are_worded_as_each_provider_does(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "false_404"})
    assert http.get(f"{url}/feed/tracks").status_code == 404
    assert http.get(f"{url}/deezer/chart/0/albums").json()["error"]["code"] == 800
    artist = http.get(f"{url}/control/scopes?provider=musicbrainz").json()["artist"][0]
    assert http.get(f"{url}/musicbrainz/ws/2/artist/{artist}").json()["error"] == "Not Found"


def test_truncated_bodies_end_half_way(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "truncated"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        http.get(f"{url}/feed/tracks")


def test_malformed_bodies_are_no_json(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "malformed"})
    answer = http.get(f"{url}/feed/tracks")
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_one_item_of_a_page_has_a_field_of_the_wrong_type(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "wrong_type"})
    for path, items in (("feed/tracks", "items"), ("deezer/chart/0/albums", "data")):
        titles = [item["title"] for item in http.get(f"{url}/{path}").json()[items]]
        assert sum(not isinstance(title, str) for title in titles) == 1


def test_one_title_of_a_page_holds_nul_and_a_lone_surrogate(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "nul"})
    titles = [item["title"] for item in http.get(f"{url}/feed/tracks").json()["items"]]
    assert sum(title.endswith("\x00\ud800") for title in titles) == 1


def test_resets_close_the_connection_without_an_answer(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "reset"})
    with pytest.raises(requests.exceptions.ConnectionError):
        http.get(f"{url}/feed/tracks")


def test_latency_delays_the_answer(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "latency", "ms": 200})
    start = time.monotonic()
    assert http.get(f"{url}/feed/tracks").status_code == 200
    assert time.monotonic() - start >= 0.2


def test_slow_answers_drip(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "slow", "bytes_per_second": 4000})
    start = time.monotonic()
    answer = http.get(f"{url}/feed/tracks?limit=3")
    assert len(answer.json()["items"]) == 3
    assert time.monotonic() - start >= len(answer.content) / 4000 - 0.25


def test_rules_choose_by_dialect_path_share_turn_and_count(faulty: SetRules, http: requests.Session) -> None:
    url = faulty(
        {"kind": "status", "dialect": "deezer"},
        {"kind": "status", "status": 500, "path": "^nothing"},
        {"kind": "status", "status": 502, "share": 0.25, "count": 2},
        {"kind": "status", "status": 429, "every": 5},
    )
    statuses = [http.get(f"{url}/feed/tracks").status_code for _ in range(12)]
    assert statuses == [200, 200, 200, 502, 200, 429, 200, 502, 200, 200, 200, 429]
    assert [rule["hits"] for rule in http.get(f"{url}/control/faults").json()] == [0, 0, 2, 2]
    assert http.delete(f"{url}/control/faults").json() == []
    assert http.get(f"{url}/deezer/chart/0/albums").status_code == 200


@pytest.mark.parametrize("text", ["0", "-5", "soon", "1e3", "86400"])
def test_a_wait_may_be_any_text(faulty: SetRules, http: requests.Session, text: str) -> None:
    url = faulty({"kind": "status", "status": 429, "retry_after": text})
    assert http.get(f"{url}/feed/tracks").headers["Retry-After"] == text


@pytest.mark.parametrize("seconds", [60, -60])
def test_a_wait_may_be_a_date(faulty: SetRules, http: requests.Session, seconds: int) -> None:
    url = faulty({"kind": "status", "status": 429, "retry_in": seconds})
    date = parsedate_to_datetime(http.get(f"{url}/feed/tracks").headers["Retry-After"])
    assert (date - datetime.now(UTC)).total_seconds() == pytest.approx(seconds, abs=20)


def test_headers_of_a_rule_come_with_errors_and_with_right_answers(faulty: SetRules, http: requests.Session) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3"}
    for rule in ({"kind": "status", "status": 429}, {"kind": "headers"}):
        url = faulty(rule | {"headers": headers})
        answer = http.get(f"{url}/feed/tracks?limit=3")
        assert headers.items() <= answer.headers.items()
    assert len(answer.json()["items"]) == 3


def test_a_load_of_its_own_is_told_as_musicbrainz_does(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "shed"})
    answer = http.get(f"{url}/musicbrainz/ws/2/artist/x")
    assert (answer.status_code, answer.headers["X-RateLimit-Who"]) == (503, "search-shed")
    assert answer.headers["Retry-After"] == "0"


@pytest.mark.parametrize(
    ("kind", "starts", "is_json"), [("half", b'{"', False), ("empty", b"", False), ("html", b"<!DOCTYPE", False)]
)
def test_a_whole_answer_may_hold_no_page(
    faulty: SetRules, http: requests.Session, *, kind: str, starts: bytes, is_json: bool
) -> None:
    url = faulty({"kind": kind})
    answer = http.get(f"{url}/feed/tracks")
    assert answer.status_code == 200
    assert answer.content.startswith(starts)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_one_title_of_a_page_is_nan(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "nan"})
    assert http.get(f"{url}/feed/tracks").text.count(": NaN,") == 1


def test_one_item_of_a_page_has_its_title_twice(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "duplicate_key"})
    items: list[list[str]] = []

    def names(members: list[tuple[str, Any]]) -> dict[str, Any]:
        items.append([name for name, _ in members])
        return dict(members)

    json.loads(http.get(f"{url}/feed/tracks?limit=9").text, object_pairs_hook=names)
    assert sum(names.count("title") == 2 for names in items) == 1


def test_one_title_of_a_page_is_ten_thousand_lists_deep(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "deep"})
    text = http.get(f"{url}/feed/tracks").text
    assert text.count("[" * 10_000 + "]" * 10_000) == 1


def test_a_field_goes_blank_on_the_whole_page(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "blank", "field": "isrc"})
    items = http.get(f"{url}/feed/tracks").json()["items"]
    assert {item["isrc"] for item in items} <= {"", None}
    assert "" not in {item["title"] for item in items}


def test_ids_take_another_format(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "reformat", "field": "id"})
    item = http.get(f"{url}/feed/tracks").json()["items"][0]
    ids = [item["id"], item["release"]["id"]]
    assert [value.startswith("urn:") for value in ids] == [True, True]


@pytest.mark.parametrize(
    ("at", "arrives"), [("request", b""), ("headers", b"HTTP/1.1 200 OK"), ("body", b'\r\n\r\n{"items"')]
)
def test_a_reset_may_come_in_the_middle(faulty: SetRules, at: str, arrives: bytes) -> None:
    url = faulty({"kind": "reset", "at": at})
    received = bytearray()
    with ask(url, "/feed/tracks") as connection, pytest.raises(ConnectionResetError):
        receive(connection, received)
    assert arrives in received
    assert bool(received) == bool(arrives)


def receive(connection: socket.socket, received: bytearray) -> None:
    while chunk := connection.recv(65_536):
        received += chunk


def ask(url: str, path: str) -> socket.socket:
    """Send a request and leave its answer on the connection."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
    return connection


def test_an_answer_may_never_come(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "hang", "count": 1})
    with pytest.raises(requests.exceptions.ReadTimeout):
        http.get(f"{url}/feed/tracks", timeout=0.3)
    assert http.get(f"{url}/feed/tracks").status_code == 200


def test_headers_may_drip(faulty: SetRules) -> None:
    url = faulty({"kind": "slow_headers", "bytes_per_second": 40})
    with ask(url, "/feed/tracks") as connection:
        received = [connection.recv(65_536)]
        while sum(map(len, received)) < len(b"HTTP/1.1"):
            received.append(connection.recv(65_536))
    assert b"".join(received).startswith(b"HTTP/1.1")
    # All of them take seconds.
    assert b"\r\n\r\n" not in b"".join(received)


@pytest.mark.parametrize("kind", ["huge", "endless"])
def test_a_body_may_be_larger_than_anybody_wants(faulty: SetRules, http: requests.Session, kind: str) -> None:
    url = faulty({"kind": kind})
    with http.get(f"{url}/feed/tracks", stream=True) as answer:
        assert answer.headers.get("Content-Length") == ("10000000000" if kind == "huge" else None)
        assert sum(len(answer.raw.read(1_000_000)) for _ in range(30)) == 30_000_000
    assert http.get(f"{url}/control/state").status_code == 200


def test_a_small_body_may_unpack_to_a_large_one(faulty: SetRules, http: requests.Session) -> None:
    url = faulty({"kind": "gzip_bomb", "size": 30_000_000})
    with http.get(f"{url}/feed/tracks", stream=True) as answer:
        packed = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 40_000
    assert len(zlib.decompress(packed, zlib.MAX_WBITS | 16)) == 10_000_000


def test_what_a_field_fault_is_about_must_be_named(base: str, http: requests.Session) -> None:
    answer = http.post(f"{base}/control/faults", data='[{"kind": "blank"}]')
    assert answer.status_code == 400
    assert "blank must name a field" in answer.json()["error"]
