"""What a benchmark runs on: private servers in a folder of its own, the sandbox, and a worker of two processes."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
import requests
from redis import Redis

from benchmarks.metering import Roots
from sandbox.demo.children import Children

_START_LIMIT_SECONDS = 60
_LIMIT_SECONDS = 3600
_PORT_LINE = "http://"
_PAGE = 1000
_BYTES_A_TRACK = 100
"""What a track takes of the sandbox's memory, compressed, with some room."""


class _Page(msgspec.Struct):
    next: str | None = None


class Stage:
    """Servers, sandbox and worker; ``tracks`` is how many the feed has."""

    def __init__(self, folder: Path, children: Children, tracks: int, url: str) -> None:
        self.folder, self.tracks, self.url = folder, tracks, url
        self._children = children

    @property
    def broker(self) -> str:
        """The URL of the private broker."""
        from django.conf import settings  # noqa: PLC0415 - after the set-up

        url: str = settings.CELERY_BROKER_URL
        return url

    @property
    def database(self) -> str:
        """The URL of musicsync's own database."""
        from django.db import connection  # noqa: PLC0415 - after the set-up

        found = connection.settings_dict
        return f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}"

    def parts(self) -> dict[str, Roots]:
        """Return what there is to measure, each part by the numbers of its root processes."""
        redis: int = Redis(unix_socket_path=self.broker.partition("://")[2].partition("?")[0]).info("server")[
            "process_id"
        ]
        postgres = int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        return {
            "worker": lambda: [self._children.pid("worker")],
            "PostgreSQL": lambda: [postgres],
            "broker": lambda: [redis],
            "sandbox": lambda: [self._children.pid("sandbox")],
        }

    def worker_processes(self) -> list[psutil.Process]:
        """Return the processes of the worker that do the work."""
        return psutil.Process(self._children.pid("worker")).children()

    def control(self, path: str, body: Any = None) -> Any:
        """Ask the sandbox itself; with a body it is told something.

        Raises:
            requests.HTTPError: it refused.
        """
        url = f"{self.url}/control/{path}"
        method = "GET" if body is None else "POST"
        answer = requests.request(method, url, json=body, timeout=_LIMIT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def warm(self) -> None:
        """Read the whole feed once: the sandbox makes its pages when they are first asked for."""
        session, cursor = requests.Session(), ""
        while cursor is not None:
            params = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            body = session.get(f"{self.url}/feed/tracks", params=params, timeout=_START_LIMIT_SECONDS).content
            cursor = msgspec.json.decode(body, type=_Page).next

    def new_database(self, name: str) -> str:
        """Make an empty database on the same server, in the place of one of that name; return its URL."""
        from django.db import connection  # noqa: PLC0415 - after the set-up

        host = connection.settings_dict["HOST"]
        with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            server.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://postgres@/{name}?host={host}"


@contextmanager
def alone() -> Iterator[Path]:
    """Set up Django on private servers in a folder of its own, and make the tables; the folder goes at the end.

    Once in a process, and before anything in it asks for a setting: they are read once.
    """
    folder = Path(tempfile.mkdtemp(prefix="musicsync-bench-"))
    os.environ |= {
        "MUSICSYNC_VAR": str(folder),
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "MUSICSYNC_CONTACT": "benchmarks@localhost",
    }
    try:
        import django  # noqa: PLC0415 - its settings start the private servers in the folder chosen above
        from django.conf import settings  # noqa: PLC0415 - the same

        if settings.configured:
            raise RuntimeError("the settings were read before: the benchmark would write into another database")
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 - after the set-up

        call_command("migrate", verbosity=0)
        yield folder
    finally:
        from project import embedded  # noqa: PLC0415 - after the set-up: it reads the settings

        # Before their folder goes, without which nobody finds them.
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def staged(tracks: int, *sandbox: str, processes: int = 2) -> Iterator[Stage]:
    """Start a sandbox (without limits unless options say) and a worker on private servers, as ``alone`` has them."""
    memory = str(64 + tracks * _BYTES_A_TRACK // 1_000_000)
    with alone() as folder, Children(folder) as children:
        options = ["--tracks", str(tracks), "--port", "0", "--feed-memory", memory]
        children.start("sandbox", [sys.executable, "-m", "sandbox", *options, *(sandbox or ("--no-limits",))])
        worker = ["celery", "-A", "project", "worker", "--concurrency", str(processes)]
        children.start("worker", [sys.executable, "-m", *worker, "--loglevel", "INFO"])
        line = children.wait_for("sandbox", _PORT_LINE, _START_LIMIT_SECONDS)
        children.wait_for("worker", "ready.", _START_LIMIT_SECONDS)
        yield Stage(folder, children, tracks, next(word for word in line.split() if word.startswith(_PORT_LINE)))
