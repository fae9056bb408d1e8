"""Where the time of a first import goes: one process, its stack looked at hundreds of times a second.

``python -m benchmarks.profile [--tracks 50000]`` imports a bulk feed without Celery, so that one process does all the
work, and writes into ``docs/benchmarks.md`` how many microseconds of a track each step took, PostgreSQL's by table.
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import sys
import threading
import time
from collections import Counter
from types import FrameType

from benchmarks.report import machine, table, write_part
from benchmarks.stage import staged

_LOOK_SECONDS = 0.002
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


class Sampler(threading.Thread):
    """Looks what the main thread does, from its start until it is stopped; ``seen`` counts the steps."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: Counter[str] = Counter()
        self._main = threading.main_thread().ident
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._ended.wait(_LOOK_SECONDS):
            frame = sys._current_frames().get(self._main or 0)  # noqa: SLF001 - the interpreter's way to look
            if step := step_of(frame):
                self.seen[step] += 1

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()


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
        sampler = Sampler()
        began, used = time.monotonic(), time.process_time()
        sampler.start()
        _import(stage.url)
        sampler.stop()
        seconds, used = time.monotonic() - began, time.process_time() - used
    total = sum(sampler.seen.values())
    rows = [
        [step, f"{count / total * seconds * _MICROSECONDS / tracks:.1f}", f"{count / total:.0%}"]
        for step, count in sampler.seen.most_common()
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
