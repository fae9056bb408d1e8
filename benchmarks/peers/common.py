"""What the peers share: reading the feed, the flat row that they write, and saying how long it took."""

# ruff: noqa: T201 (a line on standard output is how a peer answers)
import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

PAGE = 1000
LIMIT_SECONDS = 60
Item = dict[str, Any]
SCHEMA = """
    CREATE TABLE tracks (
        id text PRIMARY KEY, title text NOT NULL, version text, isrc text, duration_ms bigint, explicit boolean,
        disc integer, position integer, artist text, release_id text, release_title text, gtin text, released text,
        label text
    );
    CREATE INDEX ON tracks (isrc);
    CREATE INDEX ON tracks (release_id);
"""
_OF_THE_TRACK = ("id", "title", "version", "isrc", "duration_ms", "explicit", "disc", "position")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--feed", required=True, help="address of the sandbox")
    parser.add_argument("--database", required=True, help="URL of an empty database")
    parser.add_argument("--broker", required=True, help="URL of a broker, for those that need one")
    parser.add_argument("--tracks", type=int, required=True)
    return parser.parse_args()


def pages(feed: str, tracks: int) -> Iterator[list[Item]]:
    """Yield the items of the feed's pages until there were so many tracks, or no more."""
    session, cursor = requests.Session(), ""
    for _ in range(0, tracks, PAGE):
        params = {"limit": str(PAGE), "cursor": cursor}
        answer = session.get(f"{feed}/feed/tracks", params=params, timeout=LIMIT_SECONDS)
        answer.raise_for_status()
        page = answer.json()
        yield page["items"]
        if page["next"] is None:
            return
        cursor = page["next"]


def flat(item: Item) -> Item:
    """Return the row of a track, its columns in the table's order."""
    release = item["release"]
    return {name: item[name] for name in _OF_THE_TRACK} | {
        "artist": "".join(credit["name"] + credit["join"] for credit in item["artists"]),
        "release_id": release["id"],
        "release_title": release["title"],
        "gtin": release["gtin"],
        "released": release["released"],
        "label": release["label"],
    }


def measure(name: str, tracks: int, work: Callable[[], object]) -> None:
    """Do the work, and print how long it took."""
    began = time.monotonic()
    work()
    print(json.dumps({"name": name, "tracks": tracks, "seconds": time.monotonic() - began}), flush=True)
