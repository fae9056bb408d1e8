"""A worker that is told to stop finishes what it holds, or gives it back; one that vanishes is noticed."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from musicsync.models import Failure, Fetch, Run, Worker
from musicsync.sync import fetches, runs, workers
from tests.helpers import running, wait_until, worker_command
from tests.integration.driving import control, follow
from tests.integration.paging import lease, open_run, provider
from tests.integration.working import Broker
from tests.unit.sandbox.serving import serve


@pytest.fixture
def env(process_env: dict[str, str]) -> dict[str, str]:
    return process_env | {"MUSICSYNC_CONTACT": "tests@localhost"}


def held() -> int:
    return Fetch.objects.filter(status="leased", started_at__lt=timezone.now() - timedelta(seconds=0.5)).count()


def start(base: str, env: dict[str, str]) -> Run:
    run = runs.open_run(follow(base, "deezer"), "full", "cli")
    Broker(env).sweep()
    return run


def test_processes_that_are_told_to_stop_give_back_what_they_hold(env: dict[str, str], tmp_path: Path) -> None:
    with serve(100) as base:
        control(base, "faults", json=[{"kind": "slow", "bytes_per_second": 1}])
        with running(worker_command("--loglevel", "INFO"), env, tmp_path / "worker.log", "ready.") as process:
            start(base, env)
            wait_until(lambda: held() == 2)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            process.terminate()
            for child in children:
                os.kill(int(child), signal.SIGTERM)
            process.wait(60)
    given_back = Fetch.objects.filter(status="waiting")
    assert {(row.error, row.failures, row.crashes) for row in given_back} == {("its worker was told to stop", 0, 0)}
    assert given_back.count() == 2
    assert not Fetch.objects.filter(status="leased").exists()
    assert not Failure.objects.exists()
    assert not Worker.objects.exists()


def test_a_worker_that_is_told_to_stop_finishes_a_page(env: dict[str, str], tmp_path: Path) -> None:
    with serve(100) as base:
        control(base, "faults", json=[{"kind": "latency", "ms": 10_000, "count": 2}])
        with running(worker_command("--loglevel", "INFO"), env, tmp_path / "worker.log", "ready.") as process:
            start(base, env)
            wait_until(lambda: held() == 2)
            at_work = list(Fetch.objects.filter(status="leased").values_list("pk", flat=True))
            process.terminate()
            process.wait(60)
    assert set(Fetch.objects.filter(pk__in=at_work).values_list("status", "attempts")) == {("applied", 1)}
    assert not Fetch.objects.filter(status="leased").exists()
    assert not Failure.objects.exists()


def test_a_worker_says_that_it_is_there(env: dict[str, str], tmp_path: Path) -> None:
    with running(worker_command("--loglevel", "INFO"), env, tmp_path / "worker.log", "ready.") as process:
        first = Worker.objects.get()
        assert first.name.startswith("celery@")
        wait_until(lambda: Worker.objects.get().seen_at > first.seen_at)
        process.kill()
        process.wait()
    assert Worker.objects.exists()


@pytest.mark.django_db
def test_what_a_vanished_worker_held_is_taken_back() -> None:
    run = open_run(provider("one"), ["a", "b"])
    gone = Worker.objects.create(name="celery@gone")
    alive = Worker.objects.create(name="celery@alive")
    for key, worker in (("a", gone), ("b", alive)):
        Fetch.objects.filter(pk=lease(run, key).id).update(worker=worker)
    assert fetches.repair().taken_back == 0
    Worker.objects.filter(pk=gone.pk).update(seen_at=timezone.now() - timedelta(seconds=workers.LOST_SECONDS))
    assert fetches.repair().taken_back == 1
    assert dict(run.fetches.values_list("key", "status")) == {"a": "waiting", "b": "leased"}
    assert workers.bury_lost() == ["celery@gone"]


@pytest.mark.django_db
def test_a_worker_that_is_not_heard_of_itself_judges_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(provider("one"), ["a"])
    both = [Worker.objects.create(name=name) for name in ("celery@one", "celery@two")]
    Fetch.objects.filter(pk=lease(run, "a").id).update(worker=both[0])
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    monkeypatch.setattr(workers, "_current", [both[1].pk])
    assert fetches.repair().taken_back == 0
    assert workers.bury_lost() == []
    workers.beat("celery@two")
    assert fetches.repair().taken_back == 1


@pytest.mark.django_db
def test_a_worker_that_starts_again_gives_up_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_current", [])
    run = open_run(provider("one"), ["a"])
    workers.register("celery@one")
    lease(run, "a")
    workers.register("celery@one")
    assert fetches.repair().taken_back == 1
    workers.leave()
    assert not Worker.objects.exists()
