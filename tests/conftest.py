"""Fixtures for every test: private servers in a folder of this run, never the user's own `var/`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection
from kombu import Connection

from project import brokers, embedded
from tests.helpers import wait_until
from tests.servers import RabbitServer
from tests.settings import PRIVATE_DATABASE, TEST_VAR


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Start the private PostgreSQL before pytest-django makes its test database, unless DATABASE_URL names another."""
    if PRIVATE_DATABASE:
        embedded.start(TEST_VAR, with_postgres=True, broker=None)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Path]:
    """The socket of a Redis that is this run's own."""
    program = embedded.redis_program()
    if program is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    path = TEST_VAR / "test-redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(TEST_VAR)]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _redis_answers(path) or server.poll() is not None)
        assert server.poll() is None, f"{program} ended"
        yield path
    finally:
        server.terminate()
        server.wait(60)


def _redis_answers(path: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def redis_url(redis_server: Path) -> str:
    """The URL of an empty, real Redis, as CELERY_BROKER_URL takes it."""
    with redis.Redis(unix_socket_path=str(redis_server)) as client:
        client.flushall()
    return f"redis+socket://{redis_server}?virtual_host=0"


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """A RabbitMQ that the tests of a session share."""
    if missing := RabbitServer.missing():
        pytest.skip(missing)
    with RabbitServer(TEST_VAR / "rabbit") as server:
        yield server


@pytest.fixture
def rabbit_env(rabbit: RabbitServer, process_env: dict[str, str]) -> dict[str, str]:
    """The environment for real processes on the test database and the RabbitMQ, with empty queues."""
    url = rabbit.url
    with Connection(url) as connection:
        names = [brokers.queue_name(url, base) for base in brokers.NAMES]
        for name in [*names, *brokers.former_queues(), brokers.DEAD]:
            connection.default_channel.queue_delete(name)
    return process_env | {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": ""}


@pytest.fixture
def process_env(transactional_db: None, redis_url: str) -> dict[str, str]:
    """The environment for real processes (worker, beat, manage.py) on the test database and an empty Redis."""
    database = connection.settings_dict
    host = database["HOST"] or "localhost"
    options = {"host": host, "user": database["USER"], "password": database["PASSWORD"], "port": database["PORT"]}
    query = "&".join(f"{name}={value}" for name, value in options.items() if value)
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"postgres:///{database['NAME']}?{query}",
        "CELERY_BROKER_URL": redis_url,
        "CELERY_RESULT_BACKEND": redis_url,
        "PATH": os.environ.get("PATH", os.defpath),
    }


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose path is short enough for the sockets of servers in it."""
    folder = TEST_VAR / "short"
    folder.mkdir()
    yield folder

    def removed() -> bool:
        # A server that is stopping still removes files of its own.
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(removed, limit=60)
