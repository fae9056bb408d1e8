"""A bulk feed through Celery: does a page stay as fast as the catalogue grows, and a worker as small?

``python -m benchmarks.bulk_feed [--tracks 100000]`` starts the sandbox and a worker of two processes on private
servers, imports the feed, syncs it twice more unchanged, with and without validators, and prints the speed of each
tenth of the run, the peak memory and the CPU time of each part.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests

from sandbox.demo.children import Children

_PORT_LINE = "http://"
_LOOK_SECONDS = 0.2
_START_LIMIT_SECONDS = 60
_MEGABYTE = 1_000_000


def main() -> None:
    """Run the benchmark in a folder of its own and remove it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk_feed", description=__doc__)
    parser.add_argument("--tracks", type=int, default=100_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="musicsync-bench-"))
    os.environ |= {"MUSICSYNC_VAR": str(folder), "DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "project.settings"}
    try:
        _measure(folder, options.tracks)
    finally:
        from project import embedded  # noqa: PLC0415 - it reads the settings

        # Before their folder goes, without which nobody finds them.
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, tracks: int) -> None:
    import django  # noqa: PLC0415 - its settings start the private servers in the folder chosen above

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 - after the set-up

    from musicsync.models import Budget, KnownPage, Provider, Scope  # noqa: PLC0415 - after the set-up

    call_command("migrate", verbosity=0)
    with Children(folder) as children:
        sandbox = [sys.executable, "-m", "sandbox", "--tracks", str(tracks), "--port", "0", "--no-limits"]
        children.start("sandbox", sandbox)
        children.start(
            "worker",
            [sys.executable, "-m", "celery", "-A", "project", "worker", "--concurrency", "2", "--loglevel", "INFO"],
        )
        line = children.wait_for("sandbox", _PORT_LINE, _START_LIMIT_SECONDS)
        children.wait_for("worker", "ready.", _START_LIMIT_SECONDS)
        url = next(word for word in line.split() if word.startswith(_PORT_LINE))
        budget = Budget.objects.create(name="feed", rate=1000, burst=100)
        provider = Provider.objects.create(
            slug="feed", adapter="feed", base_url=url, allow_private=True, budget=budget, enabled=False
        )
        Scope.objects.create(provider=provider, kind="feed")
        _fetch_alone(url, tracks)
        _pass("first import", provider.pk, folder)
        _pass("unchanged, by ETag", provider.pk, folder)
        KnownPage.objects.update(etag=None)
        _pass("unchanged, no ETag", provider.pk, folder)


def _fetch_alone(url: str, tracks: int) -> None:
    """Read the whole feed and drop it: the limit of all that follows. The sandbox makes each page once, here."""
    began, used, cursor = time.monotonic(), time.process_time(), None
    with requests.Session() as session:
        session.trust_env = False
        while True:
            asked = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
            cursor = session.get(f"{url}/feed/tracks", params=asked, timeout=60).json()["next"]
            if cursor is None:
                break
    spent = 1e6 * (time.process_time() - used) / tracks
    print(
        f"fetching alone: {tracks / (time.monotonic() - began):,.0f} tracks/s, {spent:.0f} ms of CPU per 1,000 tracks"
    )


def _pass(title: str, provider_id: int, folder: Path) -> None:
    from musicsync import tasks  # noqa: PLC0415 - after the set-up
    from musicsync.models import Provider, Run  # noqa: PLC0415 - after the set-up
    from musicsync.sync import runs  # noqa: PLC0415 - after the set-up

    provider = Provider.objects.select_related("budget").get(pk=provider_id)
    used = _cpu(folder)
    began = time.monotonic()
    run = runs.open_run(provider, "full", Run.Trigger.CLI)
    tasks.begin(run)
    peaks: dict[str, float] = {}
    while Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING).exists():
        for name, size in _memory().items():
            peaks[name] = max(size, peaks.get(name, 0.0))
        time.sleep(_LOOK_SECONDS)
    run.refresh_from_db()
    seconds = time.monotonic() - began
    tracks = run.summary["distinct_tracks"]
    print(f"{title}: {run.status}, {tracks:,} tracks in {seconds:.1f} s, {tracks / seconds:,.0f} tracks/s")
    spent = ", ".join(f"{name} {1e6 * (now - used[name]) / tracks:.0f}" for name, now in _cpu(folder).items())
    print(f"  CPU time in ms per 1,000 tracks: {spent}")
    speeds = _tenths(run.pk, tracks)
    print(f"  tracks/s by tenth: {', '.join(f'{speed:,.0f}' for speed in speeds)}")
    print(f"  last against first: {speeds[-1] / speeds[0]:.2f}; median {statistics.median(speeds):,.0f}")
    print(f"  peak memory in MB: {', '.join(f'{name} {peak:.0f}' for name, peak in sorted(peaks.items()))}")


def _cpu(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of the worker, the sandbox and PostgreSQL, with all their processes."""
    server = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0]))
    used = {"worker": 0.0, "sandbox": 0.0, "PostgreSQL": 0.0}
    for process in (*psutil.Process().children(recursive=True), server, *server.children()):
        with contextlib.suppress(psutil.Error):  # it ended between the two looks
            command, times = process.cmdline(), process.cpu_times()
            part = next((part for part in ("celery", "sandbox") if part in command), "PostgreSQL")
            used["worker" if part == "celery" else part] += times.user + times.system
    return used


def _memory() -> dict[str, float]:
    sizes = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if "celery" in process.cmdline():
                sizes[f"worker {process.pid}"] = process.memory_info().rss / _MEGABYTE
        except psutil.Error:  # it ended between the two looks
            continue
    return sizes


def _tenths(run_id: int, tracks: int) -> list[float]:
    """Return tracks a second for each tenth of the pages, by when the pages were applied."""
    from musicsync.sync import sql  # noqa: PLC0415 - after the set-up

    rows = sql.query(
        """
        SELECT tenth, max(finished_at) AS ended_at, min(started_at) AS began_at FROM (
            SELECT started_at, finished_at, ntile(10) OVER (ORDER BY id) AS tenth FROM musicsync_fetch WHERE run_id = %s
        ) pages GROUP BY 1 ORDER BY 1
        """,
        [run_id],
    )
    return [tracks / 10 / (row["ended_at"] - row["began_at"]).total_seconds() for row in rows]


if __name__ == "__main__":
    main()
