"""How much of what a provider allows is used, by how slowly it answers: real workers against a sandbox that refuses.

``python -m benchmarks.budgets [--seconds 30]`` plays providers (Deezer's dialect) that allow 1, 10 and 50 requests a
second, in any 5 seconds, and answer after 50 to 2,000 ms. It looks on when each process has done what is slower at
first (connections, statements that PostgreSQL has not planned yet), and writes into ``docs/benchmarks.md``, for each:

used
    requests a second that were served, as a share of those allowed; the rate is used to 98.5 % on purpose
refused
    requests that the provider counted and refused, from the start
asleep
    the share of worker processes that sleep until a slot of the budget comes, in the mean of many looks; the others
    wait for an answer, write, or have nothing to do
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import math
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

from benchmarks.report import machine, table, write_part
from benchmarks.stage import Stage, staged

CASES = tuple((rate, latency_ms) for rate in (1, 10, 50) for latency_ms in (50, 200, 500, 2000))
"""Requests a second, and after how many ms each is answered."""
_WINDOW_SECONDS = 5
_TRACKS = 15_000
_SETTLE_REQUESTS = 12
"""Of each process: a statement is prepared when it comes for the sixth time, and planned five times more."""
_LOOK_SECONDS = 0.05
_SLEEPS = "hrtimer_nanosleep"
_START_LIMIT_SECONDS = 120


class Found(msgspec.Struct):
    """What came of one case; ``asleep`` is ``None`` where the system does not say what a process waits for."""

    rate: int
    latency_ms: int
    workers: int
    used: float
    refused: int
    worst: int
    asleep: float | None


def main() -> None:
    """Measure all cases, each in a process of its own, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budgets", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each case is measured")
    parser.add_argument("--case", type=int, nargs=2, metavar=("RATE", "MS"), help="this case alone, as JSON")
    options = parser.parse_args()
    if options.case:
        print(msgspec.json.encode(_measure(*options.case, options.seconds)).decode())
        return
    rows = []
    for rate, latency_ms in CASES:
        command = [sys.executable, "-m", "benchmarks.budgets", "--seconds", str(options.seconds)]
        command += ["--case", str(rate), str(latency_ms)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
        rows.append(_row(msgspec.json.decode(said, type=Found)))
        print(" | ".join(rows[-1]), flush=True)
    heads = ("allowed a second", "answer after, ms", "worker processes", "used", "refused", "most in 5 s", "asleep")
    write_part("budgets", f"{machine()}, {options.seconds:.0f} s each.\n\n{table(heads, rows)}")


def processes_for(rate: int, latency_ms: int) -> int:
    """Return how many worker processes have as many requests under way as the rate needs, and one half more."""
    return 2 + math.ceil(1.5 * rate * latency_ms / 1000)


def _measure(rate: int, latency_ms: int, seconds: float) -> Found:
    processes = processes_for(rate, latency_ms)
    with staged(_TRACKS, "--deezer-quota", str(rate * _WINDOW_SECONDS), processes=processes) as stage:
        stage.control("faults", [{"kind": "latency", "dialect": "deezer", "ms": latency_ms}])
        _begin(stage, rate)
        limit = time.monotonic() + _START_LIMIT_SECONDS
        while _asked(stage)["served"] < _SETTLE_REQUESTS * processes and time.monotonic() < limit:
            time.sleep(_LOOK_SECONDS)
        return _watch(stage, rate, latency_ms, seconds)


def _begin(stage: Stage, rate: int) -> None:
    """Start a run over all artists of the provider."""
    from musicsync import tasks  # noqa: PLC0415 - after the set-up
    from musicsync.models import Budget, Provider, Run, Scope  # noqa: PLC0415 - after the set-up
    from musicsync.sync import runs  # noqa: PLC0415 - after the set-up

    provider = Provider.objects.create(
        slug="deezer",
        adapter="deezer",
        base_url=f"{stage.url}/deezer",
        allow_private=True,
        budget=Budget.objects.create(name="deezer", rate=rate, burst=1),
        enabled=False,
    )
    keys = stage.control("scopes?provider=deezer")["artist"]
    Scope.objects.bulk_create(Scope(provider=provider, kind="artist", key=key) for key in keys)
    tasks.begin(runs.open_run(provider, "full", Run.Trigger.CLI))


def _watch(stage: Stage, rate: int, latency_ms: int, seconds: float) -> Found:
    """Look on; the time counts from one request to another, or almost to the end where none came for long."""
    before = _asked(stage)
    children = stage.worker_processes()
    seen: list[tuple[float, int]] = []
    asleep: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        served = _asked(stage)["served"]
        if served > (seen[-1][1] if seen else before["served"]):
            seen.append((time.monotonic(), served))
        asleep += [share for share in [_share_asleep(children)] if share is not None]
        time.sleep(_LOOK_SECONDS)
    asked = _asked(stage)
    used = 0.0
    if seen:
        (began_at, first), (ended_at, last) = seen[0], seen[-1]
        used = (last - first) / (max(ended_at, end - 1 / rate) - began_at) / rate
    share = sum(asleep) / len(asleep) if asleep else None
    return Found(rate, latency_ms, len(children), used, asked["refused"], asked["worst_5s"], share)


def _asked(stage: Stage) -> dict[str, int]:
    found: dict[str, int] = stage.control("state")["requests"]["deezer"]
    return found


def _share_asleep(children: list[psutil.Process]) -> float | None:
    """Return the share of processes that are in a sleep, where Linux tells."""
    if not children:
        return None
    try:
        return sum(Path(f"/proc/{child.pid}/wchan").read_text() == _SLEEPS for child in children) / len(children)
    except OSError:
        return None


def _row(found: Found) -> list[str]:
    return [
        str(found.rate),
        str(found.latency_ms),
        str(found.workers),
        f"{found.used:.1%}",
        str(found.refused),
        f"{found.worst} of {found.rate * _WINDOW_SECONDS}",
        "not measured" if found.asleep is None else f"{found.asleep:.0%}",
    ]


if __name__ == "__main__":
    main()
