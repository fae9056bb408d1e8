"""The dialects and the control endpoints behind one HTTP server.

A request to a dialect is counted, held against the limit, given its fault if one is due, answered, and sent.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from msgspec import Struct, structs
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from sandbox import control, faults, sending
from sandbox.catalogue import World
from sandbox.deezer import Deezer
from sandbox.discogs import Discogs
from sandbox.faults import Faults, Rule
from sandbox.feed import KEPT_MEGABYTES, Feed
from sandbox.itunes import ITunes
from sandbox.jamendo import Jamendo
from sandbox.lastfm import LastFm
from sandbox.limits import Limit, Meter, SlidingWindow, TokenBucket, Unlimited
from sandbox.musicbrainz import MusicBrainz
from sandbox.shifts import Shifts
from sandbox.spotify import Spotify
from sandbox.tidal import Tidal
from sandbox.tokens import TokenHandler, TokensHandler
from sandbox.wire import Answer, Ask, Dialect

DEEZER_WINDOW_SECONDS = 5
SPOTIFY_WINDOW_SECONDS = 30
TIDAL_WINDOW_SECONDS = 10
MINUTE_SECONDS = 60


class Limits(Struct, frozen=True):
    """What the providers allow: requests per second; for Deezer per 5 s, for Spotify per 30 s, for TIDAL per 10 s.

    For Discogs and iTunes per minute. The defaults are those of the real ones where these are known: Spotify's and
    TIDAL's are what clients report, Discogs' is for clients with a token.
    """

    musicbrainz_rate: float = 1
    deezer_quota: int = 50
    spotify_quota: int = 90
    tidal_quota: int = 2
    feed_rate: float = 50
    jamendo_rate: float = 1
    lastfm_rate: float = 5
    discogs_quota: int = 60
    itunes_quota: int = 20
    spotify_development: bool = False
    """Whether Spotify's app is one in development mode."""
    enforced: bool = True


@dataclass
class Gate:
    """A dialect with its limit, its count of requests and the faults that all dialects share."""

    dialect: Dialect
    root: str
    limit: Limit
    faults: Faults
    shifts: Shifts
    meter: Meter = field(default_factory=Meter)

    def respond(self, ask: Ask) -> Answer:
        """Return the dialect's answer, of lists as they are at this moment."""
        missing = self.shifts.missing(self.dialect.name, ask)
        return self.dialect.respond(structs.replace(ask, missing=missing) if missing else ask)


class DialectHandler(RequestHandler):
    """Answers everything below a dialect's root."""

    def initialize(self, gate: Gate) -> None:
        """Take the gate that the request comes to."""
        self.gate = gate

    def compute_etag(self) -> None:
        """Return none: the dialects make their own."""

    async def get(self, path: str) -> None:
        """Answer a request, after its limit and with its fault."""
        gate = self.gate
        now = time.monotonic()
        gate.meter.arrive(now)
        wait = gate.limit.take(now)
        if wait:
            gate.meter.refused += 1
            return self.send(gate.dialect.over_limit(wait))
        gate.meter.served += 1
        rule = gate.faults.choose(gate.dialect.name, path)
        if rule is None:
            return self.send(gate.respond(self.ask(path)))
        return await self.send_with_fault(path, rule)

    def ask(self, path: str, *, plain: bool = False) -> Ask:
        """Return the question; a ``plain`` one takes no gzip and knows no earlier answer."""
        request = self.request
        headers = {name.lower(): value for name, value in request.headers.get_all()}
        if plain:
            headers = {k: v for k, v in headers.items() if k not in ("accept-encoding", "if-none-match")}
        query = {name: self.get_query_arguments(name, strip=False)[-1] for name in request.query_arguments}
        return Ask(path, query, f"{request.protocol}://{request.host}{self.gate.root}", headers)

    def send(self, answer: Answer) -> None:
        """Send the answer: 304 when the client has it, compressed when the client takes that."""
        etag = answer.headers.get("ETag")
        asked = self.ask("")
        if answer.status == HTTPStatus.OK and etag is not None and asked.knows(etag):
            answer = Answer(HTTPStatus.NOT_MODIFIED, b"", answer.headers)
        elif asked.takes_gzip:
            answer = answer.compressed()
        self.set_status(answer.status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        for name, value in answer.headers.items():
            if answer.status != HTTPStatus.NOT_MODIFIED or name != "Content-Encoding":
                self.set_header(name, value)
        self.finish(answer.body or None)

    async def send_with_fault(self, path: str, rule: Rule) -> None:
        """Send what the rule makes of the answer."""
        gate = self.gate
        if rule.kind == "latency":
            await asyncio.sleep(rule.ms / 1000)
            return self.send(gate.respond(self.ask(path)))
        answer = faults.answer_instead(rule, gate.dialect)
        answer = answer or faults.spoil(rule, gate.respond(self.ask(path, plain=True)))
        if rule.kind in sending.WAYS:
            return await sending.send(self.detach(), rule, answer)
        return self.send(answer)


class Sandbox:
    """A world and its server."""

    def __init__(
        self,
        world: World,
        limits: Limits,
        feed_token: str | None = None,
        kept_megabytes: int = KEPT_MEGABYTES,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """Make the dialects; ``keys`` has, by dialect, what those ask for that take a key in the query."""
        keys = keys or {}
        self.world = world
        self.faults = Faults()
        self.shifts = Shifts()

        def rate(allowed: float) -> Limit:
            return TokenBucket(allowed) if limits.enforced else Unlimited()

        def window(most: int, seconds: int) -> Limit:
            return SlidingWindow(most, seconds) if limits.enforced else Unlimited()

        bucket = TokenBucket(limits.musicbrainz_rate) if limits.enforced else None
        minute = SlidingWindow(limits.discogs_quota, MINUTE_SECONDS) if limits.enforced else None
        spotify = Spotify(world.spotify(), development=limits.spotify_development)
        tidal = Tidal(world.tidal())
        jamendo = Jamendo(world.musicbrainz(), keys.get("jamendo"))
        lastfm = LastFm(world.musicbrainz(), keys.get("lastfm"))
        dialects: list[tuple[Dialect, str, Limit]] = [
            (MusicBrainz(world.musicbrainz(), bucket), "/musicbrainz/ws/2", bucket or Unlimited()),
            (Deezer(world.deezer()), "/deezer", window(limits.deezer_quota, DEEZER_WINDOW_SECONDS)),
            (Feed(world.musicbrainz(), feed_token, kept_megabytes), "/feed", rate(limits.feed_rate)),
            (spotify, "/spotify/v1", window(limits.spotify_quota, SPOTIFY_WINDOW_SECONDS)),
            (tidal, "/tidal/v2", window(limits.tidal_quota, TIDAL_WINDOW_SECONDS)),
            (Discogs(world.musicbrainz(), minute), "/discogs", minute or Unlimited()),
            (ITunes(world.deezer()), "/itunes", window(limits.itunes_quota, MINUTE_SECONDS)),
            (jamendo, "/jamendo/v3.0", rate(limits.jamendo_rate)),
            (lastfm, "/lastfm", rate(limits.lastfm_rate)),
        ]
        self.gates = [Gate(dialect, root, limit, self.faults, self.shifts) for dialect, root, limit in dialects]
        self.tokens = {"spotify": spotify.tokens, "tidal": tidal.tokens}

    def application(self) -> Application:
        """Return the routes."""
        shared = {
            "world": self.world,
            "dialects": {gate.dialect.name: gate.dialect for gate in self.gates},
            "meters": {gate.dialect.name: gate.meter for gate in self.gates},
            "faults": self.faults,
            "shifts": self.shifts,
        }
        dialects = [(rf"{gate.root}/(.*)", DialectHandler, {"gate": gate}) for gate in self.gates]
        controls = [
            ("/control/evolve", control.EvolveHandler, shared),
            ("/control/expected", control.ExpectedHandler, shared),
            ("/control/scopes", control.ScopesHandler, shared),
            ("/control/state", control.StateHandler, shared),
            ("/control/faults", control.FaultsHandler, shared),
            ("/control/shifts", control.ShiftsHandler, shared),
        ]
        tokens: list[Any] = [(f"/{name}/token", TokenHandler, {"tokens": given}) for name, given in self.tokens.items()]
        tokens.append(("/control/tokens", TokensHandler, {"tokens": self.tokens}))
        return Application([*dialects, *tokens, *controls], log_function=lambda _handler: None)

    def listen(self, host: str, port: int) -> tuple[HTTPServer, int]:
        """Return the listening server and its port; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        sockets = bind_sockets(port, host)
        server = HTTPServer(self.application())
        server.add_sockets(sockets)
        return server, sockets[0].getsockname()[1]
