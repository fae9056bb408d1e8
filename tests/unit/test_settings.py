"""Settings: what the environment says, and one clear line where it is wrong."""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery.app.defaults import NAMESPACES, flatten
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from musicsync.redaction import redacted
from project import environment
from project.celery import app
from project.checks import without_password
from tests.helpers import ROOT


def run(command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    quiet = {"PATH": os.environ["PATH"], "DJANGO_SECRET_KEY": "test", "DJANGO_SETTINGS_MODULE": "project.settings"}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=quiet | env, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_database_url_is_read_by_libpqs_rules() -> None:
    read = environment.database("postgres://user:p%40ss@db.example:5433/music?sslmode=require&connect_timeout=9")

    options = read.pop("OPTIONS")
    assert (options["sslmode"], options["connect_timeout"], options["tcp_user_timeout"]) == ("require", "9", 15_000)
    assert read == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "music",
        "USER": "user",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
    }


def test_a_database_url_may_name_a_socket_folder() -> None:
    assert environment.database("postgres://postgres@/music?host=/run/postgresql")["HOST"] == "/run/postgresql"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "music", "postgres://u:secret@h:5432/d?no-such-option=1"])
def test_what_is_no_postgresql_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="^DATABASE_URL: ") as refused:
        environment.database(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense://host", "localhost:6379", "redis://:secret@host:port/0", "redis://host/notadb"),
        *("redis://:12/secret@127.0.0.1:1/0", "redis://host/0;nonsense://:secret@host/0", "sqs://:secret@host"),
    ],
)
def test_what_is_no_broker_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="^CELERY_BROKER_URL: ") as refused:
        environment.broker(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["nonsense", "redis://:secret@host:port/0", "redis://host/secret", "no+such://:secret@host", "sqs://:secret@h"],
)
def test_what_is_no_result_backend_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="^CELERY_RESULT_BACKEND: ") as refused:
        environment.result_backend(url)

    assert "secret" not in str(refused.value)


def test_a_result_backend_may_be_none_or_any_that_celery_has() -> None:
    assert environment.result_backend("") is None
    for url in ("redis://:p@host:6379/1", "rpc://", "cache+memory://", "redis+socket:///run/redis.sock"):
        assert environment.result_backend(url) == url


def test_every_thread_sends_by_this_application() -> None:
    program = """
import django
from threading import Thread
django.setup()
from musicsync.tasks import work_fetch
Thread(target=lambda: print(work_fetch.app.main)).start()
"""

    assert run(["-c", program], DATABASE_URL="postgres://nobody@/nothing").stdout == "musicsync\n"


def test_a_mail_url_is_checked() -> None:
    assert environment.email("smtp+tls://u:p@mail.example:587")["EMAIL_PORT"] == 587
    with pytest.raises(ImproperlyConfigured, match="^EMAIL_URL: "):
        environment.email("pigeon://mail.example")


@pytest.mark.parametrize("url", ["hooks.example/pl4nted", "ftp://x/pl4nted", "https:///pl4nted", "http://x:0/pl4nted"])
def test_what_is_no_web_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="^MUSICSYNC_ALERT_WEBHOOK: ") as refused:
        environment.webhook(url)
    assert "pl4nted" not in str(refused.value)


def test_the_url_of_a_webhook_is_a_secret_and_so_is_its_path_alone() -> None:
    url = "https://someone:pl4nted-login@hooks.example/services/pl4nted-path?k=pl4nted-query"
    assert environment.webhook(url) == url
    assert environment.webhook("") == ""
    path = urlsplit(url).path
    said = redacted(f"404 for url: {url}; Max retries exceeded with url: {path}?k=pl4nted-query; POST {path}")
    assert said == "404 for url: ***; Max retries exceeded with url: ***; POST ***"


def test_folders_of_feeds_are_whole_paths() -> None:
    assert environment.folders("") == []
    assert environment.folders("/srv/feeds, /mnt/partner files/") == [Path("/srv/feeds"), Path("/mnt/partner files")]
    for wrong in ("feeds", "/srv/../etc", "~/feeds"):
        with pytest.raises(ImproperlyConfigured, match="^MUSICSYNC_FEED_FOLDERS: .* is no whole path"):
            environment.folders(f"/srv/feeds,{wrong}")


def test_the_room_for_copies_is_checked() -> None:
    assert environment.megabytes("5") == 5_000_000
    for wrong in ("0", "-5", "5 GB", "1.5", "\u0665"):
        with pytest.raises(ImproperlyConfigured, match="^MUSICSYNC_SPOOL_MB: not a whole number of megabytes above 0"):
            environment.megabytes(wrong)


def test_a_choice_is_checked() -> None:
    with pytest.raises(ImproperlyConfigured, match="^LOG_FORMAT: 'xml' is not one of text, json$"):
        environment.one_of("LOG_FORMAT", "xml", ["text", "json"])


def test_a_kept_secret_stays_the_same_and_private(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret-key"

    first, second = environment.kept_secret(path), environment.kept_secret(path)

    assert first == second
    assert len(first) >= 50
    assert path.stat().st_mode & 0o777 == 0o600


def test_encryption_keys_are_read_in_order_and_a_wrong_one_is_named_by_its_place() -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))

    assert environment.encryption_keys(f" {first}, {second},") == [first, second]
    with pytest.raises(ImproperlyConfigured, match="^MUSICSYNC_ENCRYPTION_KEYS: number 2 is no Fernet key") as refused:
        environment.encryption_keys(f"{first},not-a-key")
    assert "not-a-key" not in str(refused.value)


def test_an_encryption_key_is_kept_for_a_machine_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "var" / "encryption-key"

    Fernet(environment.kept_encryption_key(path))

    assert environment.kept_encryption_key(path) == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://user:secret@host:5432/db", "postgres://user:…@host:5432/db"),
        ("redis://:secret@host/0", "redis://:…@host/0"),
        ("postgres://host/db?password=secret", "postgres://host/db"),
        ("redis://host/0", "redis://host/0"),
        ("redis://:secret@a:1/0;redis://:secret@b:2/0", "redis://:…@a:1/0;redis://:…@b:2/0"),
        ("postgres://user:sec/ret@host:1/db", "postgres://user:…@host:1/db"),
        ("postgres://user:sec#r?et@host:1/db", "postgres://user:…@host:1/db"),
        ("postgres://user:[secret@host/db", "postgres://user:…@host/db"),
        ("amqp://secret@host/", "amqp://…@host/"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_every_celery_setting_is_one_that_celery_knows() -> None:
    # That one is of Celery's Django fixup, and declared nowhere.
    known = {name.upper() for name, _ in flatten(NAMESPACES)} | {"DB_REUSE_MAX"}

    assert {name for name in dir(settings) if name.startswith("CELERY_")} <= {f"CELERY_{name}" for name in known}


def test_every_task_goes_to_a_queue_that_is_declared_and_every_queue_is_used() -> None:
    declared = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    importlib.import_module("musicsync.tasks")
    ours = [name for name in app.tasks if name.startswith("musicsync.")]

    used = {app.amqp.router.route({}, name)["queue"].name for name in ours}

    assert used == declared


def test_only_the_results_of_starting_and_finishing_a_run_are_kept() -> None:
    ours = importlib.import_module("musicsync.tasks")
    kept = {name for name, task in app.tasks.items() if name.startswith("musicsync.") and not task.ignore_result}

    assert kept == {ours.start_run.name, ours.finish_run.name}


def test_a_broker_that_is_away_is_one_for_a_task_whose_result_is_kept() -> None:
    program = """
import django
django.setup()
from kombu.exceptions import OperationalError
from musicsync.tasks import finish_run
try:
    finish_run.delay(1)
except OperationalError:
    print("away")
"""
    result = run(["-c", program], DATABASE_URL="postgres://h/d", CELERY_BROKER_URL="redis://127.0.0.1:1/0")

    assert (result.stdout, result.stderr) == ("away\n", "")


def test_a_deployment_without_a_secret_key_is_told_so() -> None:
    result = run(
        ["manage.py", "check"], DATABASE_URL="postgres://h/d", CELERY_BROKER_URL="redis://h", DJANGO_SECRET_KEY=""
    )

    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("DJANGO_SECRET_KEY: not set")


@pytest.mark.parametrize(
    "command",
    [["manage.py", "migrate"], ["-m", "celery", "-A", "project", "worker", "--pool", "solo"]],
    ids=["manage.py", "worker"],
)
@pytest.mark.parametrize(
    ("database", "broker", "setting"),
    [
        ("postgres://me:secret@127.0.0.1:1/music", "memory://", "DATABASE_URL: cannot reach"),
        ("mysql://me:secret@127.0.0.1/music", "memory://", "DATABASE_URL: not a PostgreSQL"),
        ("postgres://127.0.0.1/music", "redis://:secret@127.0.0.1:no/0", "CELERY_BROKER_URL: not a broker"),
    ],
)
def test_what_cannot_be_reached_is_one_line_without_the_password(
    command: list[str], database: str, broker: str, setting: str
) -> None:
    result = run(command, DATABASE_URL=database, CELERY_BROKER_URL=broker)

    said = [line for line in result.stderr.splitlines() if line.startswith(("DATABASE_URL", "CELERY_BROKER_URL"))]
    assert result.returncode == 1
    assert len(said) == 1
    assert said[0].startswith(setting)
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr + result.stdout
