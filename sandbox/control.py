"""The simulator's own endpoints below ``/control/``: move the world on, say what to expect of it, and set faults."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from tornado.web import RequestHandler

from sandbox import evolution, ids
from sandbox.catalogue import World
from sandbox.faults import BadRule, Faults, read_rules
from sandbox.limits import Meter
from sandbox.shifts import Shifts
from sandbox.wire import BadNumber, Dialect, whole_number
from sandbox.world import Block

Counts = dict[str, int]


class Evolve(Struct, forbid_unknown_fields=True):
    """What ``POST /control/evolve`` may be told: how far to move, and whether to count what that changed."""

    generations: int = 1
    expected: bool = True


class ControlHandler(RequestHandler):
    """Base of the control endpoints: answers are JSON, errors one clear line."""

    def initialize(
        self, world: World, dialects: dict[str, Dialect], meters: dict[str, Meter], faults: Faults, shifts: Shifts
    ) -> None:
        """Take what the endpoints look at and change."""
        self.world = world
        self.dialects = dialects
        self.meters = meters
        self.faults = faults
        self.shifts = shifts

    def answer(self, document: Any) -> None:
        """Send the document."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.write(msgspec.json.encode(document))

    def refuse(self, status: int, message: str) -> None:
        """Send an error of one line."""
        self.set_status(status)
        self.answer({"error": message})


class EvolveHandler(ControlHandler):
    """``POST /control/evolve``."""

    async def post(self) -> None:
        """Move the world on, and say what that changed in each dialect."""
        try:
            wish = msgspec.json.decode(self.request.body or b"{}", type=Evolve)
        except msgspec.DecodeError as error:
            return self.refuse(400, f"evolve: {error}")
        before, after = self.world.generation, self.world.generation + wish.generations
        if wish.generations < 1 or after > evolution.MAX_GENERATION:
            return self.refuse(409, f"evolve: the world is at generation {before} of {evolution.MAX_GENERATION}")
        self.world.generation = after
        if not wish.expected:
            return self.answer({"generation": after})
        return self.answer({"generation": after} | await expected(self.world, self.dialects.values(), before, after))


class ExpectedHandler(ControlHandler):
    """``GET /control/expected?from=0&to=1``."""

    async def get(self) -> None:
        """Say what a client sees change between two generations."""
        query = {name: self.get_query_argument(name, "") for name in ("from", "to")}
        try:
            start = whole_number(query, "from", 0)
            end = whole_number(query, "to", self.world.generation)
        except BadNumber as error:
            return self.refuse(400, f"expected: {error} must be a whole number")
        if not start <= end <= evolution.MAX_GENERATION:
            return self.refuse(400, f"expected: from <= to <= {evolution.MAX_GENERATION} must hold")
        return self.answer({"from": start, "to": end} | await expected(self.world, self.dialects.values(), start, end))


class ScopesHandler(ControlHandler):
    """``GET /control/scopes?provider=deezer``."""

    def get(self) -> None:
        """Say by which keys every track of a provider is reached."""
        found = scopes(self.world, self.get_query_argument("provider", ""))
        if found is None:
            return self.refuse(400, f"scopes: provider must be one of: {', '.join(self.dialects)}")
        return self.answer(found)


class StateHandler(ControlHandler):
    """``GET /control/state``."""

    def get(self) -> None:
        """Say where the world stands and what was asked of it."""
        requests = {name: meter.summary() for name, meter in self.meters.items()}
        world = self.world
        self.answer({"seed": world.seed, "tracks": world.tracks, "generation": world.generation, "requests": requests})


class FaultsHandler(ControlHandler):
    """``/control/faults``."""

    def get(self) -> None:
        """Show the rules."""
        self.answer(self.faults.describe())

    def post(self) -> None:
        """Replace the rules."""
        try:
            self.faults.set(read_rules(self.request.body))
        except BadRule as error:
            return self.refuse(400, str(error))
        return self.get()

    def delete(self) -> None:
        """Drop all rules."""
        self.faults.set([])
        self.get()


class ShiftsHandler(ControlHandler):
    """``/control/shifts``."""

    def get(self) -> None:
        """Show the rules."""
        self.answer(self.shifts.describe())

    def post(self) -> None:
        """Replace the rules, and count pages anew."""
        try:
            self.shifts.set(self.request.body)
        except BadRule as error:
            return self.refuse(400, str(error))
        return self.get()


def scopes(world: World, provider: str) -> dict[str, list[str]] | None:
    """Return by kind the keys by which every track of a provider is reached; ``None`` for one that there is not."""
    mbids = world.mbids
    catalogues = {"deezer": world.deezer, "itunes": world.deezer, "spotify": world.spotify, "tidal": world.tidal}
    catalogue = catalogues.get(provider, world.musicbrainz)()
    artists, labels = list(catalogue.first_artists()), list(catalogue.first_labels())

    def numbers(kind: ids.Kind, indexes: list[int]) -> list[str]:
        return [str(ids.encode_number(kind, index)) for index in indexes]

    match provider:
        case "musicbrainz":
            mbid = mbids.encode
            found = {"artist": [mbid("artist", i) for i in artists], "label": [mbid("label", i) for i in labels]}
        case "lastfm":
            found = {"artist": [mbids.encode("artist", index) for index in artists]}
        case "spotify":
            codes = ids.Base62(mbids)
            found = {"artist": [codes.encode("artist", index) for index in artists]}
        case "discogs":
            found = {"artist": numbers("artist", artists), "label": numbers("label", labels)}
        case "deezer" | "itunes" | "tidal" | "jamendo":
            found = {"artist": numbers("artist", artists)}
        case "feed":
            found = {"feed": [""]}
        case _:
            return None
    return found


async def expected(world: World, dialects: Iterable[Dialect], start: int, end: int) -> dict[str, Counts]:
    """Return by dialect how many tracks there are at ``end`` and how many differ from ``start``.

    Every block is compared as served at both generations; between blocks other requests get their turn.
    """
    dialects = tuple(dialects)
    totals = {d.name: dict.fromkeys(("tracks", "edited", "removed", "added", "merged_artists"), 0) for d in dialects}
    for number in sorted({number for dialect in dialects for number in dialect.numbers}):
        before, after = world.block(number, start), world.block(number, end)
        for dialect in dialects:
            if number in dialect.numbers:
                for name, count in compare(dialect, before, after).items():
                    totals[dialect.name][name] += count
        await asyncio.sleep(0)
    return totals


def compare(dialect: Dialect, before: Block, after: Block) -> Counts:
    """Return what a client of the dialect sees change between two states of a block."""
    old, new = before.tracks.keys(), after.tracks.keys()
    return {
        "tracks": len(new),
        "edited": sum(_is_seen_to_differ(dialect, before, after, index) for index in old & new),
        "removed": len(old - new),
        "added": len(new - old),
        "merged_artists": len(after.merged.keys() - before.merged.keys()),
    }


def _is_seen_to_differ(dialect: Dialect, before: Block, after: Block, index: int) -> bool:
    """Tell whether the track is served otherwise. What is served follows from track and release alone."""
    old, new = ((block.tracks[index], block.releases[block.tracks[index].release]) for block in (before, after))
    return old != new and dialect.track_document(*old) != dialect.track_document(*new)
