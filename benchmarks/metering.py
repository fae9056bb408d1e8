"""CPU time and memory of the parts of a running system, by the trees of their processes."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import psutil

_LOOK_SECONDS = 0.5
_MEGABYTE = 1_000_000
Roots = Callable[[], Iterable[int]]


class Usage(NamedTuple):
    """CPU seconds; the most memory of all processes together, shared pages once, and of the largest alone, in MB."""

    cpu: float
    together: float
    largest: float


class Meter:
    """Measures, from the beginning to the end of its ``with`` block, the parts named: each by its root processes."""

    def __init__(self, parts: Mapping[str, Roots]) -> None:
        self._parts = parts
        self._began: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._together = dict.fromkeys(parts, 0.0)
        self._largest = dict.fromkeys(parts, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._began = {part: sum(map(_cpu, _tree(roots()))) for part, roots in self._parts.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def usage(self) -> dict[str, Usage]:
        """Return what each part used."""
        return {
            part: Usage(self._seen[part] - self._began[part], self._together[part], self._largest[part])
            for part in self._parts
        }

    def _watch(self) -> None:
        self._look()
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for part, roots in self._parts.items():
            processes = _tree(roots())
            sizes = [_memory(process) for process in processes]
            # A part whose processes have ended keeps what it had used by then.
            self._seen[part] = max(self._seen.get(part, 0.0), sum(map(_cpu, processes)))
            self._together[part] = max(self._together[part], sum(size[0] for size in sizes))
            self._largest[part] = max([self._largest[part], *(size[1] for size in sizes)])


def _tree(roots: Iterable[int]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for root in roots:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(root)
            found += [process, *process.children(recursive=True)]
    return found


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return 0.0


def _memory(process: psutil.Process) -> tuple[float, float]:
    """Return the memory in MB with shared pages counted in part, and in whole."""
    with contextlib.suppress(psutil.Error):
        whole = process.memory_info().rss / _MEGABYTE
        with contextlib.suppress(psutil.AccessDenied):
            return getattr(process.memory_full_info(), "pss", process.memory_info().rss) / _MEGABYTE, whole
        return whole, whole
    return 0.0, 0.0
