import gzip
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musicsync.providers import registry
from musicsync.providers.http import Client, Limits
from musicsync.records import Permanent, ProviderError, RateLimited, Request, Response, Transient
from tests.unit.providers.server import Answer, answer, serving

FEED = registry.get("feed")
REQUEST = Request(path="feed/tracks")
LIMITS = Limits(connect=5, read=5, total=10, body=1_000_000)
SHORT = Limits(connect=10, read=10, total=0.8)


def get(url: str, limits: Limits = LIMITS) -> Response:
    return Client(FEED, url, allow_private=True, limits=limits).get(REQUEST)


def outcome(client: Client) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        client.get(REQUEST)
    return raised.value


def dripping(prefix: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Return an answer that begins at once and then never ends, a piece every twentieth of a second."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(prefix)
        while True:
            time.sleep(0.05)
            connection.sendall(piece)

    return drip


@pytest.mark.parametrize(
    ("prefix", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999\r\n\r\n", b"x"),
    ],
    ids=["status line", "header", "headers", "continue", "body", "chunks", "chunk head", "redirect"],
)
def test_a_server_that_drips_is_cut_off_at_the_deadline_wherever_it_drips(prefix: bytes, piece: bytes) -> None:
    with serving(dripping(prefix, piece)) as server, pytest.raises(Transient, match="in time"):
        get(server.url, SHORT)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 99\r\nConnection: close\r\n\r\nhalf",
        b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
        b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nhalf",
    ],
    ids=["cut off", "too large", "damaged", "unknown encoding"],
)
def test_an_error_is_its_status_in_whatever_state_its_body_is(rest: bytes) -> None:
    with serving(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n" + rest) as server:
        error = outcome(Client(FEED, server.url, allow_private=True, limits=LIMITS))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7.0


def endless(connection: socket.socket, head: bytes, piece: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
    while True:
        connection.sendall(piece)


def bomb() -> bytes:
    """Return 4 MB that unpack to 4 GB: a megabyte of nothing, over and over."""
    return gzip.compress(b"\0" * 1_000_000) * 4000


@pytest.mark.parametrize(
    "given",
    [
        lambda connection: endless(connection, b"Content-Length: 10000000000\r\n", b"x" * 65536),
        lambda connection: endless(connection, b"", b"x" * 65536),
        lambda connection: endless(
            connection, b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
        ),
        lambda connection: endless(connection, b"Content-Encoding: gzip\r\n", gzip.compress(b"\0" * 1_000_000)),
        lambda connection: endless(connection, b"Content-Encoding: gzip\r\n", gzip.compress(b"") * 3000),
        answer(bomb(), "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["announced", "until close", "chunked", "endless bomb", "endless empty members", "bomb"],
)
def test_a_body_without_end_stops_at_the_cap_and_within_memory(given: Answer) -> None:
    limits = Limits(connect=5, read=5, total=40, body=5_000_000)
    tracemalloc.start()
    try:
        with serving(given) as server, pytest.raises(Permanent, match="larger than 5,000,000 bytes"):
            get(server.url, limits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


def test_an_error_shows_the_start_of_the_answer_without_the_credential() -> None:
    with serving(
        answer(b"your key a-credential is used up", "403 Forbidden"),
        answer(gzip.compress(b'{"a-credential": 1}' * 9)[:-4], "200 OK", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"a-credential" * 100_000,
    ) as server:
        client = Client(FEED, server.url, allow_private=True, credential="a-credential", limits=LIMITS)
        shown = [outcome(client).excerpt for _ in range(3)]
    assert shown[0] == "your key *** is used up"
    assert shown[1] == '{"***": 1}' * 9
    assert shown[2].startswith("***" * 100)
    assert "credential" not in "".join(shown)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


@contextmanager
def encrypted(certificate: tuple[Path, Path], serve: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def accept() -> None:
        try:
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True) as inner:
                inner.recv(65536)
                serve(inner)
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate[0]))
    return certificate


def test_an_encrypted_answer_is_read(trusted: tuple[Path, Path]) -> None:
    with encrypted(trusted, lambda inner: inner.sendall(answer(b"{}"))) as port:
        assert get(f"https://localhost:{port}").body == b"{}"


def test_an_encrypted_answer_that_drips_is_cut_off_at_the_deadline(trusted: tuple[Path, Path]) -> None:
    def drip(inner: ssl.SSLSocket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"a" * 200:
            time.sleep(0.05)
            inner.sendall(bytes([byte]))

    with encrypted(trusted, drip) as port, pytest.raises(Transient, match="in time"):
        get(f"https://localhost:{port}", SHORT)


def test_a_name_that_the_certificate_does_not_have_is_permanent(trusted: tuple[Path, Path]) -> None:
    with encrypted(trusted, lambda _inner: None) as port, pytest.raises(Permanent, match="no safe connection"):
        get(f"https://127.0.0.1:{port}")


def test_a_handshake_that_does_not_come_to_an_end_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Transient):
        get(f"https://localhost:{silent.getsockname()[1]}", Limits(connect=0.4))


def test_an_encrypted_connection_that_is_cut_off_is_transient(trusted: tuple[Path, Path]) -> None:
    def cut(inner: ssl.SSLSocket) -> None:
        inner.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        socket.socket.shutdown(inner, socket.SHUT_RDWR)

    with encrypted(trusted, cut) as port, pytest.raises(Transient):
        get(f"https://localhost:{port}")
