"""Workers that are killed and stopped in the middle of their work."""

import os
from signal import SIGKILL

from musicsync.models import Failure
from tests.faults.compare import assert_as_if_nothing_happened
from tests.faults.conftest import FaultFree
from tests.faults.stack import Stack
from tests.faults.table import Recovers
from tests.helpers import wait_until

ALL = ("musicbrainz", "deezer", "feed")


def test_a_worker_child_that_is_killed_costs_its_page_a_moment(
    stack: Stack, fault_free: FaultFree, recovers: Recovers
) -> None:
    providers = stack.follow(*ALL)
    worker, beat = stack.worker("worker"), stack.beat()
    stack.start(worker, beat)
    opened = stack.sync(*providers)
    os.kill(worker.children()[0], SIGKILL)
    recovers(
        "a worker's child process is killed (`kill -9`)",
        "noticed at once",
        lambda: Failure.objects.filter(kind="worker_lost").exists(),
        within=5,
    )
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free(*ALL))
    wait_until(lambda: len(worker.children()) == 2)
