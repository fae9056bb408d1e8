import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.providers.http import Client, Limits, client_of
from musicsync.records import (
    Gone,
    MusicsyncError,
    Permanent,
    ProviderError,
    RateLimited,
    Refused,
    Request,
    Response,
    Shed,
    Transient,
)
from tests.helpers import wait_until
from tests.unit.providers.server import Server, answer, reset, serving

FEED = registry.get("feed")
MUSICBRAINZ = registry.get("musicbrainz")
DEEZER = registry.get("deezer")
REQUEST = Request(path="feed/tracks", params={"limit": "2"})
LIMITS = Limits(connect=10, read=10, total=20, body=1000)
QUICK = Limits(connect=10, read=0.4, total=0.8, body=1000)
"""For answers that do not come: any other could be later than that where the machine is slow."""


def client(server: Server, adapter: Adapter = FEED, **options: Any) -> Client:
    return Client(adapter, server.url, allow_private=True, **options)


def get(server: Server, request: Request = REQUEST, limits: Limits = LIMITS, **options: Any) -> Response:
    return client(server, limits=limits, **options).get(request)


def test_an_answer_carries_body_and_lower_case_headers() -> None:
    with serving(answer(b'{"items":[]}', "200 OK", 'ETag: "a1"')) as server:
        response = get(server)
    assert response.status == 200
    assert response.body == b'{"items":[]}'
    assert response.headers["etag"] == '"a1"'
    assert response.url == f"{server.url}/feed/tracks?limit=2"


def test_a_request_says_who_asks_and_carries_the_credential() -> None:
    with serving(answer()) as server:
        get(server, contact="ops@example.org", credential="s3cret")
    asked = server.requests[0]
    assert asked.startswith("GET /feed/tracks?limit=2 HTTP/1.1")
    assert "( ops@example.org )" in asked
    assert "User-Agent: musicsync/" in asked
    assert "Authorization: Bearer s3cret" in asked
    assert "Accept-Encoding: gzip\r\n" in asked


def test_a_space_in_a_parameter_becomes_a_plus_and_a_path_is_quoted() -> None:
    with serving(answer()) as server:
        get(server, Request(path="track/isrc:GB?x y", params={"inc": "isrcs labels"}))
    assert server.requests[0].startswith("GET /track/isrc:GB%3Fx%20y?inc=isrcs+labels HTTP/1.1")


def test_connections_are_kept_between_requests() -> None:
    with serving(answer(), answer(b"", "304 Not Modified"), answer(b"x" * 900), answer()) as server:
        one = client(server)
        one.get(REQUEST)
        one.get(REQUEST, etag='"a1"')
        one.get(REQUEST)
        one.get(REQUEST)
    assert server.connections == 1


def test_an_etag_is_sent_and_304_is_an_answer_without_body() -> None:
    with serving(answer(b"", "304 Not Modified", 'ETag: "a1"')) as server:
        response = client(server).get(REQUEST, etag='"a1"')
    assert 'If-None-Match: "a1"' in server.requests[0]
    assert (response.status, response.body) == (304, b"")


def test_304_that_nobody_asked_for_is_no_answer() -> None:
    with serving(answer(b"", "304 Not Modified")) as server, pytest.raises(Permanent):
        get(server)


def test_a_compressed_body_is_unpacked() -> None:
    packed = gzip.compress(b'{"a":') + gzip.compress(b"1}")
    with serving(answer(packed, "200 OK", "Content-Encoding: gzip")) as server:
        assert get(server).body == b'{"a":1}'


def test_a_chunked_body_is_joined() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n"
    with serving(chunked) as server:
        assert get(server).body == b"{} "


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(b"x" * 1001), Permanent),
        (answer(gzip.compress(b"x" * 1001), "200 OK", "Content-Encoding: gzip"), Permanent),
        (answer(b"x", "200 OK", "Content-Encoding: br"), Permanent),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 1001, Permanent),
        (answer(gzip.compress(b"x" * 500)[:-9], "200 OK", "Content-Encoding: gzip"), Transient),
        (answer(b"not gzip", "200 OK", "Content-Encoding: gzip"), Transient),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf", Transient),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\nhalf", Transient),
        (b"no HTTP at all\r\n\r\nConnection: close", Transient),
        (reset, Transient),
        (lambda connection: connection.close(), Transient),
    ],
    ids=[
        "too large as announced",
        "too large unpacked",
        "unknown encoding",
        "too large without announcement",
        "gzip cut off",
        "gzip damaged",
        "half a body",
        "half a chunk",
        "no HTTP",
        "reset",
        "closed",
    ],
)
def test_an_answer_that_does_not_arrive_whole_is_a_typed_error(given: bytes, error: type[ProviderError]) -> None:
    with serving(given) as server, pytest.raises(error) as raised:
        get(server, limits=QUICK if error is Transient else LIMITS)
    assert "GET /feed/tracks" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_body_of_which_the_head_announces_too_much_is_not_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"
    with serving(endless) as server, pytest.raises(Permanent, match="larger than 1,000 bytes"):
        get(server)


def test_silence_is_cut_off_at_the_read_timeout() -> None:
    given_up = threading.Event()

    def silence(connection: socket.socket) -> None:
        connection.settimeout(60)
        if connection.recv(1) == b"":
            given_up.set()

    with serving(silence) as server:
        with pytest.raises(Transient):
            get(server, limits=Limits(read=0.4, total=120))
        assert given_up.wait(60)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_server_that_drips_is_cut_off_at_the_deadline(encoding: str) -> None:
    ended, whole = threading.Event(), threading.Event()
    packed = gzip.compress(bytes(range(250)))

    def drip(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nContent-Encoding: {encoding}\r\n\r\n".encode())
        for byte in packed:
            if ended.wait(0.1):
                return
            connection.sendall(bytes([byte]))
        whole.set()

    limits = Limits(read=10, total=0.8)
    started = time.monotonic()
    with serving(drip) as server:
        with pytest.raises(Transient, match="did not end in time"):
            get(server, limits=limits)
        assert not whole.is_set()
        ended.set()
    assert time.monotonic() - started >= limits.total


def test_nobody_listening_is_transient() -> None:
    with serving() as server:
        pass
    with pytest.raises(Transient, match=str(server.port)):
        get(server)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("500 Internal Server Error", Transient),
        ("502 Bad Gateway", Transient),
        ("503 Service Unavailable", Transient),
        ("408 Request Timeout", Transient),
        ("429 Too Many Requests", RateLimited),
        ("400 Bad Request", Permanent),
        ("401 Unauthorized", Refused),
        ("403 Forbidden", Refused),
        ("404 Not Found", Gone),
        ("410 Gone", Gone),
        ("418 I'm a teapot", Permanent),
        ("204 No Content", Permanent),
        ("302 Found", Permanent),
    ],
)
def test_every_status_has_its_error(status: str, error: type[ProviderError]) -> None:
    body = b"" if status.startswith("204") else b'{"error":"because"}'
    with serving(answer(body, status)) as server, pytest.raises(ProviderError) as raised:
        get(server)
    assert type(raised.value) is error
    assert f"GET /feed/tracks: {status[:3]}" in str(raised.value)
    assert "because" in str(raised.value) or not body


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("1.5", 1.5), ("-3", None), ("soon", None), ("9" * 400, None), ("", None)],
)
def test_retry_after_is_read_in_seconds(status: str, text: str, seconds: float | None) -> None:
    with serving(answer(b"", status, f"Retry-After: {text}")) as server, pytest.raises(RateLimited) as raised:
        get(server)
    assert raised.value.retry_after == seconds


def test_retry_after_is_read_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)
    waits = []
    with serving(*(answer(b"", "429 Slow", f"Retry-After: {moment}") for moment in (soon, past))) as server:
        for _ in range(2):
            with pytest.raises(RateLimited) as raised:
                get(server)
            waits.append(raised.value.retry_after)
    assert waits[0] is not None
    assert 55 < waits[0] <= 60
    assert waits[1] is None


def test_musicbrainz_says_503_for_a_rate_limit_and_another_503_for_shed_load() -> None:
    limited = answer(b'{"error":"Your requests are exceeding the rate limit","help":"h"}', "503 Service Unavailable")
    shed = answer(b"busy", "503 Service Unavailable", "Retry-After: 0", "X-RateLimit-Who: search-shed")
    with serving(limited, shed) as server:
        one = client(server, MUSICBRAINZ, contact="ops@example.org")
        with pytest.raises(RateLimited, match=r"503 Your requests are exceeding the rate limit$"):
            one.get(REQUEST)
        with pytest.raises(Shed, match="503 busy"):
            one.get(REQUEST)


def test_a_redirect_on_the_same_host_is_followed() -> None:
    with serving(answer(b"moved", "301 Moved", "Location: /artist/new?fmt=json"), answer(b'{"id":1}')) as server:
        response = get(server)
    assert response.url == f"{server.url}/artist/new?fmt=json"
    assert server.requests[1].startswith("GET /artist/new?fmt=json ")


@pytest.mark.parametrize(
    "target", ["http://other.example/x", "http://127.0.0.1:1/x", "//localhost/x", "ftp://127.0.0.1/x", "http://[/x"]
)
def test_a_redirect_to_another_host_is_refused_and_takes_no_credential_there(target: str) -> None:
    with serving(answer(b"", "302 Found", f"Location: {target}")) as server, pytest.raises(Permanent):
        get(server, credential="s3cret")
    assert len(server.requests) == 1


def test_each_redirect_is_announced_before_it_is_followed() -> None:
    seen: list[int] = []
    moved = answer(b"", "302 Found", "Location: /again")
    with serving(moved, moved, answer()) as server:
        client(server, limits=LIMITS).get(REQUEST, before_redirect=lambda: seen.append(len(server.requests)))
    assert seen == [1, 2]


def test_a_request_is_sent_when_it_is_time_to_over_a_connection_that_is_open_by_then() -> None:
    seen: list[tuple[int, int]] = []

    @contextmanager
    def sending() -> Iterator[None]:
        wait_until(lambda: server.connections)
        seen.append((server.connections, len(server.requests)))
        yield
        wait_until(lambda: server.requests)
        seen.append((server.connections, len(server.requests)))

    with serving(answer(b"", "302 Found", "Location: /again"), answer()) as server:
        client(server, limits=LIMITS).get(REQUEST, sending=sending())
    assert seen == [(1, 0), (1, 1)]
    assert len(server.requests) == 2


@pytest.mark.parametrize("contact", ["a\nb", "日本", "a\x00"])
def test_a_contact_that_no_header_carries_is_a_setting_to_put_right(contact: str) -> None:
    with pytest.raises(MusicsyncError, match="^MUSICSYNC_CONTACT holds"):
        Client(MUSICBRAINZ, "https://musicbrainz.example", contact=contact)
    Client(MUSICBRAINZ, "https://musicbrainz.example", contact="käthe@example.org")


def test_the_sixth_redirect_is_one_too_many() -> None:
    moved = answer(b"", "302 Found", "Location: /again")
    with serving(*[moved] * 9) as server, pytest.raises(Permanent, match="more than 5 redirects"):
        get(server)
    assert len(server.requests) == 6


def test_the_credential_is_in_no_error() -> None:
    echo = answer(b"x" * 190 + b"bad token s3cret-and-long", "403 Forbidden")
    with serving(echo, reset) as server:
        for _ in range(2):
            with pytest.raises(ProviderError) as raised:
                get(server, credential="s3cret-and-long")
            assert "s3c" not in str(raised.value)


def test_a_refused_credential_is_named_as_the_reason() -> None:
    with serving(answer(b"no", "401 Unauthorized")) as server, pytest.raises(Refused, match="credential was refused"):
        get(server)


def test_a_credential_that_no_header_can_carry_is_said_without_it() -> None:
    with pytest.raises(MusicsyncError) as raised:
        Client(FEED, "http://127.0.0.1", credential="p\u00e4ss\nword")
    assert "word" not in str(raised.value)


def test_a_provider_that_wants_a_contact_is_not_asked_without_one() -> None:
    with pytest.raises(MusicsyncError, match="MUSICSYNC_CONTACT"):
        Client(MUSICBRAINZ, "https://musicbrainz.example")


@pytest.mark.parametrize("url", ["http://", "gopher://example.org", "http://127.0.0.1:99999", "http://a b"])
def test_an_address_that_cannot_be_asked_is_permanent(url: str) -> None:
    with pytest.raises(Permanent):
        Client(FEED, url, allow_private=True, limits=LIMITS).get(REQUEST)


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(answer()) as server:
        assert get(server).status == 200


def test_a_netrc_file_does_not_replace_the_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answer()) as server:
        one = client(server, credential="mine")
        one._session.trust_env = True
        one.get(REQUEST)
    assert "Authorization: Bearer mine" in server.requests[0]


def test_cookies_are_not_kept() -> None:
    with serving(answer(b"{}", "200 OK", "Set-Cookie: a=b"), answer()) as server:
        one = client(server)
        one.get(REQUEST)
        one.get(REQUEST)
    assert "Cookie" not in server.requests[1]


def test_a_certificate_that_nobody_vouches_for_is_permanent(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(), socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_handshake, args=(listener, context))
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        with pytest.raises(Permanent, match="no safe connection"):
            Client(FEED, url, allow_private=True, limits=LIMITS).get(REQUEST)
        thread.join(60)


def _handshake(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    with connection:
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            return


def test_a_process_has_one_client_per_provider_and_credential() -> None:
    url = "http://feed.example"
    first = client_of(FEED, url, credential="a")
    assert client_of(FEED, url, credential="a") is first
    assert client_of(FEED, url, credential="b") is not first
    assert client_of(DEEZER, url, credential="a") is not first
    assert client_of(FEED, url, credential="a", allow_private=True) is not first
    assert client_of(FEED, url, credential="a", allowed_hosts=["other.example"]) is not first
