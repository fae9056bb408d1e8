"""What the demo starts ends with it, even where the demo is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers import ROOT, wait_until

PARENT = """
import sys, time
from pathlib import Path
from sandbox.demo.children import Children
children = Children(Path(sys.argv[1]))
children.start("child", [sys.executable, "-c", "import time; time.sleep(600)"])
print(children._running["child"].pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_children_end_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.send_signal(signal.SIGKILL)

    def has_ended() -> bool:
        try:
            return bool(psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    wait_until(has_ended)
