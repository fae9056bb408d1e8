"""Fixtures of the tests that break real processes: `stack.py` is what they break, `table.py` what is written of it."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults import compare, table
from tests.faults.stack import Sandbox, Stack, copied, environment_of, looking_at
from tests.helpers import ROOT
from tests.servers import PostgresServer, RedisServer, Server
from tests.settings import TEST_VAR

FaultFree = Callable[..., compare.Outcome]
NewStack = Callable[..., Stack]

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-table", type=Path, metavar="FILE", help="write the measured recovery times into the table of this file"
    )


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a PostgreSQL that is migrated and has nothing in it, to be copied."""
    folder = TEST_VAR / "faults" / "template"
    with PostgresServer(folder) as server:
        env = environment_of(folder, server.url, "memory://")
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=300)
    return folder


@pytest.fixture
def new_stack(migrated: Path, django_db_blocker: Any) -> Iterator[NewStack]:
    """What makes the stack of a test.

    `sandbox` are the options of its command line, `broker` a server that is not started yet (its own Redis if it is not
    given) or one that others share, `postgres` the options of `PostgresServer`.
    """
    with ExitStack() as ends:

        def make(*sandbox: str, broker: Server | None = None, **postgres: Any) -> Stack:
            folder = TEST_VAR / "faults" / str(next(_numbers))
            player = Sandbox(folder / "sandbox", *sandbox)
            ends.callback(player.kill)
            player.start()
            queue = broker or _redis(folder / "redis", ends)
            database = copied(migrated, postgres.pop("folder", folder / "postgres"), **postgres)
            ends.callback(database.kill)
            stack = Stack(folder, database, queue, player)
            ends.enter_context(django_db_blocker.unblock())
            ends.enter_context(looking_at(database.url))
            # Shown where the test fails.
            ends.callback(lambda: sys.stdout.write(stack.logs()))
            ends.callback(stack.close)
            return stack

        yield make


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    """A stack on a Redis, with a sandbox of 1,000 tracks a provider that has no limits."""
    return new_stack("--tracks", "1000", "--no-limits")


def _redis(folder: Path, ends: ExitStack) -> RedisServer:
    if missing := RedisServer.missing():
        pytest.skip(missing)
    server = RedisServer(folder)
    ends.callback(server.kill)
    server.start()
    return server


@pytest.fixture(scope="session")
def fault_free(migrated: Path, django_db_blocker: Any) -> FaultFree:
    """What runs of the adapters over a sandbox come to where nothing goes wrong; worked out once for each sandbox."""
    known: dict[tuple[Any, ...], compare.Outcome] = {}

    def outcome(*adapters: str, tracks: int = 1000, generations: int = 0) -> compare.Outcome:
        key = (*adapters, tracks, generations)
        if key not in known:
            server = copied(migrated, TEST_VAR / "faults" / f"fault-free-{len(known)}")
            try:
                with django_db_blocker.unblock(), looking_at(server.url):
                    known[key] = compare.undisturbed(adapters, tracks, generations)
            finally:
                server.kill()
        return known[key]

    return outcome


@pytest.fixture
def recovers(request: pytest.FixtureRequest) -> table.Recovers:
    """Waits for what a promise says, and notes for the table how long that took."""
    return table.Recovers(request.config.stash[table.MEASURED], request.node.nodeid)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[table.MEASURED] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what a process of pytest-xdist has measured."""
    node.config.stash[table.MEASURED] += [table.Measured(*row) for row in node.workeroutput.get("measured", [])]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config, measured = session.config, session.config.stash[table.MEASURED]
    if hasattr(config, "workeroutput"):
        config.workeroutput["measured"] = [tuple(row) for row in measured]
        return
    path = config.getoption("--write-table", default=None)
    if path and exitstatus == pytest.ExitCode.OK:
        table.write(path, measured)
