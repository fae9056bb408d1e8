"""The surroundings, as real processes meet them."""

import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

from project import embedded
from tests.helpers import running, wait_until


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_lost_with_the_database_and_comes_back_with_it(short_folder: Path, tmp_path: Path) -> None:
    private = {"DATABASE_URL": "", "CELERY_BROKER_URL": "filesystem://", "MUSICSYNC_VAR": str(short_folder)}
    env = os.environ | private | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
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
