"""How fast each adapter reads its provider's pages: ``python -m benchmarks.parsing [--tracks 5000] [--rounds 7]``.

The pages are those that the sandbox answers to a full run, whole bodies in memory. Only ``Adapter.parse`` is timed, in
CPU time of one process, each round over what is new to it: nothing is remembered of the codes, dates and countries of
the round before. The table in ``docs/benchmarks.md`` has a line for each form of page that holds tracks.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import base64
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from benchmarks.report import machine, table, write_part
from musicsync.providers import registry
from musicsync.providers.base import Adapter, Scope
from musicsync.records import Request, Response
from sandbox import control
from sandbox.catalogue import World
from sandbox.server import Limits, Sandbox
from sandbox.tokens import CLIENT, Tokens
from sandbox.wire import Ask, Dialect

WANTED = 20_000
"""Tracks a second, per core."""

_HEADS = ("adapter", "page", "tracks a page", "bytes a track", "tracks/s, median", "best")
_ID = re.compile(r"[^/]*[0-9][^/]*")
_VERSION = re.compile(r"[0-9](\.[0-9])?")
_DIALECTS: Final = {"spotify-development": "spotify", "json-feed": "feed"}
"""Whose pages are read by an adapter that has no dialect of its own name."""
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "json-feed": {
        "path": "feed/tracks",
        "params": {"limit": "1000"},
        "paging": {"style": "cursor", "next": "next"},
        "items": "items",
        "track": {
            **{name: name for name in ("id", "title", "version", "disc", "position", "explicit", "artists")},
            "isrcs": "isrc",
            "duration": "duration_ms",
        },
        "release": {
            name: f"release.{name}"
            for name in ("id", "title", "gtin", "released", "label", "type", "track_count", "artists")
        },
        "artist": {"id": "id", "name": "name", "join_phrase": "join"},
    }
}
"""The options of adapters: the sandbox's feed as an operator would describe it who has no adapter for it."""
_Sample = list[tuple[Request, Response]]


class Speed(Struct, frozen=True):
    """How fast pages of one form are read, in tracks a second: the median and the best of the rounds."""

    adapter: str
    form: str
    pages: int
    tracks: int
    size: int
    median: float
    best: float

    def row(self) -> list[str]:
        """Return a line of the table."""
        figures = (self.tracks / self.pages, self.size / self.tracks, self.median, self.best)
        return [self.adapter, f"`{self.form}`", *(f"{figure:,.0f}" for figure in figures)]


def form_of(request: Request) -> str:
    """Return what requests for pages of one form have in common: the path without ids, and how it was asked.

    Last.fm asks for everything at one path, by ``method``; the names of other parameters tell enough.
    """
    parts = [part if _VERSION.fullmatch(part) else _ID.sub("*", part) for part in request.path.strip("/").split("/")]
    asked = [request.params["method"]] if "method" in request.params else []
    asked += [name for name in ("ids", "artist_id", "album_id", "entity") if name in request.params]
    return "/".join(parts) + (f"?{'&'.join(asked)}" if asked else "")


def samples(adapter: Adapter, dialect: Dialect, tokens: Tokens | None, world: World) -> dict[str, _Sample]:
    """Return the answers to a full run that hold tracks, by the form of the page."""
    found: dict[str, _Sample] = {}
    for request, response in _answers(adapter, dialect, tokens, world):
        if any(record.kind == "track" for record in adapter.parse(request, response).records):
            found.setdefault(form_of(request), []).append((request, response))
    return found


def _answers(
    adapter: Adapter, dialect: Dialect, tokens: Tokens | None, world: World
) -> Iterator[tuple[Request, Response]]:
    headers = {"authorization": f"Bearer {_token(tokens)}"} if tokens else {}
    scopes = control.scopes(world, dialect.name) or {}
    kind = next(name for name in adapter.scope_kinds if name in scopes)
    owed = [request for key in scopes[kind] for request in adapter.plan(Scope(kind=kind, key=key), "full")]
    asked: set[str] = set()
    while owed:
        request = owed.pop()
        if request.key in asked:
            continue
        asked.add(request.key)
        # The feed's base URL is the sandbox's own, those of the others end where their dialects begin.
        path = request.path.removeprefix(f"{dialect.name}/")
        body = dialect.respond(Ask(path, request.params, "https://sandbox.example", headers)).body
        response = Response(status=200, headers={}, body=body, url="")
        yield request, response
        owed += adapter.parse(request, response).requests


def _token(tokens: Tokens) -> str:
    issued = tokens.issue("Basic " + base64.b64encode(CLIENT.encode()).decode(), "client_credentials")
    return str(json.loads(issued.body)["access_token"])


def measure(adapter: Adapter, form: str, sample: _Sample, rounds: int) -> Speed:
    """Return how fast the pages of one form are read, all of them in each round."""
    tracks = sum(
        record.kind == "track" for request, response in sample for record in adapter.parse(request, response).records
    )
    speeds = []
    for _ in range(rounds):
        forget()
        began = time.process_time()
        for request, response in sample:
            adapter.parse(request, response)
        speeds.append(tracks / (time.process_time() - began))
    size = sum(len(response.body) for _, response in sample)
    return Speed(adapter.name, form, len(sample), tracks, size, statistics.median(speeds), max(speeds))


def forget() -> None:
    """Empty what musicsync remembers of texts that it has read: a sync reads an ISRC or a barcode once."""
    for name, module in list(sys.modules.items()):
        if name.startswith("musicsync."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def speeds(tracks: int, rounds: int) -> Iterator[Speed]:
    """Yield what each adapter does with each form of page, over a world of so many tracks."""
    world = World(tracks, seed=1)
    for registered in registry.ADAPTERS.values():
        if registered.takes_folders:
            continue  # ``benchmarks.files`` measures how fast files are read, which is more than parsing.
        adapter = registered.configured(options) if (options := _OPTIONS.get(registered.name)) else registered
        name = _DIALECTS.get(adapter.name, adapter.name)
        limits = Limits(enforced=False, spotify_development=adapter.name == "spotify-development")
        sandbox = Sandbox(world, limits)
        dialect = next(gate.dialect for gate in sandbox.gates if gate.dialect.name == name)
        for form, sample in samples(adapter, dialect, sandbox.tokens.get(name), world).items():
            yield measure(adapter, form, sample, rounds)


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parsing", description=__doc__)
    parser.add_argument("--tracks", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows = []
    for speed in speeds(options.tracks, options.rounds):
        rows.append(speed.row())
        print(*rows[-1], sep="\t", flush=True)
        if speed.median < WANTED:
            print(f"{speed.adapter}: {speed.form} is read more slowly than {WANTED:,} tracks a second")
    write_part("parsing", f"{machine()}. Median and best of {options.rounds} rounds.\n\n{table(_HEADS, rows)}")


if __name__ == "__main__":
    main()
