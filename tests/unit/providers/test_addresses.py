import socket

import pytest

from musicsync.providers import addresses, registry
from musicsync.providers.addresses import PrivateAddress
from musicsync.providers.http import Client, Limits
from musicsync.records import Request
from tests.unit.providers.server import answer, serving

FEED = registry.get("feed")
REQUEST = Request(path="feed/tracks")
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%lo",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
]
PUBLIC = ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_of_no_public_network_are_told_apart(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_public_internet_are_told_apart(address: str) -> None:
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "db.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "::1"],
)
def test_a_name_that_is_not_public_is_refused_with_the_setting_that_allows_it(host: str) -> None:
    with pytest.raises(PrivateAddress, match=r'set "allow private addresses" of it \(--allow-private'):
        addresses.check_name(host, allow_private=False)
    addresses.check_name(host, allow_private=True)


@pytest.mark.parametrize("host", ["feed.example", "1.1.1.1", "localhost.example", "face.example", "fed"])
def test_a_name_that_may_be_public_is_not_refused_for_its_looks(host: str) -> None:
    addresses.check_name(host, allow_private=False)


def test_a_base_url_on_this_machine_is_refused_before_anything_is_sent() -> None:
    with serving() as server, pytest.raises(PrivateAddress):
        Client(FEED, server.url)
    assert server.connections == 0


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names resolve to the addresses of each answer in turn; return the list of the names that are asked for."""
    asked: list[str] = []
    remaining = list(answers)

    def lookup(host: str, port: int, *_args: object, **_options: object) -> list[addresses.Place]:
        asked.append(host)
        found = remaining.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_public_name_that_leads_to_this_machine_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer()) as server:
        named(monkeypatch, ["127.0.0.1"])
        with pytest.raises(PrivateAddress, match=r"feed\.example \(127\.0\.0\.1\) is on this machine"):
            Client(FEED, f"http://feed.example:{server.port}").get(REQUEST)
    assert server.connections == 0


def test_a_name_with_a_public_and_a_private_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer()) as server:
        named(monkeypatch, ["192.88.99.1", "127.0.0.1"])
        with pytest.raises(PrivateAddress):
            Client(FEED, f"http://feed.example:{server.port}").get(REQUEST)
    assert server.connections == 0


def test_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer()) as server:
        asked = named(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        client = Client(FEED, f"http://feed.example:{server.port}", allow_private=True, limits=Limits(connect=1))
        assert client.get(REQUEST).status == 200
    assert asked == ["feed.example"]


def test_the_first_address_that_takes_a_connection_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer()) as server:
        named(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        client = Client(FEED, f"http://feed.example:{server.port}", allow_private=True)
        assert client.get(REQUEST).status == 200


def test_a_proxy_may_be_anywhere_but_what_it_is_asked_for_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert Client(FEED, "http://feed.example").get(REQUEST).status == 200
        with pytest.raises(PrivateAddress):
            Client(FEED, "http://169.254.169.254").get(REQUEST)
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith("GET http://feed.example/feed/tracks ")
