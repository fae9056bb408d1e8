"""What tests of real processes share."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def wait_until(condition: Callable[[], object], limit: float = 60.0) -> None:
    """Return as soon as the condition holds; fail the test after `limit` seconds.

    The limit costs nothing where the condition holds. It is far above what a slow machine needs to start processes, and
    shorter only where a test is about the time itself.
    """
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"still not so after {limit} s: {condition.__qualname__}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str], log: Path, ready: str, limit: float = 120.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, its output in `log`, from the moment that `ready` stands there; end it by SIGTERM afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: ready in log.read_text(errors="replace") or process.poll() is not None, limit)
        assert process.poll() is None, f"{command} ended: {log.read_text(errors='replace')}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def worker_command(*options: str) -> list[str]:
    """Give the command line of a real worker; it is ready when its log says `ready.`."""
    return [sys.executable, "-m", "celery", "-A", "project", "worker", "--concurrency", "2", *options]
