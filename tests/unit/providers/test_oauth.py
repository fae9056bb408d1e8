"""Tokens as adapters ask for them, and the one request that is no GET."""

import base64
import json
import socket

import pytest

from musicsync.providers import registry
from musicsync.providers.http import Client
from musicsync.providers.oauth import ClientCredentials
from musicsync.records import MusicsyncError, Permanent, RateLimited, Refused, Transient
from musicsync.redaction import redacted
from tests.unit.providers.server import answer, serving

CREDENTIAL = "a-client:a-s3cret/of+ours="
BASIC = base64.b64encode(CREDENTIAL.encode()).decode()
GRANTED = {"access_token": "t0ken-of-tests", "token_type": "Bearer", "expires_in": 3600}

ADAPTERS = [adapter for adapter in registry.ADAPTERS.values() if isinstance(adapter, ClientCredentials)]
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
SPOTIFY = ADAPTERS[0]


def read(adapter: ClientCredentials, **said: object) -> tuple[str, int]:
    token = adapter.read_token(json.dumps(said).encode())
    return str(token.text), token.seconds


@every_adapter
def test_the_credential_goes_to_the_token_url_and_the_token_to_the_api(adapter: ClientCredentials) -> None:
    assert adapter.credential == "required"
    assert adapter.token_url.startswith("https://")
    asked = adapter.token_request(CREDENTIAL)
    assert asked.form == {"grant_type": "client_credentials"}
    assert asked.headers["Authorization"] == f"Basic {BASIC}"
    assert adapter.auth_headers("t0ken") == {"Authorization": "Bearer t0ken"}


@every_adapter
def test_a_token_is_read_with_its_time(adapter: ClientCredentials) -> None:
    assert read(adapter, **GRANTED, scope="") == ("t0ken-of-tests", 3600)
    assert read(adapter, access_token="t0ken-of-tests") == ("t0ken-of-tests", 3600)
    assert redacted("it was t0ken-of-tests") == "it was ***"


@every_adapter
def test_an_error_with_status_200_is_a_refusal(adapter: ClientCredentials) -> None:
    with pytest.raises(Refused, match="^invalid_client: Invalid client$"):
        read(adapter, error="invalid_client", error_description="Invalid client")


@every_adapter
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"access_token": null}'])
def test_what_is_no_answer_may_be_one_next_time(adapter: ClientCredentials, body: bytes) -> None:
    with pytest.raises(Transient):
        adapter.read_token(body)


@every_adapter
@pytest.mark.parametrize("body", [b"[]", b'{"access_token": ""}', b'{"access_token": "a b"}', b'{"expires_in": -1}'])
def test_an_answer_of_another_form_is_permanent(adapter: ClientCredentials, body: bytes) -> None:
    with pytest.raises(Permanent):
        adapter.read_token(body)


@every_adapter
@pytest.mark.parametrize("credential", ["", "client", "client:", ":secret"])
def test_the_form_of_a_credential_is_said(adapter: ClientCredentials, credential: str) -> None:
    with pytest.raises(
        MusicsyncError, match=f"{adapter.label.partition(' ')[0]}.* has the form client_id:client_secret"
    ):
        adapter.token_request(credential)


def post(url: str) -> bytes:
    asked = SPOTIFY.token_request(CREDENTIAL)
    return Client(SPOTIFY, url, credential=CREDENTIAL, allow_private=True).post(asked.form, asked.headers).body


def test_a_form_is_posted() -> None:
    received: list[bytes] = []

    def take(connection: socket.socket) -> None:
        # The form comes with the last of the headers, or just behind them.
        if server.requests[-1].endswith("\r\n\r\n"):
            received.append(connection.recv(65536))
        connection.sendall(answer(b"done"))

    with serving(take) as server:
        assert post(f"{server.url}/api/token") == b"done"
        [head] = server.requests
    assert head.startswith("POST /api/token HTTP/1.1\r\n")
    assert f"Authorization: Basic {BASIC}\r\n" in head
    assert "Content-Type: application/x-www-form-urlencoded\r\n" in head
    assert head.partition("\r\n\r\n")[2].encode() + b"".join(received) == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("400 Bad Request", b'{"error": "invalid_client"}', Permanent),
        ("401 Unauthorized", b'{"error": "invalid_client"}', Refused),
        ("429 Too Many Requests", b"", RateLimited),
        ("503 Service Unavailable", b"busy", Transient),
    ],
)
def test_an_error_of_a_token_url_is_typed(status: str, body: bytes, error: type[Exception]) -> None:
    with serving(answer(body, status, "Connection: close")) as server, pytest.raises(error, match=status[:3]):
        post(server.url)


def test_a_form_follows_no_redirect_and_its_error_does_not_repeat_the_credential() -> None:
    with serving(answer(b"", "200 OK")) as other:
        location = f"Location: {other.url}/"
        with (
            serving(answer(f"{CREDENTIAL} {BASIC}".encode(), "302 Found", location, "Connection: close")) as server,
            pytest.raises(Permanent) as raised,
        ):
            post(server.url)
        assert other.requests == []
    for shown in (str(raised.value), raised.value.excerpt):
        assert "302" in str(raised.value)
        assert "a-s3cret" not in shown
        assert BASIC not in shown


def test_a_token_url_on_this_machine_needs_leave() -> None:
    with pytest.raises(MusicsyncError, match="allow private addresses"):
        Client(SPOTIFY, "http://127.0.0.1:1/token", credential=CREDENTIAL)
