"""How fast files are read, and in how much memory: ``python -m benchmarks.files [--rows 1000000]``.

Files of tracks are written and read as a run reads them, page by page from its client through its adapter, without a
database: by one process each, whose memory at its highest is what Linux says of it.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec
from msgspec import Struct

from benchmarks.report import machine, table, write_part
from musicsync.providers import registry
from musicsync.providers.base import Scope
from musicsync.providers.file_feed import FileFeed
from musicsync.providers.file_feed.client import FileClient
from musicsync.providers.file_feed.folders import Folder
from musicsync.providers.file_feed.sources import OfFolder
from musicsync.providers.file_feed.spool import Spool

FEW = 10_000
"""Rows of the file beside which the memory of the large one is held."""
MOST_MEGABYTES = 100
_HEADS = ("file", "rows", "MB", "rows/s of CPU time, first time", "again", "highest memory, MB", f"with {FEW:,} rows")
_COLUMNS = ("id", "title", "disc", "no", "isrc", "ms", "artists", "album_id", "album", "barcode", "released", "label")
_OPTIONS: dict[str, Any] = {
    "track": {"id": "id", "title": "title", "disc": "disc", "position": "no", "isrcs": "isrc", "duration": "ms"}
    | {"artists": "artists"},
    "release": {"id": "album_id", "title": "album", "gtin": "barcode", "released": "released", "label": "label"},
    "artist": {"name": "@"},
}
_FILES = ("tracks.csv", "tracks.csv.gz", "tracks.jsonl")
_SPOOL_BYTES = 10_000_000_000


class Reading(Struct):
    """What came of reading a file: its rows, the CPU seconds of the first time and of the second, megabytes at most."""

    rows: int
    seconds: tuple[float, float]
    megabytes: float


def write(path: Path, rows: int) -> None:
    """Write a file of so many tracks, ten to a release."""
    with _opened(path) as file:
        if ".csv" in path.suffixes:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(_tracks(rows))
        else:
            _write_lines(file, rows)


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline=""))
    return path.open("w", encoding="utf-8", newline="")


def _write_lines(file: TextIO, rows: int) -> None:
    for track in _tracks(rows):
        fields = dict(zip(_COLUMNS, track, strict=True)) | {"artists": track[6].split("|")}
        print(json.dumps(fields), file=file)


def _tracks(rows: int) -> Iterator[tuple[str, ...]]:
    for number in range(1, rows + 1):
        release = number // 10
        yield (
            f"t{number}",
            f"Song {number}, with a title of some length",
            "1",
            str(number % 10 + 1),
            f"GBABC{number:07}",
            str(180_000 + number % 60_000),
            f"Artist {release % 5000}" + ("" if number % 5 else f"|Guest {number % 777}"),
            f"r{release}",
            f"Album {release}",
            f"{release:012}",
            "2019-05-04",
            f"Label {release % 300}",
        )


def read(path: Path) -> Reading:
    """Read a file twice in this process."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        rows = sum(_pages(path))
        seconds.append(time.process_time() - began)
    return Reading(rows, (seconds[0], seconds[1]), _highest_memory())


def _pages(path: Path) -> Iterator[int]:
    """Yield how many tracks each page has."""
    lists = {"lists": {"artists": "|"}} if ".csv" in path.suffixes else {}
    adapter = registry.get("file-feed").configured(_OPTIONS | lists | {"path": path.name})
    assert isinstance(adapter, FileFeed)  # noqa: S101 - for the type
    folder, spool = Folder(path.parent.as_uri(), [path.parent]), Spool(path.parent / "spool", _SPOOL_BYTES)
    client = FileClient(adapter, OfFolder(adapter.options, folder, spool))
    owed = adapter.plan(Scope(kind="feed"), "full")
    while owed:
        request = owed.pop()
        page = adapter.parse(request, client.get(request))
        yield sum(record.kind == "track" for record in page.records)
        owed += page.requests


def _highest_memory() -> float:
    """Return the most megabytes that this program had at a time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def _measured(path: Path, rows: int) -> Reading:
    write(path, rows)
    command = [sys.executable, "-m", "benchmarks.files", "--read", str(path)]
    result = subprocess.run(command, check=True, capture_output=True)
    return msgspec.json.decode(result.stdout, type=Reading)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(msgspec.json.encode(read(options.read)).decode())
        return
    lines = []
    for name in _FILES:
        with tempfile.TemporaryDirectory() as folder:
            few = _measured(Path(folder, name), FEW)
        with tempfile.TemporaryDirectory() as folder:
            many = _measured(Path(folder, name), options.rows)
            size = Path(folder, name).stat().st_size / 1_000_000
        first, again = (many.rows / seconds for seconds in many.seconds)
        figures = (f"{many.rows:,}", f"{size:,.0f}", f"{first:,.0f}", f"{again:,.0f}")
        lines.append([f"`{name}`", *figures, f"{many.megabytes:.0f}", f"{few.megabytes:.0f}"])
        print(*lines[-1], sep="\t", flush=True)
        if many.megabytes > MOST_MEGABYTES:
            print(f"{name}: reading it takes more than {MOST_MEGABYTES} MB")
    write_part("files", f"{machine()}.\n\n{table(_HEADS, lines)}")


if __name__ == "__main__":
    main()
