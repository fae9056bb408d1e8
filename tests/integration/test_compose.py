"""docker-compose.yml, run natively: every service's command and health check, with the environment of the file."""

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from project import embedded
from tests.helpers import ROOT, wait_until
from tests.servers import free_port
from tests.settings import TEST_VAR

FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
SECRETS = {
    "POSTGRES_PASSWORD": "pg123",
    "REDIS_PASSWORD": "redis123",
    "DJANGO_SECRET_KEY": "k" * 25 + "0123456789" * 3,
    "DJANGO_ALLOWED_HOSTS": "musicsync.example",
    "FLOWER_BASIC_AUTH": "ops:flower123",
}

SLOWER = 4
"""How much slower a machine of tests may be, beside other work, than one that the file's time limits are for."""


def interpolated(text: str, given: dict[str, str]) -> str:
    """Give a value of the file as Docker Compose would: variables put in, `$$` a dollar."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["name"] in given:
            return given[match["name"]]
        assert match["rule"] == ":-", f"{match['name']} is required: {match['rest']}"
        return match["rest"]

    return re.sub(r"(?P<dollar>\$\$)|\$\{(?P<name>\w+)(?:(?P<rule>:[-?])(?P<rest>[^}]*))?\}", value, text)


@dataclass(frozen=True)
class Stack:
    """The services on free ports of this machine."""

    folder: Path
    ports: dict[str, int]

    def here(self, text: str) -> str:
        """Give a value of the file with the services' addresses on this machine."""
        port = self.ports
        for there, here in {
            "@postgres:5432": f"@127.0.0.1:{port['postgres']}",
            "@redis:6379": f"@127.0.0.1:{port['redis']}",
            "0.0.0.0:8000": f"127.0.0.1:{port['web']}",
            "127.0.0.1:8000": f"127.0.0.1:{port['web']}",
            "127.0.0.1:5555": f"127.0.0.1:{port['flower']}",
            "--address=0.0.0.0": "--address=127.0.0.1",
            "--port=5555": f"--port={port['flower']}",
            # How long a check waits for a service that is down.
            "ping --timeout 5": "ping --timeout 2",
            "redis-server ": f"redis-server --bind 127.0.0.1 --port {port['redis']} ",
            "redis-cli ": f"redis-cli -p {port['redis']} ",
        }.items():
            text = text.replace(there, here)
        return interpolated(text, SECRETS)

    def environment(self, name: str) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), str(embedded._programs()), os.environ["PATH"]])
        given = {key: self.here(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}
        # What the Dockerfile sets, and where PostgreSQL's own client programs look.
        return {"PATH": path, "MUSICSYNC_VAR": str(self.folder / "var"), "PGPORT": str(self.ports["postgres"]), **given}

    def start(self, name: str, *more: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [self.here(str(part)) for part in SERVICES[name]["command"]]
        log = (self.folder / f"{name}.log").open("wb")
        with log:
            return subprocess.Popen(
                [shutil.which(command[0], path=self.environment(name)["PATH"]) or command[0], *command[1:], *more],
                **{"cwd": ROOT, "env": self.environment(name), "stdout": log, "stderr": subprocess.STDOUT} | options,
            )

    def healthy(self, name: str) -> bool:
        kind, *check = SERVICES[name]["healthcheck"]["test"]
        command = [self.here(part) for part in check]
        try:
            result = subprocess.run(
                ["/bin/sh", "-c", command[0]] if kind == "CMD-SHELL" else command,
                cwd=ROOT,
                env=self.environment(name),
                capture_output=True,
                timeout=SLOWER * float(SERVICES[name]["healthcheck"]["timeout"].rstrip("s")),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0


def stopped(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_postgres(stack: Stack) -> subprocess.Popen[bytes]:
    """Do what the image's entry point does: make the cluster for the given user, then run the service's command."""
    user = embedded._postgres_user()
    data, password = stack.folder / "data", stack.folder / "password"
    data.mkdir(mode=0o700)
    password.write_text(SECRETS["POSTGRES_PASSWORD"])
    if user:
        embedded._make_reachable(stack.folder)
        for path in (data, password):
            os.chown(path, user.pw_uid, user.pw_gid)
    embedded._run_postgres("initdb", "-D", str(data), "-U", "musicsync", "-A", "scram-sha-256", f"--pwfile={password}")
    own = {"cwd": "/", "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    where = ("-D", str(data), "-h", "127.0.0.1", "-p", str(stack.ports["postgres"]), "-k", "")
    return stack.start("postgres", *where, **own)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """PostgreSQL and Redis as the file runs them, migrated; each unhealthy before it runs and healthy then."""
    if not (shutil.which("redis-server") and shutil.which("redis-cli")):
        pytest.skip("needs redis-server and redis-cli: apt-get install redis-server")
    # Not where pytest has its folders: each new pytest of this user shuts PostgreSQL's user out of them again.
    folder = TEST_VAR / "compose"
    folder.mkdir()
    stack = Stack(folder, {name: free_port() for name in SERVICES})
    with ExitStack() as cleanup:
        for name, start in {"postgres": start_postgres, "redis": lambda stack: stack.start("redis")}.items():
            assert not stack.healthy(name)
            cleanup.callback(stopped, start(stack))
            wait_until(lambda name=name: stack.healthy(name))
        environment = stack.environment("postgres") | {"PGPASSWORD": SECRETS["POSTGRES_PASSWORD"]}
        address = ["--host", "127.0.0.1", "--username", "musicsync"]
        subprocess.run(["createdb", *address, "musicsync"], env=environment, check=True, timeout=60)
        assert stack.start("migrate").wait(180) == 0, (stack.folder / "migrate.log").read_text()
        yield stack


@pytest.mark.parametrize("name", ["web", "worker", "beat", "flower"])
def test_a_health_check_passes_only_while_its_service_runs(stack: Stack, name: str) -> None:
    assert not stack.healthy(name)
    service = stack.start(name)
    try:
        wait_until(lambda: stack.healthy(name) or service.poll() is not None, 120)
        assert service.poll() is None, (stack.folder / f"{name}.log").read_text()
    finally:
        stopped(service)
    assert not stack.healthy(name)


def test_the_admin_is_served_with_its_static_files(stack: Stack) -> None:
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(collect, cwd=ROOT, env=stack.environment("web"), check=True, timeout=120)
    web = stack.start("web")
    # As the proxy that ends TLS would ask.
    secure = {"X-Forwarded-Proto": "https", "Host": "musicsync.example"}
    try:
        wait_until(lambda: stack.healthy("web"), 120)
        base = f"http://127.0.0.1:{stack.ports['web']}"
        with urllib.request.urlopen(urllib.request.Request(f"{base}/admin/login/", headers=secure), timeout=60) as page:
            style = re.search(rb'href="(/static/[^"]+\.css)"', page.read())
        assert style is not None
        with urllib.request.urlopen(
            urllib.request.Request(base + style[1].decode(), headers=secure), timeout=60
        ) as sheet:
            assert sheet.headers["Content-Type"].startswith("text/css")
    finally:
        stopped(web)


def test_web_is_unhealthy_and_says_why_when_redis_is_away(stack: Stack) -> None:
    lost = Stack(stack.folder, stack.ports | {"redis": free_port()})
    web = lost.start("web")
    said: list[str] = []
    try:
        url = f"http://127.0.0.1:{lost.ports['web']}/healthz"

        def answer() -> str:
            try:
                urllib.request.urlopen(url, timeout=60)
            except urllib.error.HTTPError as error:
                with error:
                    return f"{error.code} {error.read().decode()}"
            except OSError:
                return ""
            return "200"

        wait_until(lambda: said.append(answer()) or said[-1])
        assert said[-1].startswith("503")
        assert "CELERY_BROKER_URL: cannot reach" in said[-1]
        assert SECRETS["REDIS_PASSWORD"] not in said[-1]
    finally:
        stopped(web)


def test_flower_asks_for_a_login(stack: Stack) -> None:
    flower = stack.start("flower")
    try:
        wait_until(lambda: stack.healthy("flower"), 120)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{stack.ports['flower']}/", timeout=60)
        refused.value.close()
        assert refused.value.code == 401
    finally:
        stopped(flower)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_limited_watched_and_not_root(name: str) -> None:
    service = SERVICES[name]

    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["user"] not in {"root", "0", "0:0"}
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert name == "migrate" or service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_no_secret_has_a_default() -> None:
    rules = dict(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|AUTH)\w*)(:?[-?]?)", FILE.read_text()))

    assert rules == dict.fromkeys(
        ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "DJANGO_SECRET_KEY", "FLOWER_BASIC_AUTH"], ":?"
    )


def test_images_are_pinned_and_not_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    images = [*re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE), *(s["image"] for s in SERVICES.values())]

    assert all(re.search(r":\d+\.\d+", image) for image in images)
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE) == ["10001"]


def test_everything_waits_for_the_migration() -> None:
    for name in ("web", "worker", "beat", "flower"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_credentials_reach_what_asks_providers_and_nothing_else() -> None:
    given = {name: service["env_file"] for name, service in SERVICES.items() if "env_file" in service}
    credentials = [{"path": "credentials.env", "required": False}]

    assert given == {"web": credentials, "worker": credentials}
    assert "/credentials.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not re.search(r"^!.*credentials", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
