"""The private servers: found by their folder, shared by processes, gone with the last of them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project import embedded
from tests.helpers import ROOT, wait_until
from tests.integration.driving import in_threads

USER = "import project.settings, sys; print('ready', flush=True); sys.stdin.read()"
"""A process that uses the servers until its input ends."""


def begin(var: Path, **env: str) -> subprocess.Popen[str]:
    """Start a user of the private servers under `var` and return when it has them."""
    clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
    user = subprocess.Popen(
        [sys.executable, "-c", USER],
        cwd=ROOT,
        env=clean | {"MUSICSYNC_VAR": str(var), "DJANGO_SETTINGS_MODULE": "project.settings"} | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout is not None
    assert user.stdout.readline() == "ready\n"
    return user


def end(user: subprocess.Popen[str]) -> None:
    user.communicate(timeout=120)
    assert user.returncode == 0


def server_pid(var: Path) -> int:
    return int((var / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])


def answers(var: Path) -> bool:
    return embedded._postgres_answers(var)


def is_kept(var: Path) -> bool:
    """Tell whether the process that stops the servers after their last user has not done with that."""
    lock = embedded._open_lock(var / "embedded.keeper")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (["manage.py", "migrate"], True),
        (["manage.py", "check"], False),
        (["manage.py", "sync", "--help"], False),
        (["manage.py"], False),
        (["celery", "-A", "project", "worker"], True),
        (["celery", "--version"], False),
        (["gunicorn", "project.wsgi"], True),
    ],
)
def test_servers_are_started_only_for_what_works_with_them(command: list[str], needed: bool) -> None:
    assert embedded.needed_by(command) is needed


def test_only_what_lasts_says_which_servers_it_uses() -> None:
    var = Path("/data")

    line = embedded.announcement(
        var, ["celery", "-A", "project", "beat"], with_postgres=True, broker=embedded.broker_url(var)
    )

    assert line is not None
    assert "/data/postgres" in line
    assert "CELERY_BROKER_URL" in line
    assert (
        embedded.announcement(var, ["manage.py", "migrate"], with_postgres=True, broker=embedded.broker_url(var))
        is None
    )


def test_without_redis_the_broker_is_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert embedded.broker_url(Path("/data")) == "filesystem://"
    assert embedded.filesystem_options(Path("/data"))["data_folder_in"] == "/data/broker/messages"


def test_a_long_path_keeps_its_sockets_in_a_short_folder() -> None:
    folder = embedded.socket_folder(Path("/" + "long" * 40))

    assert len(str(folder)) <= embedded.LONGEST_SOCKET_FOLDER
    assert folder != embedded.socket_folder(Path("/" + "long" * 41))


def test_processes_share_one_server_that_ends_with_the_last(short_folder: Path) -> None:
    first = begin(short_folder)
    pid = server_pid(short_folder)
    second = begin(short_folder)

    assert server_pid(short_folder) == pid
    end(first)
    assert answers(short_folder)
    end(second)
    # It may be the keeper that was first to see that nobody is left; then the server stops beside the test.
    wait_until(lambda: not answers(short_folder))


def test_a_killed_user_leaves_nothing_running(short_folder: Path) -> None:
    user = begin(short_folder)

    user.kill()
    user.communicate()

    wait_until(lambda: not answers(short_folder))


def test_the_next_start_works_after_everything_was_killed(short_folder: Path) -> None:
    user = begin(short_folder)
    os.kill(server_pid(short_folder), signal.SIGKILL)
    user.kill()
    user.communicate()

    end(begin(short_folder))


def test_a_stop_leaves_another_program_alone_whose_number_a_server_had(short_folder: Path) -> None:
    (short_folder / "postgres").mkdir()
    with subprocess.Popen(["sleep", "600"]) as other:
        (short_folder / "postgres" / "postmaster.pid").write_text(
            f"{other.pid}\n{short_folder / 'postgres'}\n1\n5432\n"
        )
        try:
            embedded.stop(short_folder)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_pid_file_of_another_program_is_no_obstacle(short_folder: Path) -> None:
    end(begin(short_folder))
    # Until then what the keeper does about the file would be taken for what the start does.
    wait_until(lambda: not is_kept(short_folder))
    (short_folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{short_folder / 'postgres'}\n1\n5432\n")

    end(begin(short_folder))


def test_a_half_made_database_is_made_again(short_folder: Path) -> None:
    (short_folder / "postgres.new").mkdir()
    (short_folder / "postgres.new" / "PG_VERSION").write_text("18\n")

    end(begin(short_folder))


def test_servers_start_under_a_long_path(short_folder: Path) -> None:
    var = short_folder / ("long" * 20)

    end(begin(var))


def test_a_database_that_cannot_be_made_says_why_and_not_what_is_removed_after_it(short_folder: Path) -> None:
    embedded._make_reachable(short_folder)
    short_folder.chmod(0o777)
    with pytest.raises(embedded.EmbeddedError, match=r"^initdb: .*FATAL: .*postgresql.conf.* contains errors$"):
        embedded._run_postgres("initdb", "-D", str(short_folder / "postgres"), "-c", "shared_buffers=none")


def test_the_os_user_of_postgresql_is_made_once_by_all_who_need_it_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if os.geteuid() or not shutil.which("useradd"):
        pytest.skip("needs root and useradd: apt-get install passwd")
    monkeypatch.setattr(embedded, "OS_USER", f"musicsync-test-{os.getpid()}")
    try:
        users = in_threads(*[embedded._postgres_user] * 8)
        assert len(set(users)) == 1
        assert users[0].pw_name == embedded.OS_USER
    finally:
        subprocess.run(["userdel", embedded.OS_USER], check=True, capture_output=True)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(embedded.EmbeddedError, match=r"^MUSICSYNC_VAR: cannot use .*file.*Not a directory"):
        embedded.start(tmp_path / "file" / "var", with_postgres=True, broker=None)
