"""The demo, from nothing: twice, then with catalogues that moved on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT, wait_until
from tests.settings import TEST_VAR

TRACKS = 500


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """An environment as on a fresh machine, with a folder of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"MUSICSYNC_VAR": str(TEST_VAR / "d"), "PYTHONIOENCODING": "utf-8"}


def demo(env: dict[str, str], *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "sandbox.demo", "--tracks", str(TRACKS), *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


def row(output: str, slug: str) -> list[int]:
    """The summary's numbers: fetched, created, updated, unchanged, removed, rejected, merged ids."""
    found = re.search(rf"^{slug} +((?:[\d,]+ +){{7}})\d", output, re.MULTILINE)
    assert found, output
    return [int(number.replace(",", "")) for number in found[1].split()]


def test_demo_from_nothing_then_unchanged_then_evolved(env: dict[str, str]) -> None:
    code, output = demo(env)
    assert code == 0, output
    for slug in ("sandbox-musicbrainz", "sandbox-deezer"):
        assert row(output, slug) == [TRACKS, TRACKS, 0, 0, 0, 0, 0]
    assert output.count(" 0 refused") == 2
    assert "duration_ms" in output

    code, output = demo(env)
    assert code == 0, output
    for slug in ("sandbox-musicbrainz", "sandbox-deezer"):
        assert row(output, slug) == [TRACKS, 0, 0, TRACKS, 0, 0, 0]

    code, output = demo(env | {"EVOLVE": "1", "CELERY_BROKER_URL": "filesystem://"})
    assert code == 0, output
    for slug in ("sandbox-musicbrainz", "sandbox-deezer"):
        fetched, created, updated, unchanged, removed, *_ = row(output, slug)
        assert (created, updated) == (5, 10)
        assert fetched == TRACKS + created - removed == created + updated + unchanged
    assert output.count("the catalogue shows the same") == 2
    # The last of the private servers ends a moment after the demo that was its last user.
    wait_until(lambda: not processes_in(TEST_VAR / "d"))


def test_demo_of_another_size_says_what_to_do(env: dict[str, str]) -> None:
    state = Path(env["MUSICSYNC_VAR"]) / "other" / "demo" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"tracks": 7}')
    code, output = demo(env | {"MUSICSYNC_VAR": str(state.parent.parent)})
    assert code == 1
    assert output.splitlines()[-1].startswith(f"demo: {state.parent} holds a catalogue of 7 tracks")


def processes_in(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line and "postgres" not in line]
