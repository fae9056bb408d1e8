import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.helpers import wait_until


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it is sent, and ends when its client does."""

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


def test_what_is_sent_goes_through_in_both_directions(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        connection.sendall(b"x" * 300_000)
        assert receive(connection, 300_000) == b"x" * 300_000
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (portion := connection.recv(count - len(data))):
        data += portion
    return data


def test_a_cut_resets_every_connection_and_lets_new_ones_in(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        connection.sendall(b"one")
        assert receive(connection, 3) == b"one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with connect(proxy) as another:
            another.sendall(b"two")
            assert receive(another, 3) == b"two"
        assert proxy.done["cut"] >= 1


def test_what_is_held_arrives_when_all_is_well(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        proxy.hold()
        connection.sendall(b"late")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.heal()
        connection.settimeout(30)
        assert receive(connection, 4) == b"late"


def test_a_half_closed_connection_ends_for_one_side(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        proxy.trouble(half_close=1.0)
        connection.sendall(b"last")
        assert receive(connection, 5) == b"last"
        assert proxy.done["half_close"] >= 1


def test_trouble_comes_by_chance_and_ends(echo: tuple[str, int]) -> None:
    with Proxy(echo, seed=3) as proxy:
        proxy.trouble(cut=0.5, delay=0.001)
        wait_until(lambda: not asked(proxy) and proxy.done["cut"] > 5)
        proxy.heal()
        assert [asked(proxy) for _ in range(20)] == [True] * 20


def asked(proxy: Proxy) -> bool:
    """Tell whether a question through the proxy is answered."""
    try:
        with connect(proxy) as connection:
            connection.sendall(b"question")
            return receive(connection, 8) == b"question"
    except OSError:
        return False


def test_a_server_that_is_away_is_away_behind_the_proxy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with Proxy(address) as proxy:
        assert not asked(proxy)
