"""``manage.py newprovider`` in a copy of the source: what it lays down is sound, and only its own tests fail."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[2]
COPIED = ("musicsync", "project", "sandbox", "tests/contract", "tests/settings.py", "tests/__init__.py")
WRITTEN = ["musicsync/providers/qobuz.py", "tests/contract/qobuz.py", "sandbox/qobuz.py"]
EDITED = ["musicsync/providers/registry.py", "tests/contract/test_contract.py"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for path in (*COPIED, "manage.py", "pyproject.toml"):
        target = tmp_path / path
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / path, target)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    surroundings = {"PATH": path, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def new(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "manage.py", "newprovider", *arguments)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


def test_what_is_laid_down_is_sound_and_says_what_to_fill_in(checkout: Path) -> None:
    before = files(checkout)
    done = new(checkout, "qobuz")
    assert (done.returncode, done.stderr) == (0, "")
    after = files(checkout)
    assert sorted(after.keys() - before.keys()) == sorted(WRITTEN)
    assert sorted(path for path in before if before[path] != after[path]) == sorted(EDITED)
    assert all(path in done.stdout for path in (*WRITTEN, *EDITED, "sandbox/server.py"))

    changed = [*WRITTEN, *EDITED]
    assert run(checkout, "ruff", "format", "--no-cache", "--check", *changed).stdout.endswith("already formatted\n")
    assert run(checkout, "ruff", "check", "--no-cache", *changed).stdout == "All checks passed!\n"
    typed = ("mypy", "--strict", "--config-file=", "--cache-dir=", "--follow-imports=silent")
    assert run(checkout, *typed, *WRITTEN).stdout.startswith("Success")

    chosen = "empty or base_url or held_to or walk or scope or form or wrong_item"
    tests = run(checkout, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EDITED[1], "-k", chosen)
    failed = re.findall(r"^FAILED \S+::(\w+)\[(\S+)\]", tests.stdout, re.MULTILINE)
    assert all("qobuz" in case.split("-") for _, case in failed)
    assert {test for test, _ in failed} == {
        "test_nothing_of_a_spec_is_left_empty",
        "test_the_base_url_is_that_of_the_provider",
        "test_a_walk_reaches_every_track_and_ends",
    }
    assert "the SPEC of qobuz has no `said`: fill in a small body of your own" in tests.stdout


def test_what_is_laid_down_is_read_from_the_dialect_that_is(checkout: Path) -> None:
    assert new(checkout, "some_where", "--label", "Some Where").returncode == 0
    script = """
from musicsync.providers import registry
from musicsync.providers.base import Scope
from musicsync.records import Response
from sandbox import ids
from sandbox.catalogue import World
from sandbox.some_where import SomeWhere
from sandbox.wire import Ask

catalogue = World(100, 1).musicbrainz()
block = catalogue.world.block(0)
release = next(iter(block.releases.values()))
adapter = registry.get("some_where")
[request] = adapter.plan(Scope(kind="release", key=str(ids.encode_number("release", release.index))), "full")
answer = SomeWhere(catalogue).respond(Ask(request.path, request.params))
page = adapter.parse(request, Response(status=200, headers={}, body=answer.body, url=""))
assert [record.title for record in page.records] == [release.title, *(t.title for t in catalogue.tracks_on(release))]
print(adapter.label)
"""
    assert run(checkout, sys.executable, "-c", script).stdout == "Some Where\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["deezer"], "musicsync/providers/deezer.py exists"),
        (["spotify"], "musicsync/providers/spotify exists"),
        (["wire"], "musicsync/providers/wire.py exists"),
        (["world"], "sandbox/world.py exists"),
        (["storable"], "tests/contract/storable.py exists"),
        (["json"], "test_contract.py uses json"),
        (["struct"], "uses Struct"),
        (["class"], "cannot name a Python module"),
        (["Qobuz"], "cannot name a Python module"),
        (["7digital"], "cannot name a Python module"),
        (["../qobuz"], "cannot name a Python module"),
        (["qobuz", "--label", 'Q"'], "--label"),
    ],
    ids=str,
)
def test_a_name_that_cannot_be_had_changes_nothing(
    checkout: Path, settings: LazySettings, arguments: list[str], says: str
) -> None:
    assert says in refusal(checkout, settings, *arguments)


def test_outside_of_a_checkout_nothing_is_changed(checkout: Path, settings: LazySettings) -> None:
    shutil.rmtree(checkout / "tests")
    assert "run it in a checkout of the repository" in refusal(checkout, settings, "qobuz")


def refusal(folder: Path, settings: LazySettings, *arguments: str) -> str:
    settings.BASE_DIR = folder
    before = files(folder)
    with pytest.raises(CommandError) as refused:
        call_command("newprovider", *arguments)
    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)
    assert files(folder) == before
    return str(refused.value)
