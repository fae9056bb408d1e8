"""Workers side by side: every test here has real threads, each with a database connection of its own."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from musicsync.models import (
    Artist,
    Fetch,
    Provider,
    Run,
    SourceTrack,
)
from musicsync.models import sources as source_models
from musicsync.records import Page, Record, Request
from musicsync.sync import apply, fetches, runs
from musicsync.sync.work import work
from tests.integration.cataloguing import catalogue, forget_all_but_providers
from tests.integration.driving import aside, control, drive, follow, in_threads, sync
from tests.integration.paging import artist, credit, full_run, lease, open_run, provider, recording, release, say, track

pytestmark = pytest.mark.usefixtures("transactional_db")

GTINS = ("00724384960650", "04006381333931", "00075678164125", "05099749534728")


@pytest.fixture
def one(transactional_db: None) -> Provider:
    return provider("one")


@pytest.fixture
def two(transactional_db: None) -> Provider:
    return provider("two", trust=2)


def isrc(number: int) -> str:
    return f"USRC1760{number:04}"


def pages_of(of: str, chance: random.Random) -> dict[str, tuple[Record, ...]]:
    """Return pages of four releases that the providers share, on which each leaves out some ISRCs.

    Some recordings stand on two releases, and some tracks carry two ISRCs.
    """
    pages: dict[str, tuple[Record, ...]] = {}
    for number, gtin in enumerate(GTINS):
        named = credit(("Nina", "a1", " & "), (f"Guest {number}", f"g{number}", ""))
        records: list[Record] = [artist(), artist(f"g{number}", f"Guest {number}")]
        records.append(release(f"r{number}", f"{of} {number}", gtin=gtin, credits=named))
        for position in range(1, 7):
            codes = [isrc(position if number in (0, 1) else 10 * number + position)]
            if position == 6:
                codes.append(isrc(99))
            told = [] if position in (2, 3) and (of == "one") == (position == 2) else codes
            records.append(track(f"t{number}.{position}", position, *told, on=f"r{number}", credits=named))
        chance.shuffle(records)
        pages[f"{of}/{number}"] = tuple(records)
    return pages


def apply_all(work_of: list[tuple[Run, str, tuple[Record, ...]]], threads: int) -> None:
    waiting = list(work_of)
    lock = threading.Lock()

    def worker() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                run, key, records = waiting.pop()
            apply.page(lease(run, key), Page(records=records), None, 1)

    in_threads(*[worker] * threads)


def test_pages_side_by_side_make_the_catalogue_of_one_worker(one: Provider, two: Provider) -> None:
    chance = random.Random(7)
    alone = None
    for threads in (1, 4, 4, 4, 4, 4, 4):
        forget_all_but_providers()
        jobs = []
        for of in (one, two):
            pages = pages_of(of.slug, chance)
            run = open_run(of, list(pages))
            jobs += [(run, key, records) for key, records in pages.items()]
        chance.shuffle(jobs)
        apply_all(jobs, threads)
        alone = alone or catalogue()
        assert catalogue() == alone


def test_a_recording_that_is_absorbed_meanwhile_is_joined_where_it_went(one: Provider, two: Provider) -> None:
    """One provider's page makes two recordings one while the other's page joins the one that goes, by its place."""
    say(one, release("r1", gtin=GTINS[0]), track("t1", 1))
    say(one, recording("elsewhere", isrc(1)))
    run_one, run_two = open_run(one, ["ties"]), open_run(two, ["joins"])
    ties, joins = lease(run_one, "ties"), lease(run_two, "joins")

    def joining() -> None:
        records = (release("x1", gtin=GTINS[0]), track("y1", 1, on="x1"))
        apply.page(joins, Page(records=records), None, 1)

    with transaction.atomic():
        apply.page(ties, Page(records=(track("t1", 1, isrc(1)),)), None, 1)
        other = aside(joining)
    other.join(60)

    found = SourceTrack.objects.values_list("recording", flat=True).distinct()
    assert len(found) == 1


def let_the_other_be_stopped() -> None:
    """Let this transaction look for a deadlock so late that the other session finds it first, and is stopped."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL deadlock_timeout = '60s'")


def to_be_stopped(function: Callable[[], object]) -> Callable[[], None]:
    """Return what calls the function in a session that looks once, 3 s after it began to wait: it is a deadlock then.

    The default is one second, which a slow machine may need to bring the deadlock about.
    """

    def call() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '3s'")
        function()

    return call


def test_a_page_that_the_database_stops_for_a_deadlock_is_applied_again(one: Provider) -> None:
    say(one, artist("a1"), artist("a2"))
    first, second = Artist.objects.order_by("pk")
    held = lease(open_run(one, ["page"]), "page")
    news = Page(records=(artist("a1", "New"), artist("a2", "New")))
    with transaction.atomic():
        let_the_other_be_stopped()
        Artist.objects.select_for_update().get(pk=second.pk)
        other = aside(to_be_stopped(lambda: apply.page(held, news, None, 1)))
        # The page waits for the second and has the first.
        Artist.objects.select_for_update().get(pk=first.pk)
    other.join(60)
    assert set(Artist.objects.values_list("name", flat=True)) == {"New"}
    assert Fetch.objects.get(pk=held.id).status == "applied"


@pytest.mark.parametrize("others", [["b"], []])
def test_a_cancelled_run_owes_nothing_even_if_a_page_was_just_being_applied(one: Provider, others: list[str]) -> None:
    run = open_run(one, ["a", *others])
    held = lease(run, "a")
    following = tuple(Request(path=f"follow-up/{number}") for number in range(3))
    with transaction.atomic():
        apply.page(held, Page(follow_ups=following), None, 1)
        cancelling = aside(lambda: runs.cancel(run))
    cancelling.join(60)
    statuses = dict(Fetch.objects.filter(run=run).values_list("key", "status"))
    assert statuses.pop("a") == "applied"
    assert set(statuses.values()) == {"cancelled"}


def test_a_cancel_that_the_database_stops_for_a_deadlock_is_carried_out(one: Provider) -> None:
    run = open_run(one, ["a", "b"])
    first, second = Fetch.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)
    with transaction.atomic():
        let_the_other_be_stopped()
        Fetch.objects.select_for_update().get(pk=second)
        cancelling = aside(to_be_stopped(lambda: runs.cancel(run)))
        Fetch.objects.select_for_update().get(pk=first)
    cancelling.join(60)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert set(Fetch.objects.filter(run=run).values_list("status", flat=True)) == {"cancelled"}


def test_one_fetch_worked_on_by_four_is_asked_and_applied_once(small: str) -> None:
    run = runs.open_run(follow(small, "feed"), "full", "cli")
    (fetch_id,) = fetches.fill_window(run.pk, 1)
    steps = in_threads(*[lambda: work(fetch_id)] * 4)
    assert [step.run_ended for step in steps].count(True) == 1
    assert control(small, "state")["requests"]["feed"]["served"] == 1
    assert SourceTrack.objects.count() == 100


def test_of_four_who_end_a_run_one_does(one: Provider) -> None:
    run = open_run(one, ["a"])
    apply.page(lease(run, "a"), Page(), None, 1)
    ended = in_threads(*[lambda: runs.finish(run.pk)] * 4)
    assert [found for found in ended if found is not None] == [run]


def test_of_four_who_start_a_run_one_does(one: Provider) -> None:
    slot = datetime(2026, 1, 1, tzinfo=UTC)

    def start() -> Run | None:
        try:
            return runs.open_run(one, "full", "schedule", schedule="one: full", slot=slot)
        except (runs.AlreadyRunning, runs.SlotTaken):
            return None

    started = in_threads(*[start] * 4)
    assert len([run for run in started if run]) == Run.objects.count() == 1


def test_four_workers_keep_to_the_window(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_models, "MOST_AHEAD", 3)
    run = runs.open_run(follow(small, "deezer"), "full", "cli")
    worst = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            worst.append(Fetch.objects.filter(run=run, status__in=["queued", "waiting"]).count())

    def drive_and_tell() -> Run:
        try:
            return drive(run, threads=4)
        finally:
            done.set()

    in_threads(watch, drive_and_tell)
    # Those who fill at the same moment do not wait for each other, nor see what another one has just claimed.
    assert 1 < max(worst) <= 4 * (3 + 1)


def test_any_number_of_workers_keeps_to_the_budget(base: str) -> None:
    # A rate that a slow machine can keep up with, too.
    rate, burst, threads = 15, 5, 6
    sync(follow(base, "deezer", rate=rate, burst=burst), threads=threads)
    asked = control(base, "state")["requests"]["deezer"]
    assert asked["served"] > 3 * rate
    # Each thread may be late with one request, which may then be among those of the next second.
    assert asked["worst_1s"] <= rate + burst + threads
    assert asked["worst_5s"] <= rate * 5 + burst + threads
    assert asked["worst_5s"] > rate * 3


def test_a_run_that_is_started_amid_an_approval_begins_after_it(one: Provider) -> None:
    full_run(one, {"page": [recording("t1"), recording("t2")]})
    held = full_run(one, {"page": [recording("t1")]})
    assert held.status == "held"
    with transaction.atomic():
        assert runs.approve(held) == {"track.removed": 1}
        starting = aside(lambda: runs.open_run(one, "incremental", "cli"))
    starting.join(60)
    later = Run.objects.latest("pk")
    held.refresh_from_db()
    assert (held.status, held.error, later.status) == ("done", "", "running")
    assert held.finished_at is not None
    assert later.pk != held.pk
