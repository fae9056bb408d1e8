import pytest

from musicsync.providers import addresses, registry
from musicsync.providers.http import Client, same_place
from musicsync.records import Permanent, Request, Response
from tests.unit.providers.server import Server, answer, serving

FEED = registry.get("feed")
REQUEST = Request(path="feed/tracks")
CREDENTIAL = "a-credential-of-ours"


def moved(target: str) -> bytes:
    return answer(b"", "302 Found", f"Location: {target}")


def get(server: Server, *allowed_hosts: str) -> Response:
    client = Client(FEED, server.url, credential=CREDENTIAL, allowed_hosts=allowed_hosts, allow_private=True)
    return client.get(REQUEST)


def test_a_redirect_on_the_same_host_takes_the_credential_along() -> None:
    with serving(moved("/there"), answer()) as server:
        get(server)
    assert all(CREDENTIAL in request for request in server.requests)


def test_a_redirect_to_an_allowed_host_is_followed_without_the_credential() -> None:
    with serving(answer()) as other, serving(moved(f"http://localhost:{other.port}/there?a=b")) as server:
        assert get(server, "LocalHost").status == 200
    assert CREDENTIAL in server.requests[0]
    assert other.requests[0].startswith("GET /there?a=b ")
    assert CREDENTIAL not in other.requests[0]


def test_on_the_way_back_the_credential_is_sent_again() -> None:
    back: list[bytes] = []
    with serving(lambda connection: connection.sendall(back[0])) as other:
        there = moved(f"http://localhost:{other.port}/there")
        with serving(there, answer()) as server:
            back.append(moved(f"{server.url}/home"))
            assert get(server, "localhost").url == f"{server.url}/home"
    assert [CREDENTIAL in request for request in (*server.requests, *other.requests)] == [True, True, False]


@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/x", "http://127.0.0.1:1/x", "https://127.0.0.1:{port}/x", "//other.example/x"]
)
def test_a_redirect_to_any_other_host_or_port_is_refused(target: str) -> None:
    with (
        serving(answer()) as other,
        serving(moved(target.format(port=other.port))) as server,
        pytest.raises(Permanent, match="another host or port .* allowed hosts"),
    ):
        get(server, "third.example")
    assert other.connections == 0


def test_a_redirect_to_a_private_address_takes_leave_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(moved("http://127.0.0.1:1/x")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(addresses.PrivateAddress):
            Client(FEED, "http://feed.example", allowed_hosts=["127.0.0.1"]).get(REQUEST)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("base_url", "target", "taken"),
    [
        ("http://feed.example", "https://feed.example/x", True),
        ("http://feed.example:80", "https://feed.example:443/x", True),
        ("http://feed.example:8443", "https://feed.example:8443/x", True),
        ("https://feed.example", "https://feed.example:443/x", True),
        ("http://feed.example", "https://feed.example:8443/x", False),
        ("http://feed.example:8080", "https://feed.example/x", False),
        ("http://feed.example", "http://feed.example:443/x", False),
        ("https://feed.example", "http://feed.example/x", False),
        ("http://feed.example", "https://feed.example.net/x", False),
    ],
)
def test_https_is_gone_over_to_on_the_port_that_belongs_to_the_base_url(
    base_url: str, target: str, taken: bool
) -> None:
    assert same_place(base_url, target) is taken
