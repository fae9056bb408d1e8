"""The processes that the demo starts, each with its log, and stops however it ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_LIMIT_SECONDS = 15
_LOOK_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo cannot go on. The text is one line for a person."""


def _end_with_parent() -> None:
    """Let Linux end this process with the demo, even where that is killed; other systems have no such call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """Processes that end with the ``with`` block. Each leads a group of its own, so that Ctrl-C is the demo's alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a program; its output goes to ``NAME.log``."""
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, and this process has one thread
            )

    def wait_for(self, name: str, text: str, seconds: float) -> str:
        """Return the line of the child's log that holds the text, as soon as it is there.

        Raises:
            DemoError: the child ended first, or the line did not come in time; the text names the log.
        """
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for line in self.log(name).read_text(errors="replace").splitlines():
                if text in line:
                    return line
            self.check()
            time.sleep(_LOOK_SECONDS)
        raise DemoError(f"the {name} did not start within {seconds:.0f} s: read {self.log(name)}")

    def check(self) -> None:
        """Raise DemoError, which names the log to read, where a child has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise DemoError(f"the {name} ended (exit code {process.returncode}): read {self.log(name)}")

    def stop(self) -> None:
        """End all of them: asked at once, and those that take too long by force, with whatever they started."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        limit = time.monotonic() + _STOP_LIMIT_SECONDS
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, limit - time.monotonic()))
            # The group outlives its leader where that was killed.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def pid(self, name: str) -> int:
        """Return the number of the child's process."""
        return self._running[name].pid

    def log(self, name: str) -> Path:
        """Return where the child's output goes."""
        return self._folder / f"{name}.log"
