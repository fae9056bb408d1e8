"""A whole musicsync in processes of its own: PostgreSQL, a broker, a provider, workers and beat.

Each of them can be killed, stopped and frozen while a run is under way. The test itself looks at the same database by
the ORM. Everything ends with the test.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

from django.db import Error, connection
from django_celery_beat.models import PeriodicTask

from musicsync.models import Provider, Run
from project import environment
from tests.helpers import ROOT, wait_until, worker_command
from tests.integration.driving import control, follow
from tests.servers import PostgresServer, Program, Server, accepts, free_port

BEAT_COMMAND = [sys.executable, "-m", "celery", "-A", "project", "beat", "--loglevel", "INFO"]


class Sandbox(Program):
    """A provider of the sandbox; `options` are those of its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._options = options

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._launch([sys.executable, "-m", "sandbox", "--port", str(self.port), *self._options], cwd=ROOT)
        self._wait_until_ready(lambda: accepts(self.port))

    def control(self, path: str, **options: Any) -> dict[str, Any]:
        """Ask the sandbox itself; with `json` it is told something."""
        return control(self.url, path, **options)

    def asked(self, dialect: str) -> dict[str, int]:
        """Give how many requests to a dialect were served and refused, and the most within 1 and 5 seconds."""
        found: dict[str, int] = self.control("state")["requests"][dialect]
        return found


class CeleryProcess(Program):
    """A worker or a beat with the processes that it makes; it is ready when `ready` stands in its log."""

    def __init__(self, folder: Path, name: str, command: list[str], env: Mapping[str, str], ready: str) -> None:
        super().__init__(folder)
        self.name, self.command, self.env, self.ready = name, command, dict(env), ready

    def start(self) -> None:
        said = self._times_ready()
        self.begin()
        self._wait_until_ready(lambda: self._times_ready() > said)

    def begin(self) -> None:
        """Start it, and do not wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._launch(self.command, cwd=ROOT, env=self.env)

    def children(self) -> list[int]:
        """Give the numbers of the processes that it made: of a worker, those that do the work."""
        return self.pids()[1:]

    def kill_main(self) -> None:
        """End its main process alone by SIGKILL, as the kernel does when memory runs out; what it made lives on."""
        os.kill(self.pid, SIGKILL)
        self._processes[-1].wait()

    def kill(self) -> None:
        # All at once, those that an earlier `kill_main` left included: they share the group that it began.
        for process in self._processes:
            try:
                os.killpg(process.pid, SIGKILL)
            except ProcessLookupError:
                continue
            finally:
                process.wait()
        self._forget()

    def _times_ready(self) -> int:
        return self.log.read_text(errors="replace").count(self.ready) if self.log.exists() else 0


class Stack:
    """The servers of one test, and the processes that were started on them."""

    def __init__(self, folder: Path, postgres: PostgresServer, broker: Server, sandbox: Sandbox) -> None:
        self.folder, self.postgres, self.broker, self.sandbox = folder, postgres, broker, sandbox
        self.env = environment_of(folder, postgres.url, broker.url)
        self.processes: dict[str, CeleryProcess] = {}

    def worker(self, name: str, *options: str, env: Mapping[str, str] | None = None) -> CeleryProcess:
        """Give a worker of two processes that is not started yet; its log is `NAME@localhost/server.log`."""
        node = f"{name}@localhost"
        command = worker_command("--loglevel", "INFO", "--hostname", node, *options)
        return self._keep(node, command, "ready.", env)

    def workers(self, count: int, *options: str) -> list[CeleryProcess]:
        """Start this many workers side by side; return when all are ready."""
        found = [self.worker(f"worker-{number}", *options) for number in range(1, count + 1)]
        self.start(*found)
        return found

    def beat(self, name: str = "beat", *, env: Mapping[str, str] | None = None) -> CeleryProcess:
        """Give a beat that is not started yet."""
        schedule = self.folder / name / "schedule"
        return self._keep(name, [*BEAT_COMMAND, "--schedule", str(schedule)], "beat: Starting...", env)

    @staticmethod
    def start(*processes: CeleryProcess) -> None:
        """Start these processes side by side; return when all are ready."""
        said = [process._times_ready() for process in processes]
        for process in processes:
            process.begin()
        for process, before in zip(processes, said, strict=True):
            process._wait_until_ready(lambda: process._times_ready() > before)  # noqa: B023 - called at once

    def manage(self, *arguments: str, limit: float = 120.0) -> str:
        """Run `manage.py`, and give what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, *adapters: str, rate: float = 10_000.0, burst: int = 1000) -> list[Provider]:
        """Set up providers that the sandbox plays, the first the most trusted; no schedule starts runs of them."""
        base = self.sandbox.url
        return [
            without_schedules(follow(base, adapter, trust=trust, rate=rate, burst=burst))
            for trust, adapter in enumerate(adapters, start=1)
        ]

    def sync(self, *providers: Provider, full: bool = True) -> list[Run]:
        """Start a run of each provider, as an operator does; all at once, since a run does not wait for the next."""
        mode = ["--full"] if full else []
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda provider: self.manage("sync", provider.slug, *mode), providers))
        return [provider.runs.latest("pk") for provider in providers]

    def wait_for(self, *runs: Run, limit: float = 120.0) -> list[Run]:
        """Wait until these runs have ended, and give them, in this order, as they are then."""
        ids = [run.pk for run in runs]
        wait_until(asking(lambda: not Run.objects.filter(pk__in=ids, status=Run.Status.RUNNING).exists()), limit)
        ended = Run.objects.in_bulk(ids)
        return [ended[pk] for pk in ids]

    def close(self) -> None:
        """End the processes that were started on it."""
        for process in self.processes.values():
            process.kill()

    def logs(self) -> str:
        """Give the end of every process's log."""
        texts = {name: process.log.read_text(errors="replace")[-4000:] for name, process in self.processes.items()}
        return "\n".join(f"--- {name} ---\n{text}" for name, text in texts.items())

    def _keep(self, name: str, command: list[str], ready: str, env: Mapping[str, str] | None) -> CeleryProcess:
        process = CeleryProcess(self.folder / name, name, command, self.env | dict(env or {}), ready)
        self.processes[name] = process
        return process


def asking(question: Callable[[], object]) -> Callable[[], bool]:
    """Return the question as one that is answered with no while the database cannot be asked."""

    def asked() -> bool:
        try:
            return bool(question())
        except Error:
            connection.close()
            return False

    asked.__qualname__ = question.__qualname__
    return asked


def without_schedules(provider: Provider) -> Provider:
    """Delete the schedules that a new provider is given: the test alone says when a run starts."""
    PeriodicTask.objects.filter(task="musicsync.tasks.start_run", kwargs__contains=f'"{provider.slug}"').delete()
    return provider


def copied(template: Path, folder: Path, **options: Any) -> PostgresServer:
    """Start a PostgreSQL of its own on a copy of the migrated data of another that is not running."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(template / "postgres"), str(folder)], check=True)
    server = PostgresServer(folder, **options)
    server.start()
    return server


@contextmanager
def looking_at(url: str) -> Iterator[None]:
    """Let the ORM of this process, in every thread, speak to the database of this URL."""
    connection.close()
    settings = connection.settings_dict
    before = dict(settings)
    settings.update(environment.database(url))
    try:
        yield
    finally:
        connection.close()
        settings.update(before)


def environment_of(folder: Path, database: str, broker: str) -> dict[str, str]:
    """Give the environment of the processes: as a deployment sets it, beside what the test run has."""
    inherited = {name: value for name, value in os.environ.items() if name != "CELERY_RESULT_BACKEND"}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": broker,
        "MUSICSYNC_CONTACT": "tests@localhost",
        "MUSICSYNC_VAR": str(folder),
    }
