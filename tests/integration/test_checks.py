"""The surroundings, as real processes meet them: a database that goes away, and one that was never migrated."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from django.db import ProgrammingError, connection

from project import embedded
from project.checks import clear_errors
from tests.helpers import ROOT, running, wait_until
from tests.servers import free_port


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_lost_with_the_database_and_comes_back_with_it(short_folder: Path, tmp_path: Path) -> None:
    private = {"DATABASE_URL": "", "CELERY_BROKER_URL": "filesystem://", "MUSICSYNC_VAR": str(short_folder)}
    env = os.environ | private | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    address = f"127.0.0.1:{free_port()}"
    # One process with one thread: every request meets the connection that the one before kept.
    command = [sys.executable, "-m", "gunicorn", "project.wsgi", "--bind", address]
    with running(command, env, tmp_path / "web.log", "Booting worker"):
        url = f"http://{address}/healthz"
        assert answer(url)[0] == 200

        embedded._run_postgres("pg_ctl", "stop", "-D", str(short_folder / "postgres"), "-m", "fast")
        status, said = answer(url)
        assert status == 503
        assert "DATABASE_URL: cannot reach" in said

        embedded._launch_postgres(short_folder)
        wait_until(lambda: answer(url)[0] == 200)


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "createsuperuser", "--noinput", "--username", "ops", "--email", "ops@localhost"],
        ["manage.py", "provider", "add", "deezer", "--adapter", "deezer"],
        ["manage.py", "runs"],
        ["-m", "celery", "-A", "project", "worker"],
        ["-m", "celery", "-A", "project", "beat"],
    ],
    ids=" ".join,
)
@pytest.mark.django_db
def test_a_database_that_was_never_migrated_is_one_line(command: list[str]) -> None:
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    # Every server has a database of this name, for maintenance, with nothing in it.
    url = f"postgres://{login}@/postgres?host={database['HOST'] or 'localhost'}&port={database['PORT'] or 5432}"

    result = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DATABASE_URL": url,
            "CELERY_BROKER_URL": "memory://",
            "DJANGO_SUPERUSER_PASSWORD": "a-long-password-7",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr == "the database has no tables of this release yet: run manage.py migrate\n"


def test_a_column_that_a_later_release_made_is_one_line() -> None:
    with pytest.raises(SystemExit, match="run manage.py migrate"), clear_errors():
        raise ProgrammingError("no such column") from psycopg.errors.UndefinedColumn()
