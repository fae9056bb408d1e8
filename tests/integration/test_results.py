"""The results of tasks in Redis, with a real worker: those of two tasks, for a day."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from musicsync import tasks
from musicsync.models import Run
from tests.helpers import wait_until
from tests.integration.paging import open_run, provider
from tests.integration.working import worker


def test_what_started_and_what_finished_a_run_is_kept_for_a_day(
    process_env: dict[str, str], redis_server: Path, tmp_path: Path
) -> None:
    run = open_run(provider("one"))
    off = provider("two", enabled=False)
    kept: dict[str, Any] = {}

    def both_are_there() -> bool:
        with redis.Redis(unix_socket_path=str(redis_server)) as client:
            for key in client.scan_iter("celery-task-meta-*"):
                kept[key.decode()] = json.loads(client.get(key) or b"{}") | {"ttl": client.ttl(key)}
        return sum(result["status"] == "SUCCESS" for result in kept.values()) >= 2

    with worker(process_env, tmp_path / "worker.log") as broker:
        started = broker.send(tasks.start_run.name, off.slug, "incremental")
        broker.sweep()
        wait_until(lambda: Run.objects.get(pk=run.pk).finished_at)
        wait_until(both_are_there)

    log = (tmp_path / "worker.log").read_text()
    assert "Task musicsync.tasks.sweep[" in log
    assert len(kept) == 2
    assert f"celery-task-meta-{started}" in kept
    assert all(0 < result["ttl"] <= timedelta(hours=24).total_seconds() for result in kept.values())
