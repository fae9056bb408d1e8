"""The command line beside other tools."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "in the middle"])
def test_a_reader_that_had_enough_ends_a_command_without_a_word(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    quiet = {name: os.environ[name] for name in ("PATH", "MUSICSYNC_VAR")}
    quiet |= {"DJANGO_SECRET_KEY": "test", "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "manage.py", "help", "--commands"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=quiet, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")
