"""The naive design in Celery: one task for each track, which looks whether the track is there and writes it."""

import os
import subprocess
import sys
import time

from celery import Celery

from benchmarks.peers import common

_BROKER_VARIABLE = "BENCHMARK_BROKER"
_LOOK_SECONDS = 0.05
_START_SECONDS = 30.0

app = Celery("task_per_track", broker=os.environ.get(_BROKER_VARIABLE))
# A key of its own, so that nothing of another application on this broker is read.
app.conf.update(task_default_queue="task-per-track", task_ignore_result=True, worker_hijack_root_logger=False)


# By a name that is the same where this file is run as a program.
@app.task(name="save-a-track")
def save(row: common.Item) -> None:
    """Write one track."""
    from benchmarks.peers.flat_model import Track  # noqa: PLC0415 - in the worker, which was told of the database

    Track.objects.update_or_create(id=row.pop("id"), defaults=row)


def main() -> None:
    """Start a worker of two processes, send it a task for each track and wait until all are written."""
    options = common.arguments()
    os.environ |= {"BENCHMARK_DATABASE": options.database, _BROKER_VARIABLE: options.broker}
    app.conf.broker_url = options.broker
    from benchmarks.peers.flat_model import Track, make_table  # noqa: PLC0415 - it connects to the database named above

    make_table()
    module = "benchmarks.peers.task_per_track"
    command = [sys.executable, "-m", "celery", "-A", module, "worker", "--concurrency", "2", "--loglevel", "CRITICAL"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def sync() -> None:
        for items in common.pages(options.feed, options.tracks):
            for item in items:
                save.delay(common.flat(item))
        while Track.objects.count() < options.tracks:
            time.sleep(_LOOK_SECONDS)

    try:
        limit = time.monotonic() + _START_SECONDS
        while not app.control.ping(timeout=0.5) and time.monotonic() < limit:
            pass
        common.measure("Celery, one task per track", options.tracks, sync)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
