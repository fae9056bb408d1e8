"""musicsync end to end over a bulk feed, and its peers over the same one: everything that is measured at one size.

``python -m benchmarks.end_to_end --tracks 100000 --into FILE [--peers] [--only-first]`` writes what it
measured as JSON. ``python -m benchmarks`` and ``benchmarks.growth`` run this, and make tables and plots of it.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from benchmarks.metering import Meter, Usage
from benchmarks.own_rows import OwnRows
from benchmarks.peers import PEERS, Peer
from benchmarks.stage import Stage, staged

ENVIRONMENTS = Path(__file__).resolve().parent.parent / "var" / "benchmarks"
OWN_ROWS = "limit: COPY, one INSERT..SELECT a table, the rows of musicsync"
_LOOK_SECONDS = 0.1
_INSTALL_LIMIT_SECONDS = 600
_PEER_LIMIT_SECONDS = 1800


class Measured(msgspec.Struct):
    """One pass: ``usage`` by part, and ``note`` on what came of it, or why it could not be."""

    name: str
    tracks: int = 0
    seconds: float = 0.0
    usage: dict[str, Usage] = {}
    note: str = ""

    @property
    def speed(self) -> float:
        """Tracks a second; 0 where it could not be measured."""
        return self.tracks / self.seconds if self.seconds else 0.0


class Outcome(msgspec.Struct):
    """All passes at one size; ``tenths`` are tracks a second of the first import, tenth by tenth of its pages."""

    tracks: int
    passes: list[Measured]
    tenths: list[float]
    peers: list[Measured] = []


def measure(tracks: int, *options: str) -> Outcome:
    """Measure one size in a process of its own, in which Django is set up once; ``options`` are those of this module.

    Raises:
        subprocess.CalledProcessError: it failed; what it said stands above.
    """
    print(f"--- {tracks:,} tracks ---", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "outcome.json")
        command = [
            sys.executable,
            "-m",
            "benchmarks.end_to_end",
            "--tracks",
            str(tracks),
            "--into",
            str(file),
            *options,
        ]
        subprocess.run(command, check=True)
        return msgspec.json.decode(file.read_bytes(), type=Outcome)


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__)
    parser.add_argument("--tracks", type=int, required=True)
    parser.add_argument("--into", type=Path, required=True, help="file for the outcome, as JSON")
    parser.add_argument("--peers", action="store_true", help="measure the peers, too")
    parser.add_argument("--only-first", action="store_true", help="the first import and no other pass")
    options = parser.parse_args()
    with staged(options.tracks) as stage:
        stage.warm()
        provider_id, outcome = _first_import(stage)
        if not options.only_first:
            # What is held against one another is measured side by side: a virtual machine does not keep its speed.
            outcome.peers.append(_own_rows(stage))
            if options.peers:
                _measure_peers(stage, outcome, of_all_tracks=True)
            outcome.passes += _later_passes(stage, provider_id)
            if options.peers:
                stage.control("faults", [])
                stage.warm()
                _measure_peers(stage, outcome, of_all_tracks=False)
        options.into.write_bytes(msgspec.json.encode(outcome))


def _first_import(stage: Stage) -> tuple[int, Outcome]:
    """Return the number of the provider that was made, and what its first import came to."""
    from musicsync.models import Budget, Provider, Scope  # noqa: PLC0415 - after the set-up

    budget = Budget.objects.create(name="feed", rate=10_000, burst=1000)
    provider = Provider.objects.create(
        slug="feed", adapter="feed", base_url=stage.url, allow_private=True, budget=budget, enabled=False
    )
    Scope.objects.create(provider=provider, kind="feed")
    run_id, first = _pass(stage, provider.pk, "first import")
    return provider.pk, Outcome(stage.tracks, [first], _tenths(run_id, stage.tracks))


def _own_rows(stage: Stage) -> Measured:
    rows = OwnRows(stage.database, stage.folder)
    rows.keep()
    with Meter(stage.parts() | {"worker": lambda: [os.getpid()]}) as meter:
        seconds = rows.write()
    rows.drop()
    return _say(Measured(OWN_ROWS, stage.tracks, seconds, meter.usage(), "no matching, nothing compared"))


def _later_passes(stage: Stage, provider_id: int) -> list[Measured]:
    from musicsync.models import KnownPage  # noqa: PLC0415 - after the set-up

    by_etag = _pass(stage, provider_id, "unchanged, by ETag")[1]
    KnownPage.objects.update(etag=None)
    without = _pass(stage, provider_id, "unchanged, without ETags")[1]
    stage.control("evolve", {"expected": False})
    stage.warm()
    generation = _pass(stage, provider_id, "a generation on: 2 % edited, 1 % new")[1]
    stage.control("faults", [{"kind": "reformat", "field": "title"}])
    changed = _pass(stage, provider_id, "every track and release changed")[1]
    return [by_etag, without, generation, changed]


def _measure_peers(stage: Stage, outcome: Outcome, *, of_all_tracks: bool) -> None:
    for peer in PEERS:
        if (peer.most_tracks is None) == of_all_tracks:
            outcome.peers += _measure_peer(stage, peer)


def _pass(stage: Stage, provider_id: int, name: str) -> tuple[int, Measured]:
    """Sync once; return the run's number and what was measured."""
    from musicsync import tasks  # noqa: PLC0415 - after the set-up
    from musicsync.models import Provider, Run  # noqa: PLC0415 - after the set-up
    from musicsync.sync import runs  # noqa: PLC0415 - after the set-up

    provider = Provider.objects.select_related("budget").get(pk=provider_id)
    with Meter(stage.parts()) as meter:
        began = time.monotonic()
        run = runs.open_run(provider, "full", Run.Trigger.CLI)
        tasks.begin(run)
        while Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).exists():
            time.sleep(_LOOK_SECONDS)
        seconds = time.monotonic() - began
    run.refresh_from_db()
    said = {kind: run.summary.get(f"track.{kind}", 0) for kind in ("created", "updated", "unchanged", "removed")}
    note = ", ".join(f"{count:,} {kind}" for kind, count in said.items() if count)
    if run.status != Run.Status.DONE:
        note = f"{run.get_status_display()}: {run.error}; {note}"
    measured = Measured(name, run.summary["distinct_tracks"], seconds, meter.usage(), note)
    _say(measured)
    return run.pk, measured


def _tenths(run_id: int, tracks: int) -> list[float]:
    from musicsync.sync.sql import query  # noqa: PLC0415 - after the set-up

    rows = query(
        """
        SELECT max(finished_at) AS ended_at, min(started_at) AS began_at FROM (
            SELECT started_at, finished_at, ntile(10) OVER (ORDER BY id) AS tenth FROM musicsync_fetch WHERE run_id = %s
        ) pages GROUP BY tenth ORDER BY tenth
        """,
        [run_id],
    )
    return [tracks / 10 / (row["ended_at"] - row["began_at"]).total_seconds() for row in rows]


def _measure_peer(stage: Stage, peer: Peer) -> list[Measured]:
    """Run a peer; a pass for each line that it prints, or one that says why there is none."""
    tracks = min(stage.tracks, peer.most_tracks or stage.tracks)
    try:
        programs = _installed(peer)
    except subprocess.SubprocessError as error:
        return [_say(Measured(peer.module, note=f"does not install: {peer.requirement}: {error}"))]
    python = str(programs / "python") if programs and peer.is_library else sys.executable
    command = [python, "-m", f"benchmarks.peers.{peer.module}", "--feed", stage.url, "--tracks", str(tracks)]
    database = stage.new_database(f"bench_{peer.module}")
    command += ["--database", database, "--broker", stage.broker]
    env = os.environ | ({"BENCHMARK_TARGET": str(programs / "target-postgres")} if programs else {})
    env.pop("DJANGO_SETTINGS_MODULE")
    found: list[Measured] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True, start_new_session=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        parts = stage.parts() | {"worker": lambda: [process.pid]}
        # With all that it started.
        limit = threading.Timer(_PEER_LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        while True:
            with Meter(parts) as meter:
                line = process.stdout.readline()
            if not line:
                break
            measured = msgspec.json.decode(line, type=Measured)
            found.append(_say(msgspec.structs.replace(measured, usage=meter.usage())))
        limit.cancel()
    if process.returncode:
        return [*found, _say(Measured(peer.module, note=f"ended with exit code {process.returncode}"))]
    written = _rows_in(database)
    if written != tracks:
        return [_say(Measured(peer.module, note=f"wrote {written:,} rows of {tracks:,}"))]
    found[-1].note = f"{written:,} rows"
    return found


def _rows_in(database: str) -> int:
    """Return how many rows the database's table of tracks has, whatever schema it is in."""
    with psycopg.connect(database) as connection:
        query = "SELECT schemaname FROM pg_tables WHERE tablename = 'tracks' AND schemaname NOT LIKE '%staging%'"
        (schema,) = connection.execute(query).fetchone() or ("public",)
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "tracks"))
        (rows,) = connection.execute(count).fetchone() or (0,)
        return int(rows)


def _installed(peer: Peer) -> Path | None:
    """Return the programs of the peer's environment, made at need; ``None`` where it needs none.

    Raises:
        subprocess.SubprocessError: it does not install.
    """
    if not peer.requirement:
        return None
    folder = ENVIRONMENTS / peer.module
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != peer.requirement:
        make = [sys.executable, "-m", "venv", "--clear", str(folder)]
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", peer.requirement, "requests"]
        for command in (make, install):
            subprocess.run(command, check=True, timeout=_INSTALL_LIMIT_SECONDS)
        stamp.write_text(peer.requirement)
    return folder / "bin"


def _say(measured: Measured) -> Measured:
    parts = ", ".join(f"{part} {usage.cpu:.1f} s {usage.largest:.0f} MB" for part, usage in measured.usage.items())
    print(f"{measured.name}: {measured.speed:,.0f} tracks/s ({parts}) {measured.note}", flush=True)
    return measured


if __name__ == "__main__":
    main()
