"""The table of `docs/operations.md`: for each fault the promise, how long recovery took, and the test that shows it."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers import wait_until

BEGIN, END = "<!-- faults: written by make faults -->", "<!-- faults end -->"


class Measured(NamedTuple):
    """How long it took until a promise held, in seconds, by which test."""

    fault: str
    promise: str
    seconds: float
    test: str


MEASURED = pytest.StashKey[list[Measured]]()


class Recovers:
    """Called with a fault and its promise: waits until the condition holds, and notes how long that took."""

    def __init__(self, measured: list[Measured], test: str) -> None:
        self._measured, self._test = measured, test.rpartition("tests/")[2]

    def __call__(
        self, fault: str, promise: str, condition: Callable[[], object], *, within: float, since: float | None = None
    ) -> float:
        """Return the seconds from `since` (of the monotonic clock; now if not given) until the condition held.

        The test fails where they are more than `within`.
        """
        begun = time.monotonic() if since is None else since
        wait_until(condition, begun + within - time.monotonic())
        seconds = time.monotonic() - begun
        self.note(fault, promise, seconds)
        return seconds

    def note(self, fault: str, promise: str, seconds: float) -> None:
        """Note what was measured otherwise."""
        self._measured.append(Measured(fault, promise, seconds, self._test))


def write(path: Path, measured: list[Measured]) -> None:
    """Replace the rows between the two marks of the file; of what was measured more than once, the slowest counts."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{path} has no line {BEGIN}"
    assert end, f"{path} has no line {END}"
    path.write_text(f"{before}{BEGIN}\n{_rows(measured)}{END}{after}")


def _rows(measured: list[Measured]) -> str:
    slowest: dict[tuple[str, str, str], float] = {}
    for row in measured:
        key = (row.fault, row.promise, row.test)
        slowest[key] = max(row.seconds, slowest.get(key, 0.0))
    lines = ["| fault | promise | measured recovery | test |", "|---|---|---|---|"]
    lines += [
        f"| {fault} | {promise} | {math.ceil(seconds)} s | `{test}` |"
        for (fault, promise, test), seconds in sorted(slowest.items(), key=lambda row: row[0][2])
    ]
    return "\n".join(lines) + "\n"
