"""The limits of the machine: only reading the feed, and only writing its rows, all in one statement."""

import tempfile
from typing import IO

import msgspec
import psycopg
import requests

from benchmarks.peers.common import LIMIT_SECONDS, PAGE, SCHEMA, arguments, flat, measure, pages

_CHUNK = 1 << 20


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None


def main() -> None:
    """Measure both."""
    options = arguments()
    measure("limit: fetching only", options.tracks, lambda: fetch(options.feed, options.tracks))
    with tempfile.TemporaryFile() as rows, psycopg.connect(options.database) as connection:
        connection.execute(SCHEMA)
        connection.execute("CREATE TEMP TABLE staged (LIKE tracks)")
        connection.commit()
        keep(options.feed, options.tracks, rows)
        measure("limit: COPY, one INSERT..SELECT, the peers' rows", options.tracks, lambda: insert(connection, rows))


def fetch(feed: str, tracks: int) -> None:
    """Read the pages, and of each where the next one is and how many tracks it has.

    Raises:
        RuntimeError: the feed has fewer tracks.
    """
    session, cursor, read = requests.Session(), "", 0
    for _ in range(0, tracks, PAGE):
        params = {"limit": str(PAGE), "cursor": cursor}
        answer = session.get(f"{feed}/feed/tracks", params=params, timeout=LIMIT_SECONDS)
        answer.raise_for_status()
        page = msgspec.json.decode(answer.content, type=_Page)
        read += len(page.items)
        cursor = page.next or ""
    if read < tracks:
        raise RuntimeError(f"the feed has {read:,} tracks, not {tracks:,}")


def keep(feed: str, tracks: int, file: IO[bytes]) -> None:
    """Write the rows into a file as COPY reads them."""
    for items in pages(feed, tracks):
        for item in items:
            file.write(b"\t".join(_field(value) for value in flat(item).values()) + b"\n")
    file.seek(0)


def insert(connection: psycopg.Connection, file: IO[bytes]) -> None:
    """Copy the file into a table without indexes, and that into the one with them."""
    with connection.cursor() as cursor:
        with cursor.copy("COPY staged FROM STDIN") as copy:
            while chunk := file.read(_CHUNK):
                copy.write(chunk)
        cursor.execute("INSERT INTO tracks SELECT * FROM staged")
    connection.commit()


def _field(value: object) -> bytes:
    if value is None:
        return b"\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").encode()


if __name__ == "__main__":
    main()
