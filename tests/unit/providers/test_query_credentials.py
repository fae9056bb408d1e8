"""A credential that travels in the query: sent to the provider, and never seen in what comes back."""

import pytest

from musicsync.providers.feed import Feed
from musicsync.providers.http import Client, Limits
from musicsync.records import Permanent, ProviderError, Request, Response, Transient
from tests.unit.providers.server import Server, answer, serving

KEY = "pl4nted/in+the=query"
QUOTED = "pl4nted%2Fin%2Bthe%3Dquery"
REQUEST = Request(path="feed/tracks", params={"limit": "2"})


class InQuery(Feed):
    """The feed, with the credential in its query."""

    def auth_headers(self, credential: str) -> dict[str, str]:  # noqa: ARG002 - not there
        return {}

    def auth_params(self, credential: str) -> dict[str, str]:
        return {"api_key": credential}


def get(server: Server, *allowed_hosts: str) -> Response:
    client = Client(
        InQuery(),
        server.url,
        credential=KEY,
        allowed_hosts=allowed_hosts,
        allow_private=True,
        limits=Limits(connect=10, read=10, total=20),
    )
    return client.get(REQUEST)


def moved(target: str) -> bytes:
    return answer(b"", "302 Found", f"Location: {target}")


def first_lines(server: Server) -> list[str]:
    return [request.split(" HTTP/")[0] for request in server.requests]


def test_it_is_added_when_the_request_is_sent_and_left_out_of_the_answers_address() -> None:
    with serving(answer()) as server:
        response = get(server)
    assert first_lines(server) == [f"GET /feed/tracks?limit=2&api_key={QUOTED}"]
    assert "Authorization" not in server.requests[0]
    assert response.url == f"{server.url}/feed/tracks?limit=2"
    assert REQUEST.key == "feed/tracks?limit=2"


@pytest.mark.parametrize("location", [f"/there?a=b&api_key={QUOTED}", "/there?a=b", f"/there?key={QUOTED}&a=b"])
def test_a_redirect_on_the_same_host_takes_it_along_once(location: str) -> None:
    with serving(moved(location), answer()) as server:
        response = get(server)
    assert first_lines(server)[1] == f"GET /there?a=b&api_key={QUOTED}"
    assert response.url == f"{server.url}/there?a=b"


@pytest.mark.parametrize("name", ["api_key", "api%5Fkey", "passed_on"])
def test_a_redirect_to_an_allowed_host_is_followed_without_it(name: str) -> None:
    with (
        serving(answer()) as other,
        serving(moved(f"http://localhost:{other.port}/there?a=b&{name}={QUOTED}")) as server,
    ):
        assert get(server, "localhost").url == f"http://localhost:{other.port}/there?a=b"
    assert first_lines(other) == ["GET /there?a=b"]


def test_on_the_way_back_it_is_sent_again() -> None:
    back: list[bytes] = []
    with (
        serving(lambda connection: connection.sendall(back[0])) as other,
        serving(moved(f"http://localhost:{other.port}/there"), answer()) as server,
    ):
        back.append(moved(f"{server.url}/home"))
        assert get(server, "localhost").url == f"{server.url}/home"
    assert first_lines(server)[1] == f"GET /home?api_key={QUOTED}"


def test_a_refused_redirect_does_not_tell_it() -> None:
    with (
        serving(moved(f"http://elsewhere.example/x?api_key={QUOTED}")) as server,
        pytest.raises(Permanent, match="another host") as raised,
    ):
        get(server)
    assert "pl4nted" not in told(raised.value)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(f'{{"asked": "/?api_key={KEY}"}}'.encode(), "400 Bad Request"), Permanent),
        (answer(f'{{"next": "/?api_key={QUOTED}"}}'.encode(), "502 Bad Gateway"), Transient),
        (lambda connection: connection.close(), Transient),
    ],
)
def test_no_error_tells_it(given: bytes, error: type[ProviderError]) -> None:
    with serving(given) as server, pytest.raises(error) as raised:
        get(server)
    assert "pl4nted" not in told(raised.value)


def test_a_server_that_is_not_there_does_not_make_it_known() -> None:
    with serving() as server:
        pass
    with pytest.raises(Transient) as raised:
        get(server)
    assert "pl4nted" not in told(raised.value)


def told(error: ProviderError) -> str:
    return f"{error} {error.excerpt} {error!r}"
