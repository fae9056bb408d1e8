"""Settings of the tests: the project's own, on private servers in a folder of this run that fixtures start at need."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

TEST_VAR = Path(tempfile.mkdtemp(prefix="musicsync-test-")).resolve()
# Registered first, so it runs last: after the servers in it have stopped.
atexit.register(shutil.rmtree, TEST_VAR, ignore_errors=True)

# WhiteNoise warns where nothing was collected.
(TEST_VAR / "static").mkdir()

# A process of pytest-xdist inherits what its controller set here, and starts a server of its own all the same.
if not os.environ.get("DATABASE_URL"):
    os.environ["MUSICSYNC_TEST_DATABASE"] = "private"
PRIVATE_DATABASE = os.environ.get("MUSICSYNC_TEST_DATABASE") == "private"
if PRIVATE_DATABASE:
    os.environ["DATABASE_URL"] = f"postgres://postgres@/musicsync?host={TEST_VAR / 'run'}"
os.environ["MUSICSYNC_VAR"] = str(TEST_VAR)
# Nothing that a test process enqueues by itself leaves it; tests of real workers give them the broker of a fixture.
os.environ["CELERY_BROKER_URL"] = "memory://"
os.environ["CELERY_RESULT_BACKEND"] = ""
os.environ["DJANGO_DEBUG"] = "on"

from project.settings import *  # noqa: E402, F403 - the environment must be set first
