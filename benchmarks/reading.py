"""How long each reading takes that a person does, over a catalogue of a million tracks.

``python -m benchmarks.reading [--tracks 1000000] [--times 9]`` fills a private PostgreSQL and reads every page of the
admin, the change feed and what the commands list, through the views that people see. Of readings that are alike
(the filters of a list, say) it writes the slowest into ``docs/benchmarks.md``, and prints all of them:

median, worst
    of so many times, after one that warms up: statements, and the page's rendering
CPU
    of this process, in the mean: what rendering takes, where other programs keep the machine busy
PostgreSQL
    how long statements took, at the median of the times
"""

# ruff: noqa: T201 (the terminal is where this speaks)
import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.report import machine, table, write_part
from benchmarks.stage import alone

if TYPE_CHECKING:
    from benchmarks.readings import Reading

GOAL_MS = 100
_HEADS = ("what", "readings", "slowest of them", "median, ms", "worst", "CPU", "PostgreSQL", "statements", "rows")


class Found(msgspec.Struct, frozen=True):
    """What one reading took, in ms."""

    group: str
    name: str
    median: float
    worst: float
    cpu: float
    database: float
    statements: int
    rows: int


def main() -> None:
    """Fill, read, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=9, help="how often each is read")
    options = parser.parse_args()
    with alone():
        found = _measure(options.tracks, options.times)
    write_part("reading", _report(found, options.tracks, options.times))


def _measure(tracks: int, times: int) -> list[Found]:
    from django.contrib.auth.models import User  # noqa: PLC0415 - after the set-up
    from django.db import connection, transaction  # noqa: PLC0415 - the same
    from django.test import Client, override_settings  # noqa: PLC0415 - the same

    from benchmarks import filling, readings  # noqa: PLC0415 - the same

    with transaction.atomic():
        filling.fill(filling.of(tracks))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # as autovacuum does within minutes; not within a transaction
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    with override_settings(DEBUG=False, ALLOWED_HOSTS=["testserver"]):
        found = []
        for reading in readings.readings(client.get):
            found.append(_timed(reading, times))
            print(" | ".join([reading.name, *_row(found[-1])]), flush=True)
    return found


def _timed(reading: "Reading", times: int) -> Found:
    from django.db import connection  # noqa: PLC0415 - after the set-up
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415 - the same

    with CaptureQueriesContext(connection) as captured:
        rows = reading.read()
    statements = len(captured)
    took, database = [], []
    cpu = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        with connection.execute_wrapper(waiting := _Waiting()):
            reading.read()
        took.append(1000 * (time.perf_counter() - began))
        database.append(1000 * waiting.seconds)
    cpu = 1000 * (time.process_time() - cpu) / times
    median, waited = statistics.median(took), statistics.median(database)
    return Found(reading.group, reading.name, median, max(took), cpu, waited, statements, rows)


class _Waiting:
    """How long statements took, as Django's wrapper of them."""

    seconds = 0.0

    def __call__(self, execute: Callable[..., Any], *given: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*given)
        finally:
            self.seconds += time.perf_counter() - began


def _report(found: list[Found], tracks: int, times: int) -> str:
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    rows = []
    for group, alike in groups.items():
        slowest = max(alike, key=lambda one: one.median)
        rows.append([group, str(len(alike)), slowest.name, *_row(slowest)])
    slow = sum(one.median > GOAL_MS for one in found)
    waiting = [f"{one.group}, {one.name}" for one in found if one.database > GOAL_MS]
    said = (
        f"{len(found)} readings over {tracks:,} tracks, {times} times each. Above {GOAL_MS} ms at the median: {slow}; "
        f"in PostgreSQL alone: {len(waiting)}{': ' + '; '.join(waiting) if waiting else ''}."
    )
    return f"{machine()}. {said}\n\n{table(_HEADS, rows)}"


def _row(one: Found) -> list[str]:
    return [
        f"{one.median:.0f}",
        f"{one.worst:.0f}",
        f"{one.cpu:.0f}",
        f"{one.database:.0f}",
        str(one.statements),
        f"{one.rows:,}",
    ]


if __name__ == "__main__":
    main()
