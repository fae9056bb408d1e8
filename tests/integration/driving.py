"""Work a run to its end in threads of this process: what a broker and Celery's workers do, without their overhead."""

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests
from django.db import connection
from django.utils import timezone

from musicsync.models import Budget, PageCheck, Provider, Run, Scope
from musicsync.records import Mode
from musicsync.sync import circuit, fetches, runs
from musicsync.sync.asking import probe
from musicsync.sync.work import work
from tests.helpers import wait_until

ROOTS = {
    "musicbrainz": "/musicbrainz/ws/2",
    "deezer": "/deezer",
    "feed": "",
    "spotify": "/spotify/v1",
    "tidal": "/tidal/v2",
    "discogs": "/discogs",
    "itunes": "/itunes",
    "jamendo": "/jamendo/v3.0",
    "lastfm": "/lastfm",
}
TOKENS = {"spotify": "/spotify/token", "tidal": "/tidal/token"}
LIMIT_SECONDS = 300.0


class Doorbell:
    """Messages about fetches, each with the time at which it is due."""

    def __init__(self, fetch_ids: Iterable[int]) -> None:
        self._due = [(0.0, fetch_id) for fetch_id in fetch_ids]
        self._changed = threading.Condition()
        self._at_work = 0
        self._end = time.monotonic() + LIMIT_SECONDS

    def take(self) -> int | None:
        """Wait for the next message; ``None`` when there is none and nobody is at work who might send one."""
        with self._changed:
            while True:
                now = time.monotonic()
                assert now < self._end, f"not done within {LIMIT_SECONDS} s"
                if self._due and self._due[0][0] <= now:
                    self._at_work += 1
                    return heapq.heappop(self._due)[1]
                if not self._due and not self._at_work:
                    return None
                self._changed.wait(self._due[0][0] - now if self._due else 1.0)

    def send(self, fetch_ids: Sequence[int], seconds: float = 0.0) -> None:
        with self._changed:
            for fetch_id in fetch_ids:
                heapq.heappush(self._due, (time.monotonic() + seconds, fetch_id))

    def done(self) -> None:
        with self._changed:
            self._at_work -= 1
            self._changed.notify_all()


def drive(run: Run, threads: int = 1) -> Run:
    """Work on everything that the run owes, then end it."""
    bell = Doorbell(fetches.fill_window(run.pk, run.provider.window))
    if threads == 1:
        _serve(bell)
    else:
        in_threads(*[lambda: _serve(bell)] * threads)
    ended = runs.finish(run.pk)
    assert ended is not None, f"{run} still owes something"
    return ended


def _serve(bell: Doorbell) -> None:
    while (fetch_id := bell.take()) is not None:
        try:
            step = work(fetch_id, send_ahead=bell.send)
            bell.send(step.send)
            if step.notice and step.notice.key.startswith("circuit:"):
                bell.send(_recovered(step.notice.key.removeprefix("circuit:")))
            if step.postponed:
                bell.send([step.postponed.fetch_id], step.postponed.seconds + 0.005)
            if step.failed:
                bell.send([step.failed.fetch_id], step.failed.seconds + 0.005)
        finally:
            bell.done()


def _recovered(slug: str) -> list[int]:
    """Do the sweep's part: probe a provider until it answers; return the fetches that waited for that."""
    provider = Provider.objects.select_related("budget").get(slug=slug)
    wait_until(lambda: probe(provider), LIMIT_SECONDS)
    return circuit.close(provider)


def sync(provider: Provider, mode: Mode = "full", threads: int = 1) -> Run:
    return drive(runs.open_run(provider, mode, "cli"), threads)


def make_lists_due() -> None:
    """Let the next incremental run ask for every scope."""
    PageCheck.objects.filter(request__refreshes__isnull=True).update(check_at=timezone.now())


def in_threads(*functions: object) -> list[object]:
    """Call the functions side by side, each on a database connection of its own; return what they returned."""
    start = threading.Barrier(len(functions))

    def call(function: object) -> object:
        try:
            start.wait(60)
            return function()  # type: ignore[operator]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(LIMIT_SECONDS) for future in [pool.submit(call, function) for function in functions]]


def aside(function: Callable[[], object]) -> threading.Thread:
    """Call the function in a thread, and return as soon as it waits for a lock that this thread's transaction holds."""

    def call() -> None:
        try:
            function()
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(somebody_waits)
    return thread


def somebody_waits() -> bool:
    """Tell whether another session waits for a lock that the one of this thread holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        return cursor.fetchone() is not None


def follow(
    base: str, adapter: str, *, trust: int = 1, slug: str = "", rate: float = 10_000.0, burst: int = 1000
) -> Provider:
    """Set up a provider that the sandbox at ``base`` plays, with all of its catalogue as scopes."""
    allowed = Budget.objects.create(name=slug or adapter, rate=rate, burst=burst)
    provider = Provider.objects.create(
        slug=slug or adapter,
        adapter=adapter,
        base_url=base + ROOTS[adapter],
        token_url=base + TOKENS[adapter] if adapter in TOKENS else "",
        allow_private=True,
        budget=allowed,
        trust=trust,
    )
    followed = control(base, f"scopes?provider={adapter}")
    kind = "feed" if adapter == "feed" else "artist"
    Scope.objects.bulk_create(Scope(provider=provider, kind=kind, key=key) for key in followed[kind])
    return provider


def control(base: str, path: str, **options: object) -> dict:
    """Ask the sandbox itself; with ``json`` it is told something."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request("POST" if options else "GET", f"{base}/control/{path}", timeout=120, **options)
        answer.raise_for_status()
        return answer.json()
