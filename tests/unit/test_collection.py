"""`make test` runs in several processes, which collect the tests each for itself and must all find the same."""

import os
import subprocess
import sys

from tests.helpers import ROOT

COLLECT = """
import sys, time
now = time.time
time.time = lambda: now() + float(sys.argv[1])
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider"]))
"""


def test_every_process_collects_the_same_tests() -> None:
    """The name of a test says neither when it was collected nor in which order a process keeps a set."""
    collecting = [
        subprocess.Popen(
            [sys.executable, "-c", COLLECT, seconds_ahead],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, seconds_ahead in (("1", "0"), ("2", "100000"))
    ]
    one, other = ([line for line in process.communicate()[0].splitlines() if "::" in line] for process in collecting)
    assert all(process.returncode == 0 for process in collecting)
    assert len(one) > 100
    assert one == other
