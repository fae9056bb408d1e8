"""One file of a web server: asked for once a run, downloaded once for each version, and gone on with where it broke."""

import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musicsync.providers import registry
from musicsync.providers.file_feed import FileFeed, sources
from musicsync.providers.file_feed.client import FileClient
from musicsync.providers.file_feed.sources import OfServer
from musicsync.providers.file_feed.spool import Spool
from musicsync.providers.http import Client, Limits
from musicsync.records import MusicsyncError, Permanent, Request, Response, Shed, Transient
from tests.unit.providers.server import Server, answer, serving

OPTIONS = {"path": "dumps/all.csv", "track": {"id": "id", "title": "title"}, "rows": 2, "params": {"v": "2"}}
CSV = b"id,title\n1,a\n2,b\n3,c\n"
LOOK, SAMPLE = Request(path="dumps/all.csv"), Request(path="dumps/all.csv", params={"sample": "1"})
DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
Making = Callable[..., FileClient]


@pytest.fixture
def made(tmp_path: Path) -> Making:
    def client(server: Server, credential: str = "", **options: Any) -> FileClient:
        adapter = registry.get("file-feed").configured(OPTIONS | options)
        assert isinstance(adapter, FileFeed)
        limits = Limits(connect=10, read=10, total=20)
        web = Client(adapter, server.url, allow_private=True, credential=credential, limits=limits)
        return FileClient(adapter, OfServer(adapter.options, web, server.url, Spool(tmp_path / "spool", 10_000_000)))

    return client


def page(version: str = '"v1"', number: int = 1, **more: str) -> Request:
    state = {"name": "all.csv", "version": version, "mark": version, **more}
    return Request(path="dumps/all.csv", params={"page": str(number)}, state=state)


def said(response: Response) -> Any:
    return json.loads(response.body)


def whole(body: bytes = CSV, etag: str = '"v1"', status: str = "200 OK", *headers: str) -> bytes:
    return answer(body, status, f"ETag: {etag}", *headers)


def broken(body: bytes, size: int, etag: str = '"v1"', status: str = "200 OK", *headers: str) -> Callable[[Any], None]:
    """Announce more than is sent, and end the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", f"ETag: {etag}", *headers]

    def send(connection: socket.socket) -> None:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_RDWR)

    return send


def field(request: str, name: str) -> str | None:
    """Return a header of a request."""
    fields = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
    return fields.get(name)


def test_a_look_is_one_request_under_the_condition_that_something_is_new(made: Making) -> None:
    found = {"name": "all.csv", "version": '"v1"', "mark": '"v1"'}
    with serving(whole(), answer(b"", "304 Not Modified"), answer(b"", "304 Not Modified"), whole()) as server:
        client = made(server)
        first = client.get(LOOK)
        assert (said(first), first.headers) == ({"found": found, "watermark": 'all.csv/"v1"'}, {"etag": '"v1"'})
        assert client.get(LOOK, '"v1"').status == 304
        since = Request(path="dumps/all.csv", params={"since": 'all.csv/"v1"'})
        assert said(client.get(since)) == {"found": None, "watermark": 'all.csv/"v1"'}
        # One that takes no notice of conditions costs the start of an answer, and not a download.
        assert client.get(LOOK, '"v1"').status == 304
    assert [field(request, "If-None-Match") for request in server.requests] == [None, '"v1"', '"v1"', '"v1"']
    assert server.requests[0].startswith("GET /dumps/all.csv?v=2 ")
    assert field(server.requests[0], "Accept-Encoding") == "identity"


def test_a_file_without_etag_is_told_by_its_date(made: Making) -> None:
    with serving(answer(CSV, "200 OK", f"Last-Modified: {DATE}"), answer(b"", "304 Not Modified")) as server:
        client = made(server)
        assert client.get(LOOK).headers["etag"] == DATE
        assert client.get(LOOK, DATE).status == 304
    assert field(server.requests[1], "If-Modified-Since") == DATE
    with serving(answer(CSV)) as server, pytest.raises(Permanent, match="states neither ETag nor Last-Modified of all"):
        made(server).get(LOOK)


@pytest.mark.parametrize("packed", [False, True])
def test_all_pages_cost_one_download(made: Making, packed: bool) -> None:
    with serving(whole(gzip.compress(CSV) if packed else CSV)) as server:
        client = made(server)
        first = said(client.get(page()))
        assert (first["items"], first["lines"]) == ([["1", "a"], ["2", "b"]], [2, 3])
        after = {name: str(value) for name, value in first["next"].items()}
        assert said(client.get(page(number=2, **after)))["items"] == [["3", "c"]]
        assert client.get(page(), '"v1"').status == 304
    assert len(server.requests) == 1


def test_the_credential_travels_as_the_options_say(made: Making) -> None:
    with serving(whole()) as server:
        made(server, credential="s3cret", auth={"in": "header", "name": "X-Key", "scheme": ""}).get(page())
    assert field(server.requests[0], "X-Key") == "s3cret"


def test_a_redirect_is_followed_in_a_turn_of_its_own(made: Making) -> None:
    turns: list[str] = []
    with serving(answer(b"", "302 Found", "Location: /of-today.csv"), whole()) as server:
        response = made(server).get(page(), before_redirect=lambda: turns.append("taken"))
    assert (len(said(response)["items"]), turns) == (2, ["taken"])
    elsewhere = answer(b"", "302 Found", "Location: https://elsewhere.example/all.csv")
    with serving(elsewhere) as server, pytest.raises(Permanent, match="leads to another host or port"):
        made(server).get(page('"v2"'))


def test_a_download_goes_on_where_it_broke(made: Making) -> None:
    rest = whole(CSV[9:], '"v1"', "206 Partial Content", f"Content-Range: bytes 9-{len(CSV) - 1}/{len(CSV)}")
    with serving(broken(CSV[:10], len(CSV)), rest) as server:
        client = made(server)
        with pytest.raises(Shed, match=r"all\.csv: 10 bytes are here, and the rest follows"):
            client.get(page())
        assert said(client.get(page()))["items"] == [["1", "a"], ["2", "b"]]
    assert [field(server.requests[1], name) for name in ("Range", "If-Range")] == ["bytes=9-", '"v1"']


def test_a_download_that_comes_no_further_is_a_failure(made: Making) -> None:
    again = broken(CSV[9:10], len(CSV) - 9, '"v1"', "206 Partial Content", "Content-Range: bytes 9-20/21")
    with serving(broken(CSV[:10], len(CSV)), again) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page())
        with pytest.raises(Transient):
            client.get(page())


def test_a_server_that_sends_all_again_is_read_from_the_start(made: Making) -> None:
    with serving(broken(CSV[:10], len(CSV)), whole()) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page())
        assert said(client.get(page()))["items"] == [["1", "a"], ["2", "b"]]


ANOTHER_PART = whole(b"xx", '"v1"', "206 Partial Content", "Content-Range: bytes 0-1/21")


@pytest.mark.parametrize("refusal", [answer(b"", "416 Range Not Satisfiable"), answer(b"", "400 No"), ANOTHER_PART])
def test_a_server_without_a_rest_that_fits_is_asked_for_all_of_it(made: Making, refusal: bytes) -> None:
    turns: list[str] = []
    with serving(broken(CSV[:10], len(CSV)), refusal, whole()) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page())
        found = client.get(page(), before_redirect=lambda: turns.append("taken"))
    assert (said(found)["items"], turns) == ([["1", "a"], ["2", "b"]], ["taken"])
    assert [field(request, "Range") for request in server.requests] == [None, "bytes=9-", None]


def test_a_rest_of_another_version_is_not_put_together_with_the_part(made: Making, tmp_path: Path) -> None:
    with serving(broken(CSV[:10], len(CSV)), whole(b"id,title\n9,z\n", '"v2"')) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page())
        with pytest.raises(Permanent, match="all.csv has changed since this run began to read it"):
            client.get(page())
    assert not list((tmp_path / "spool").glob("*.part"))


def test_nothing_is_gone_on_with_by_a_weak_etag(made: Making) -> None:
    with serving(broken(CSV[:10], len(CSV), 'W/"v1"'), whole(CSV, 'W/"v1"')) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page('W/"v1"'))
        assert said(client.get(page('W/"v1"')))["items"] == [["1", "a"], ["2", "b"]]
    assert [(field(request, "Range"), field(request, "If-Range")) for request in server.requests] == [(None, None)] * 2


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
def test_a_server_that_breaks_off_and_does_not_go_on_is_not_asked_for_ever(made: Making, etag: str) -> None:
    with serving(broken(CSV[:10], len(CSV), etag), *[broken(CSV[:15], len(CSV), etag)] * 2) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page(etag))
        with pytest.raises(Permanent, match="the server broke off again, after 15 bytes, and does not go on where it"):
            client.get(page(etag))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (whole(CSV, '"v1"', "206 Partial Content", "Content-Range: bytes 0-20/90"), "sent a part of all.csv .206., th"),
        (answer(b"", "304 Not Modified", 'ETag: "v1"'), "all.csv is not modified .304., though"),
        (whole(CSV, '"v1"', "200 OK", "Content-Encoding: br"), "sent all.csv encoded as 'br' .Content-Encoding., whi"),
    ],
)
@pytest.mark.parametrize("request_", [LOOK, SAMPLE, page()])
def test_an_answer_that_was_not_asked_for_is_none(made: Making, wrong: bytes, says: str, request_: Request) -> None:
    with serving(wrong) as server, pytest.raises(Permanent, match=says):
        made(server).get(request_)


def test_a_test_says_what_a_run_would_fail_for(made: Making) -> None:
    with serving(answer(CSV)) as server, pytest.raises(Permanent, match="states neither ETag nor Last-Modified of all"):
        made(server).get(SAMPLE)


def test_the_part_of_another_version_is_not_gone_on_with(made: Making) -> None:
    with serving(broken(CSV[:10], len(CSV)), whole(b"id,title\n9,z\n", '"v2"')) as server:
        client = made(server)
        with pytest.raises(Shed):
            client.get(page())
        assert said(client.get(page('"v2"')))["items"] == [["9", "z"]]
    assert field(server.requests[1], "Range") is None


def test_what_took_long_to_download_is_unpacked_in_the_next_step(made: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(CSV)
    last = whole(packed[-1:], '"v1"', "206 Partial Content", f"Content-Range: bytes {len(packed) - 1}-/{len(packed)}")
    with serving(whole(packed), last) as server:
        client = made(server)
        monkeypatch.setattr(sources, "UNPACK_WITHIN_SECONDS", -1.0)
        with pytest.raises(Shed, match=r"all\.csv is here, and is unpacked next"):
            client.get(page())
        monkeypatch.undo()
        assert said(client.get(page()))["lines"] == [2, 3]


def test_a_file_that_is_away_is_an_error_and_not_gone(made: Making) -> None:
    with (
        serving(answer(b"", "404 Not Found")) as server,
        pytest.raises(Permanent, match="404: look whether it was del"),
    ):
        made(server).get(LOOK)


def test_a_download_that_is_larger_than_the_room_for_it_stops_and_is_not_kept(made: Making, tmp_path: Path) -> None:
    without_length = b'HTTP/1.0 200 OK\r\nETag: "v1"\r\n\r\n'
    for sent in (broken(b"", 10**10), without_length + b"x" * 11_000_000, whole(gzip.compress(b"x" * 11_000_000))):
        with serving(sent) as server, pytest.raises(Permanent, match=r"the file takes 1.* MB .* MUSICSYNC_SPOOL_MB"):
            made(server).get(page())
        assert sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()) < 100


def test_a_test_reads_the_start_alone_and_keeps_nothing(made: Making, tmp_path: Path) -> None:
    rows = b"id,title\n" + b"".join(b"%d,Song\n" % number for number in range(50_000))
    with serving(broken(rows, 10**12)) as server:
        found = said(made(server, rows=1000).get(SAMPLE))
    assert (len(found["items"]), found["skipped"]) == (100, [])
    with serving(whole(gzip.compress(CSV))) as server:
        assert len(said(made(server).get(SAMPLE))["items"]) == 3
    assert not (tmp_path / "spool").exists()


def test_a_web_server_has_no_pattern(made: Making) -> None:
    with (
        serving() as server,
        pytest.raises(MusicsyncError, match=r"options: path: \*\.csv is a pattern, but a web serv"),
    ):
        made(server, path="*.csv")
