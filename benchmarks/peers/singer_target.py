"""Singer: a tap that reads the feed, piped into Meltano's target-postgres, which is in an environment of its own."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from benchmarks.peers import common

TARGET_VARIABLE = "BENCHMARK_TARGET"
"""The program of the target."""
_TYPES = {"duration_ms": "integer", "disc": "integer", "position": "integer", "explicit": "boolean"}
_COLUMNS = (
    *("id", "title", "version", "isrc", "duration_ms", "explicit", "disc", "position", "artist"),
    *("release_id", "release_title", "gtin", "released", "label"),
)


def main() -> None:
    """Measure a first load."""
    options = common.arguments()
    with tempfile.TemporaryDirectory(prefix="musicsync-bench-singer-") as folder:
        config = Path(folder, "config.json")
        url = options.database.replace("postgres://", "postgresql+psycopg://")
        config.write_text(json.dumps({"sqlalchemy_url": url, "load_method": "upsert", "use_copy": True}))
        common.measure("Singer target-postgres", options.tracks, lambda: load(options.feed, options.tracks, config))


def load(feed: str, tracks: int, config: Path) -> None:
    """Send the feed's tracks into the target.

    Raises:
        subprocess.CalledProcessError: the target failed.
    """
    os.environ["TARGET_POSTGRES_LOGLEVEL"] = "WARNING"
    command = [os.environ[TARGET_VARIABLE], "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as target:
        assert target.stdin is not None  # noqa: S101 - it was asked for
        tap(feed, tracks, target.stdin)
        target.stdin.close()
    if target.returncode:
        raise subprocess.CalledProcessError(target.returncode, command)


def tap(feed: str, tracks: int, output: IO[bytes]) -> None:
    """Write the schema, then a record for each track."""
    properties = {name: {"type": [_TYPES.get(name, "string"), "null"]} for name in _COLUMNS}
    schema = {"type": "object", "properties": properties}
    _write(output, {"type": "SCHEMA", "stream": "tracks", "schema": schema, "key_properties": ["id"]})
    for items in common.pages(feed, tracks):
        for item in items:
            _write(output, {"type": "RECORD", "stream": "tracks", "record": common.flat(item)})


def _write(output: IO[bytes], message: common.Item) -> None:
    output.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
