"""Serve the simulator until SIGTERM or SIGINT. What it serves stands in the package's docstring."""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import asyncio
import signal
import sys

from sandbox.catalogue import World
from sandbox.evolution import MAX_GENERATION
from sandbox.feed import KEPT_MEGABYTES
from sandbox.server import Limits, Sandbox


def main() -> int:
    """Serve as the command line says; return the exit code."""
    options = _parser().parse_args()
    limits = Limits(
        musicbrainz_rate=options.musicbrainz_rate,
        deezer_quota=options.deezer_quota,
        spotify_quota=options.spotify_quota,
        tidal_quota=options.tidal_quota,
        spotify_development=options.spotify_development,
        feed_rate=options.feed_rate,
        discogs_quota=options.discogs_quota,
        itunes_quota=options.itunes_quota,
        jamendo_rate=options.jamendo_rate,
        lastfm_rate=options.lastfm_rate,
        enforced=not options.no_limits,
    )
    world = World(options.tracks, options.seed, options.generation)
    keys = {"jamendo": options.jamendo_client_id, "lastfm": options.lastfm_api_key}
    asked_for = {dialect: key for dialect, key in keys.items() if key}
    sandbox = Sandbox(world, limits, options.feed_token, options.feed_memory, asked_for)
    return asyncio.run(_serve(sandbox, options.host, options.port))


async def _serve(sandbox: Sandbox, host: str, port: int) -> int:
    try:
        server, port = sandbox.listen(host, port)
    except OSError as error:
        print(f"sandbox: cannot listen on {host}:{port} ({error.strerror}): choose another --port", file=sys.stderr)
        return 1
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    world = sandbox.world
    print(
        f"sandbox: http://{host}:{port} (tracks a provider: {world.tracks}, seed {world.seed}, "
        f"generation {world.generation})",
        flush=True,
    )
    await stopped.wait()
    server.stop()
    await server.close_all_connections()
    return 0


def _parser() -> argparse.ArgumentParser:
    real = Limits()
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Simulate music catalogue providers.")
    parser.add_argument("--tracks", type=_Between(1, 100_000_000), default=10_000, help="tracks per provider")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another catalogue")
    parser.add_argument("--generation", type=_Between(0, MAX_GENERATION), default=0, help="generation to start at")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_Between(0, 65535), default=8100, help="port to listen on; 0 takes a free one")
    parser.add_argument("--musicbrainz-rate", type=_rate, default=real.musicbrainz_rate, help="requests per second")
    parser.add_argument("--deezer-quota", type=_Between(1, 10**9), default=real.deezer_quota, help="requests per 5 s")
    parser.add_argument(
        "--spotify-quota", type=_Between(1, 10**9), default=real.spotify_quota, help="requests per 30 s"
    )
    parser.add_argument("--tidal-quota", type=_Between(1, 10**9), default=real.tidal_quota, help="requests per 10 s")
    parser.add_argument("--spotify-development", action="store_true", help="play to an app in development mode")
    parser.add_argument("--feed-rate", type=_rate, default=real.feed_rate, help="requests per second")
    parser.add_argument(
        "--discogs-quota", type=_Between(1, 10**9), default=real.discogs_quota, help="requests per minute"
    )
    parser.add_argument(
        "--itunes-quota", type=_Between(1, 10**9), default=real.itunes_quota, help="requests per minute"
    )
    parser.add_argument("--jamendo-rate", type=_rate, default=real.jamendo_rate, help="requests per second")
    parser.add_argument("--jamendo-client-id", help="client_id that Jamendo asks for; none by default")
    parser.add_argument("--lastfm-rate", type=_rate, default=real.lastfm_rate, help="requests per second")
    parser.add_argument("--lastfm-api-key", help="api_key that Last.fm asks for; none by default")
    parser.add_argument("--feed-token", help="bearer token that the feed asks for; none by default")
    parser.add_argument(
        "--feed-memory", type=_Between(1, 10_000), default=KEPT_MEGABYTES, help="MB of pages of the feed that are kept"
    )
    parser.add_argument("--no-limits", action="store_true", help="let every request through")
    return parser


class _Between:
    """Reads a whole number from ``least`` to ``most``."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def __call__(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = self.least - 1
        if not self.least <= number <= self.most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {self.least} to {self.most}")
        return number


def _rate(text: str) -> float:
    """Read a rate above zero."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return rate


if __name__ == "__main__":
    sys.exit(main())
