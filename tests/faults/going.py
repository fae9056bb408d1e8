"""Runs of all three dialects under way, at rates that their provider just allows: what each fault befalls."""

from collections.abc import Callable

from django.db import connection

from musicsync.models import Fetch, Run
from tests.faults.compare import Outcome, assert_as_if_nothing_happened
from tests.faults.stack import Stack, asking
from tests.helpers import wait_until

ALL = ("musicbrainz", "deezer", "feed")
RATE = 20.0
LIMITS = ("--musicbrainz-rate", "20", "--deezer-quota", "100", "--feed-rate", "20")
"""A sandbox that refuses whatever comes faster than `RATE`: 1,000 tracks take 15 s then, 2,000 take 30."""
CATCH_UP_SECONDS = 45
"""A lost message is sent again after 25 s, by a sweep that comes every 5 s; the rest is for a beat that waits."""
SANDBOX = ("--tracks", "1000", *LIMITS)

NEXT = 5
"""As many requests as show that a run goes on."""


class Going:
    """Runs of every provider of a stack, begun."""

    def __init__(self, stack: Stack, workers: int = 2, rate: float = RATE) -> None:
        self.stack = stack
        self.providers = stack.follow(*ALL, rate=rate, burst=1)
        self.workers = [stack.worker(f"worker-{number}") for number in range(1, workers + 1)]
        self.beat = stack.beat()
        stack.start(*self.workers, self.beat)
        self.runs: list[Run] = []

    def begin(self, applied: int = 20) -> None:
        """Start the runs, and return when this many requests are applied."""
        before = self.applied()
        self.runs = self.stack.sync(*self.providers)
        wait_until(lambda: self.applied() >= before + applied)

    def applied(self) -> int:
        """Count the requests that are applied, by a connection that may have been lost meanwhile."""
        counted: list[int] = []
        question = Fetch.objects.filter(status=Fetch.Status.APPLIED)
        wait_until(asking(lambda: counted.append(question.count()) or True))
        return counted[0]

    def catches_up(self) -> Callable[[], bool]:
        """Return what tells whether all that is under way now is applied: what the fault hit is among it.

        Where nothing is, as the fault kept everybody from queueing more, it is what is owed next.
        """
        # A connection from before the fault says nothing of what is there now.
        connection.close()
        under_way = (Fetch.Status.QUEUED, Fetch.Status.LEASED, Fetch.Status.WAITING)
        known = Fetch.objects.order_by("pk").values_list("pk", flat=True)
        ids = list(known.filter(status__in=under_way)) or list(known.filter(status=Fetch.Status.PENDING)[:NEXT])
        assert ids, "the runs had ended before the fault did"
        return asking(lambda: not Fetch.objects.filter(pk__in=ids).exclude(status=Fetch.Status.APPLIED).exists())

    def wait_for_more(self, requests: int, limit: float) -> None:
        """Return when this many more requests are applied."""
        before = self.applied()
        wait_until(lambda: self.applied() >= before + requests, limit)

    def assert_ends_as_if_nothing_happened(self, expected: Outcome, limit: float = 90.0) -> None:
        """Wait for the runs; hold what they left against the undisturbed, and what was asked against the limits."""
        assert_as_if_nothing_happened(self.stack.wait_for(*self.runs, limit=limit), expected)
        self.assert_never_too_fast()

    def assert_never_too_fast(self) -> None:
        asked = {dialect: self.stack.sandbox.asked(dialect) for dialect in ALL}
        assert {dialect: found["refused"] for dialect, found in asked.items()} == dict.fromkeys(ALL, 0)
        assert asked["deezer"]["worst_5s"] <= 100
