"""A PostgreSQL that is frozen, restarted, full or out of connections while runs are under way."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg
import pytest
import redis

from musicsync.models import Fetch
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.going import ALL, CATCH_UP_SECONDS, LIMITS, SANDBOX, Going
from tests.faults.table import Recovers
from tests.servers import RedisServer
from tests.settings import TEST_VAR

FROZEN_SECONDS = 30
HELD_SECONDS = 30
"""Longer than a process waits for the database before it begins on a fetch."""
FULL_SECONDS = 10
SPACE = "160m"
"""Room for an empty database and the write-ahead log of a small run."""


@pytest.mark.slow
def test_a_postgresql_that_is_frozen(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    going = Going(new_stack(*SANDBOX))
    going.begin()
    going.stack.postgres.freeze()
    time.sleep(FROZEN_SECONDS)
    going.stack.postgres.thaw()
    recovers(
        f"PostgreSQL is frozen (SIGSTOP) for {FROZEN_SECONDS} s during a run",
        "the run goes on as soon as it answers",
        going.catches_up(),
        within=30,
    )
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_postgresql_that_is_restarted(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    going = Going(new_stack("--tracks", "2000", *LIMITS))
    going.begin()
    for how, number in (("in order", SIGINT), ("at once, as after a crash", SIGQUIT)):
        going.stack.postgres.stop(number)
        going.stack.postgres.start()
        recovers(
            f"PostgreSQL is restarted {how}, during a run",
            "the run goes on as soon as it answers; no failure is counted",
            going.catches_up(),
            within=30,
        )
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL, tracks=2000))
    assert not Fetch.objects.filter(failures__gt=0).exists()


@pytest.mark.slow
def test_a_postgresql_that_has_no_connection_left(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, options={"max_connections": "30", "superuser_reserved_connections": "0"}))
    going.begin()
    with every_connection_taken(going.stack.postgres.url):
        time.sleep(HELD_SECONDS)
    recovers(
        f'PostgreSQL has "too many connections" for {HELD_SECONDS} s during a run',
        "the run goes on as soon as there are some",
        going.catches_up(),
        within=30,
    )
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@contextmanager
def every_connection_taken(url: str) -> Iterator[None]:
    """Hold all connections of a server: those that others have are ended, and the test is quicker than they are."""
    with ExitStack() as held:
        first = held.enter_context(psycopg.connect(url, autocommit=True))
        end = time.monotonic() + 10
        refused = 0
        while refused < 3:
            assert time.monotonic() < end, "connections are left after 10 s"
            first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND application_name <> 'taken' AND pid <> pg_backend_pid()"
            )
            try:
                held.enter_context(psycopg.connect(url, application_name="taken"))
                refused = 0
            except psycopg.OperationalError:
                refused += 1
        yield


@pytest.mark.slow
def test_a_postgresql_whose_disk_is_full(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    with small_disk(SPACE) as disk:
        going = Going(
            new_stack(
                "--tracks",
                "2000",
                *LIMITS,
                folder=disk / "postgres",
                log=TEST_VAR / "full.log",
                options={"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_recycle": "off", "wal_init_zero": "off"},
            )
        )
        going.begin()
        ballast = disk / "ballast"
        fill(ballast)
        time.sleep(FULL_SECONDS)
        assert "No space left on device" in going.stack.postgres.log.read_text(errors="replace")
        ballast.unlink()
        if going.stack.postgres.has_ended():
            going.stack.postgres.start()
        recovers(
            "PostgreSQL's disk is full for a while during a run",
            "the run goes on as soon as there is room",
            going.catches_up(),
            within=60,
        )
        going.assert_ends_as_if_nothing_happened(fault_free(*ALL, tracks=2000))
        going.stack.close()


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Give a file system of its own that is this large; the test is skipped where this user may not mount one."""
    folder = TEST_VAR / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("needs root, to mount a small file system for PostgreSQL to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def fill(path: Path) -> None:
    """Write to a file until there is no room."""
    block = b"\0" * 65536
    with path.open("wb", buffering=0) as file:
        for size in (len(block), 512):
            try:
                while True:
                    file.write(block[:size])
            except OSError:
                continue


@pytest.mark.slow
def test_a_redis_that_has_no_memory_left(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "redis", maxmemory="8mb") as broker:
        going = Going(new_stack(*SANDBOX, broker=broker))
        going.begin()
        with redis.Redis.from_url(broker.url) as client:
            own = fill_memory(client, FULL_SECONDS)
            refused = client.info("errorstats")["errorstat_OOM"]["count"]
            client.delete("ballast")
        assert refused > own
        recovers(
            "Redis is at its `maxmemory` during a run",
            "the run goes on as soon as there is room: messages that were not taken are sent again",
            going.catches_up(),
            within=CATCH_UP_SECONDS,
        )
        going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


def fill_memory(client: redis.Redis, seconds: float) -> int:
    """Take whatever memory is free for this long; return how often that was refused."""
    end = time.monotonic() + seconds
    refused = 0
    while time.monotonic() < end:
        for size in (100_000, 1000, 10):
            with suppress(redis.OutOfMemoryError):
                while True:
                    client.rpush("ballast", "x" * size)
            refused += 1
        time.sleep(0.1)
    return refused
