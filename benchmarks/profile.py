"""Where the time of a first import goes: one process, its stack looked at a thousand times a second.

``python -m benchmarks.profile [--tracks 50000]`` imports a bulk feed without Celery, so that one process does all the
work, and writes into ``docs/benchmarks.md`` how many microseconds of a track each step took, PostgreSQL's by table.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import signal
import time
from collections import Counter
from types import FrameType
from typing import Self

from benchmarks.report import machine, table, write_part
from benchmarks.stage import staged

_LOOK_SECONDS = 0.001
_MICROSECONDS = 1_000_000
_STEPS = {
    ("sql.py", "_csv"): "Python: rows as CSV",
    ("sql.py", "query"): "PostgreSQL: what is read, locked and counted",
    ("sql.py", "execute"): "PostgreSQL: what is read, locked and counted",
    ("utils.py", "execute"): "PostgreSQL: what is read, locked and counted",
    ("base.py", "_commit"): "PostgreSQL: commit",
    ("http.py", "get"): "HTTP: ask, receive, unpack",
    ("feed.py", "parse"): "Python: parse the answer into records",
    ("limits.py", "sift"): "Python: parse the answer into records",
    ("sources.py", "compare"): "Python: compare with what was known",
    ("drift.py", "check"): "Python: drift guard",
    ("catalogue.py", "refresh"): "Python: canonical values, credits, changes",
    ("apply.py", "_write_sources"): "Python: match and link",
    ("work.py", "work"): "Python: the rest of a page",
}
"""The innermost of these functions (file, name) on the stack says what is being done."""


class Sampler:
    """Looks what this process does, within the ``with`` block; ``seen`` has the seconds of each step.

    A signal stops whatever runs, Python or not. A thread that looks on would have to wait for the interpreter, which is
    free while the database is waited for, and see little else. The time since the last look counts for what is seen
    now: a signal that comes during a call is heard at its end.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._looked_at = 0.0

    def __enter__(self) -> Self:
        signal.signal(signal.SIGALRM, self._look)
        self._looked_at = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        if step := step_of(frame):
            self.seen[step] += now - self._looked_at
        self._looked_at = now


def step_of(frame: FrameType | None) -> str | None:
    """Return what is being done by the innermost frame that says so; ``None`` outside of a fetch."""
    while frame is not None:
        place = (frame.f_code.co_filename.rsplit("/", 1)[-1], frame.f_code.co_name)
        if place == ("sql.py", "copy"):
            return f"PostgreSQL: COPY into {frame.f_locals['table'].removeprefix('musicsync_')}"
        if place in _STEPS:
            return _STEPS[place]
        frame = frame.f_back
    return None


def main() -> None:
    """Import, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--tracks", type=int, default=50_000)
    tracks = parser.parse_args().tracks
    with staged(tracks, processes=1) as stage:
        stage.warm()
        began, used = time.monotonic(), time.process_time()
        with Sampler() as sampler:
            _import(stage.url)
        seconds, used = time.monotonic() - began, time.process_time() - used
    rows = [
        [step, f"{taken * _MICROSECONDS / tracks:.1f}", f"{taken / seconds:.0%}"]
        for step, taken in sampler.seen.most_common()
    ]
    each, of_python = (_MICROSECONDS * spent / tracks for spent in (seconds, used))
    said = f"{tracks:,} tracks, {each:.0f} µs each, of them {of_python:.0f} of Python's CPU."
    write_part("profile", f"{machine()}. {said}\n\n{table(('step', 'µs a track', 'share'), rows)}")
    print(said)


def _import(url: str) -> None:
    from django.db import connection  # noqa: PLC0415 - after the set-up

    from musicsync.models import Budget, Provider, Run, Scope  # noqa: PLC0415 - after the set-up
    from musicsync.sync import fetches, runs, work  # noqa: PLC0415 - after the set-up
    from project.celery import forget_statements, prepare_statements, spare_the_collector  # noqa: PLC0415 - after the set-up

    forget_statements()
    prepare_statements()
    connection.close()
    spare_the_collector()
    budget = Budget.objects.create(name="feed", rate=10_000, burst=1000)
    provider = Provider.objects.create(
        slug="feed", adapter="feed", base_url=url, allow_private=True, budget=budget, enabled=False
    )
    Scope.objects.create(provider=provider, kind="feed")
    run = runs.open_run(provider, "full", Run.Trigger.CLI)
    owed = fetches.fill_window(run.pk, provider.window)
    while owed:
        owed += work.work(owed.pop(0), send_ahead=owed.extend).send


if __name__ == "__main__":
    main()
