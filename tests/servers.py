"""Real servers for tests: Redis, RabbitMQ and PostgreSQL as processes of this run, to be killed, frozen and filled.

    with RedisServer(folder) as redis:
        redis.url          # as CELERY_BROKER_URL or DATABASE_URL takes it; the same for the server's whole life
        redis.freeze()     # SIGSTOP to every process of it; `thaw` lets them go on
        redis.kill()       # SIGKILL to every process of it; `start` brings it back with what it keeps
        redis.restart()    # an orderly stop and start

`RedisServer.missing()` says what to install where the server is not there. Run as a program, this file is the guard
that ends the servers of a test run that was killed itself.
"""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

if __name__ != "__main__":
    from project import embedded
    from tests.helpers import ROOT, wait_until

START_LIMIT_SECONDS = 120
_LOWEST_PORT, _HIGHEST_PORT = 20_000, 32_000
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


class Program(ABC):
    """A program whose files are in `folder`; not running until it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def start(self) -> None:
        """Start the program, or start it again; return when it is ready."""

    @property
    def pid(self) -> int:
        """The number of its main process."""
        return self._processes[-1].pid

    def has_ended(self) -> bool:
        """Tell whether its main process has ended by itself, or by a signal that was sent to it alone."""
        return self._processes[-1].poll() is not None

    def stop(self, by: signal.Signals | None = None) -> None:
        """End it in order, frozen or not, by its usual signal or another; what does not run is left as it is."""
        self.thaw()
        for process in reversed(self._processes):
            process.send_signal(by or self._stop_signal)
            try:
                process.wait(START_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                kill_trees([process.pid])
                process.wait()
        self._forget()

    def kill(self) -> None:
        """End every process of it by SIGKILL."""
        kill_trees([process.pid for process in self._processes])
        for process in self._processes:
            process.wait()
        self._forget()

    def freeze(self) -> None:
        """Stop every process of it by SIGSTOP: it holds its connections and answers nobody."""
        for pid in self.pids():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self.pids():
            _signal(pid, signal.SIGCONT)

    def restart(self) -> None:
        """End it in order and start it again."""
        self.stop()
        self.start()

    def pids(self) -> list[int]:
        """Give the number of every process of it, parents first."""
        return tree_of([process.pid for process in self._processes])

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    _stop_signal = signal.SIGTERM

    def _launch(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal ends the tests, and they end the servers.
                start_new_session=True,
                **options,
            )
        self._processes.append(process)
        _guard(f"+{process.pid}")
        return process

    def _wait_until_ready(self, answers: Callable[[], bool]) -> None:
        process = self._processes[-1]
        wait_until(lambda: answers() or process.poll() is not None, START_LIMIT_SECONDS)
        assert process.poll() is None, f"{type(self).__name__} ended: {self.log.read_text(errors='replace')[-2000:]}"

    def _forget(self) -> None:
        for process in self._processes:
            _guard(f"-{process.pid}")
        self._processes.clear()


class Server(Program):
    """A program that others connect to."""

    @staticmethod
    @abstractmethod
    def missing() -> str | None:
        """Give the line that says what to install, or None where the server can run."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's URL, as the settings take it."""


class RedisServer(Server):
    """A Redis that keeps nothing on disk, as it is deployed, unless it is `persistent`; `maxmemory` as "3mb"."""

    def __init__(self, folder: Path, *, persistent: bool = False, maxmemory: str | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(folder),
            "save": "",
            "appendonly": "yes" if persistent else "no",
            "appendfsync": "always",
        }
        if maxmemory:
            # The default policy, which refuses what does not fit.
            self._options |= {"maxmemory": maxmemory, "maxmemory-policy": "noeviction"}

    @staticmethod
    def missing() -> str | None:
        return None if embedded.redis_program() else "needs redis-server: apt-get install redis-server"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = [part for name, value in self._options.items() for part in (f"--{name}", value)]
        self._launch([embedded.redis_program() or "redis-server", *options])
        self._wait_until_ready(lambda: _answer(self.port, b"PING\r\n").startswith(b"+PONG"))


class RabbitServer(Server):
    """A RabbitMQ node of its own, beside any other, with an epmd of its own; queues and messages outlive a kill."""

    _SCRIPTS = Path("/usr/lib/rabbitmq/bin")
    _OS_USER = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._epmd_port, distribution_port = free_port(), free_port()
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            # Erlang keeps the cookie there that nodes and rabbitmqctl know one another by.
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"musicsync-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    @staticmethod
    def missing() -> str | None:
        there = (RabbitServer._SCRIPTS / "rabbitmq-server").exists() and shutil.which("epmd")
        return None if there else "needs RabbitMQ: apt-get install rabbitmq-server"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._make_folder()
        # In the foreground; the one that Erlang starts by itself would be nobody's child and outlive the tests.
        self._launch(["epmd"], env=self._env, cwd=self.folder, **self._owner())
        wait_until(lambda: accepts(self._epmd_port), START_LIMIT_SECONDS)
        self._launch([self._SCRIPTS / "rabbitmq-server"], env=self._env, cwd=self.folder, **self._owner())
        self._wait_until_ready(lambda: _answer(self.port, _AMQP_GREETING).startswith(b"\x01"))

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` (two seconds at least) and give what it prints."""
        done = subprocess.run(
            [self._SCRIPTS / "rabbitmqctl", "--quiet", *arguments],
            env=self._env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_LIMIT_SECONDS,
            check=False,
            **self._owner(),
        )
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Listeners of plugins would be ports more, and seconds; a small test machine is not to raise the disk alarm.
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 20MB\n")
        owner = self._owner()
        if owner:
            _open_way(self.folder)
            os.chown(self.folder, owner["user"], owner["group"])

    def _owner(self) -> dict[str, Any]:
        """Give the options that run a program as RabbitMQ's OS user where this is root, like its packages do."""
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam(self._OS_USER)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class PostgresServer(Server):
    """A PostgreSQL with an empty database `musicsync`, of the wheel that the project embeds, with options of its own.

    `folder` holds the data, so a small file system there is one that fills up; `log` may then be elsewhere.
    """

    # A fast shutdown: it ends the sessions.
    _stop_signal = signal.SIGINT

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None, log: Path | None = None) -> None:
        super().__init__(folder)
        self.log = log or self.log
        self._sockets = embedded.socket_folder(folder)
        ours = {"listen_addresses": "", "unix_socket_directories": str(self._sockets), "max_connections": "100"}
        self._options = ours | dict(options or {})

    @staticmethod
    def missing() -> str | None:
        return None

    @property
    def url(self) -> str:
        return self.url_of(embedded.DATABASE)

    def url_of(self, database: str) -> str:
        """Give the URL of another database of this server."""
        return f"postgres://postgres@/{database}?host={self._sockets}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        embedded._make_socket_folder(self.folder)
        embedded._make_reachable(self.folder)
        if not (self.folder / "postgres" / "PG_VERSION").exists():
            embedded._init_postgres(self.folder)
        embedded._remove_stale_pid(self.folder)
        self._start_or_try_again()
        embedded._create_database(self.folder)

    def _start_or_try_again(self) -> None:
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        user = embedded._postgres_user()
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        end = time.monotonic() + START_LIMIT_SECONDS
        while True:
            command = [embedded._programs() / "postgres", "-D", self.folder / "postgres", *options]
            process = self._launch(command, cwd="/", env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **owner)
            wait_until(lambda: self._takes_sessions() or process.poll() is not None, START_LIMIT_SECONDS)  # noqa: B023
            if process.poll() is None:
                return
            self._forget()
            reason = self.log.read_text(errors="replace")[-2000:]
            # The memory of a server that was killed is let go a moment after its last process.
            assert "shared memory block" in reason, reason
            assert time.monotonic() < end, reason
            time.sleep(0.2)

    def _takes_sessions(self) -> bool:
        tool = [embedded._programs() / "pg_isready", "--quiet", "--host", str(self._sockets)]
        return subprocess.run(tool, check=False).returncode == 0


def free_port() -> int:
    """Give a loopback port that nothing listens on.

    Below those that the kernel gives to clients: one that tries to reach a server that is away could be given the
    server's own port, and be connected to itself.
    """
    while True:
        port = random.randint(_LOWEST_PORT, _HIGHEST_PORT)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def tree_of(roots: Sequence[int]) -> list[int]:
    """Give the numbers of these processes and of all that descend from them, parents first."""
    children: dict[int, list[int]] = {}
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        pid, parent = map(int, line.split())
        children.setdefault(parent, []).append(pid)
    found = list(roots)
    for pid in found:
        found += children.get(pid, [])
    return found


def kill_trees(roots: Sequence[int]) -> None:
    """End these processes and all that descend from them by SIGKILL."""
    pids = tree_of(roots)
    # Stopped first, so that none of them starts another meanwhile.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _answer(port: int, question: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(question)
            return connection.recv(64)
    except OSError:
        return b""


def accepts(port: int) -> bool:
    """Tell whether something listens on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _open_way(folder: Path) -> None:
    """Let other OS users pass (not list) the folders above this one."""
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if not mode & 0o001:
            above.chmod(mode | 0o001)


_guards: list[subprocess.Popen[bytes]] = []


def _guard(word: str) -> None:
    """Tell the guard of this test run of a process that has begun (`+pid`) or ended (`-pid`)."""
    if not _guards:
        guard = subprocess.Popen(
            [sys.executable, "-P", __file__], cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
        )
        # It ends after this process, which never waits for it: without this Python warns of a process left running.
        guard.returncode = 0
        _guards.append(guard)
    pipe = _guards[0].stdin
    assert pipe is not None
    pipe.write(f"{word}\n".encode())
    pipe.flush()


def guard() -> None:
    """Wait until the test run that started this process is gone, then end those of its servers that still run."""
    running: dict[int, None] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            running[int(line)] = None
        else:
            running.pop(-int(line), None)
    kill_trees(list(running))


if __name__ == "__main__":
    guard()
