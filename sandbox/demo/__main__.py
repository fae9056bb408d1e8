"""Read the options and make the demo's own environment, before Django's settings are read."""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from sandbox.demo.children import DemoError

_OWN = {
    # Its own servers and nobody's mailbox, whatever this machine's .env sets for a real catalogue.
    **dict.fromkeys(("DATABASE_URL", "CELERY_RESULT_BACKEND", "EMAIL_URL", "ADMINS", "MUSICSYNC_ALERT_WEBHOOK"), ""),
    # The MusicBrainz dialect asks for one; the request stays on this machine.
    "MUSICSYNC_CONTACT": "demo@localhost",
    "DJANGO_SETTINGS_MODULE": "project.settings",
}
_FOLDER_BROKER = "filesystem://"
_INTERRUPTED = 130
_MOST_TRACKS = 1_000_000


def main() -> int:
    """Show the demo; return the exit code: 0 where all went well and the catalogue shows what the sandbox announced."""
    options = _parser().parse_args()
    var = Path(os.environ.get("MUSICSYNC_VAR") or "var").expanduser().resolve() / "demo"
    broker = os.environ.get("CELERY_BROKER_URL", "")
    os.environ |= _OWN | {
        "MUSICSYNC_VAR": str(var),
        # Messages of the demo name rows of its own database: they have no business in a shared broker.
        "CELERY_BROKER_URL": broker if broker == _FOLDER_BROKER else "",
    }
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        # Read now, because it reads Django's settings, which start the private servers.
        show = importlib.import_module("sandbox.demo.show")
        agreed: bool = show.run(var, tracks=options.tracks, evolve=options.evolve)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; what it started is stopped", file=sys.stderr)
        return _INTERRUPTED
    return 0 if agreed else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description="Sync two sandbox providers.")
    parser.add_argument("--tracks", type=_tracks, default=10_000, help="tracks of each provider (default: 10000)")
    evolve = os.environ.get("EVOLVE", "").lower() in ("1", "on", "true", "yes")
    parser.add_argument("--evolve", action="store_true", default=evolve, help="let the catalogues move on first")
    return parser


def _tracks(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_TRACKS:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {_MOST_TRACKS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
