"""When pages are asked again: sooner where they change, later where they do not, and never more than a run may."""

import importlib
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from musicsync import queries, tasks
from musicsync.management import listing
from musicsync.models import Budget, Fetch, KnownPage, PageCheck, Provider, Run, Scope, Tuning
from musicsync.providers.collect import page_after
from musicsync.records import Page, Request
from musicsync.sync import apply, checks, fetches, lookups, runs
from musicsync.sync import pages as known_pages
from musicsync.sync.lookups import Target
from musicsync.sync.work import work
from tests.integration import paging
from tests.integration.driving import control, drive, follow, make_lists_due, sync
from tests.integration.sending import messages_to

DAY = timedelta(days=1)


@pytest.fixture
def deezer(small: str) -> Provider:
    """A provider that was read once, as a whole."""
    followed = follow(small, "deezer")
    sync(followed)
    return followed


def asked(run: Run) -> list[str]:
    return list(Fetch.objects.filter(run=run).order_by("pk").values_list("key", flat=True))


def details() -> list[PageCheck]:
    return list(PageCheck.objects.exclude(request__refreshes__isnull=True).order_by("key"))


def let_pass(span: timedelta) -> None:
    """Put all that is known of times back by so long."""
    PageCheck.objects.update(check_at=F("check_at") - span, checked_at=F("checked_at") - span)


def wait_of(key: str) -> timedelta:
    check = PageCheck.objects.get(key=key)
    assert check.check_at is not None
    assert check.checked_at is not None
    return check.check_at - check.checked_at


def set_due(key: str, at: datetime) -> None:
    assert PageCheck.objects.filter(key=key).update(check_at=at) == 1


def test_each_scope_and_each_page_of_details_has_a_time(deezer: Provider) -> None:
    scopes = {f"artist/{scope.key}" for scope in deezer.scopes.all()}
    known = set(KnownPage.objects.filter(key__startswith="album/").values_list("key", flat=True))
    assert set(PageCheck.objects.values_list("key", flat=True)) == scopes | known
    assert not PageCheck.objects.filter(check_at=None).exists()


def test_what_is_not_due_is_not_asked(deezer: Provider) -> None:
    run = sync(deezer, "incremental")
    assert (asked(run), run.status) == ([], "done")


def test_a_still_page_is_asked_later_and_later_within_the_bounds(deezer: Provider) -> None:
    key = details()[0].key
    waits = [wait_of(key)]
    for _ in range(4):
        let_pass(waits[-1])
        assert key in asked(sync(deezer, "incremental"))
        waits.append(wait_of(key))
    assert all(before < after for before, after in pairwise(waits))
    Provider.objects.update(check_after_most=9.0)
    deezer.refresh_from_db()
    let_pass(60 * DAY)
    sync(deezer, "incremental")
    assert DAY <= wait_of(key) <= 9 * DAY


def test_an_edit_of_a_known_release_arrives_by_an_incremental_run_and_is_looked_at_sooner(
    small: str, deezer: Provider
) -> None:
    control(small, "evolve", json={})
    let_pass(30 * DAY)
    run = sync(deezer, "incremental")
    assert run.summary["track.updated"] > 0
    changed = Fetch.objects.filter(run=run, counts__has_key="changed", key__startswith="album/").values_list(
        "key", flat=True
    )
    known = {check.key for check in details() if check.changes > 0}
    assert known & set(changed)
    still = next(check.key for check in details() if check.key not in changed and check.days > 0)
    assert max(wait_of(key) for key in set(changed) & known) < wait_of(still)


def test_what_has_just_appeared_is_asked_again_sooner_than_what_was_there(small: str, deezer: Provider) -> None:
    before = {check.key for check in details()}
    control(small, "evolve", json={"generations": 4, "expected": False})
    make_lists_due()
    sync(deezer, "incremental")
    new = [check.key for check in details() if check.key not in before]
    assert new
    assert max(map(wait_of, new)) < min(map(wait_of, before))


def test_a_list_has_changed_where_one_of_its_pages_has(small: str, deezer: Provider) -> None:
    control(small, "evolve", json={"generations": 4, "expected": False})
    let_pass(30 * DAY)
    sync(deezer, "incremental")
    lists = PageCheck.objects.filter(request__refreshes__isnull=True)
    assert lists.filter(changes__gt=0).exists()
    assert set(lists.values_list("key", flat=True)) == {f"artist/{scope.key}" for scope in deezer.scopes.all()}


def test_the_most_overdue_come_first_and_no_more_than_a_run_may(deezer: Provider) -> None:
    Provider.objects.update(checks_per_run=3)
    deezer.refresh_from_db()
    now = timezone.now()
    overdue = [check.key for check in details()[:5]]
    for number, key in enumerate(overdue):
        set_due(key, now - number * DAY)
    assert asked(runs.open_run(deezer, "incremental", "cli")) == overdue[:1:-1]


def test_a_full_run_asks_for_all_and_sets_the_times(deezer: Provider) -> None:
    let_pass(DAY)
    before = timezone.now()
    assert len(asked(sync(deezer))) == KnownPage.objects.count()
    assert not PageCheck.objects.filter(checked_at__lt=before).exists()


def test_what_was_left_undone_comes_before_what_is_due_and_within_the_same_limit(deezer: Provider) -> None:
    Provider.objects.update(checks_per_run=3)
    deezer.refresh_from_db()
    first, second, due, other = [check.key for check in details()[:4]]
    PageCheck.objects.filter(key__in=[first, second]).update(check_at=None)
    set_due(due, timezone.now() - 2 * DAY)
    set_due(other, timezone.now() - DAY)
    undone = PageCheck.objects.filter(check_at=None).order_by("pk").values_list("key", flat=True)
    assert asked(runs.open_run(deezer, "incremental", "cli")) == [*undone, due]


def test_an_incremental_run_begins_with_as_many_statements_however_much_is_due(deezer: Provider) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as context:
            run = runs.open_run(deezer, "incremental", "cli")
        run.delete()
        return len(context)

    few = statements()
    let_pass(60 * DAY)
    assert statements() == few


def test_a_cancelled_run_is_learnt_from_by_a_task_that_the_sweep_sends(db: None) -> None:
    one = paging.provider("one")
    run = paging.open_run(one)
    fetches.owe_in_order(run.pk, [(one.scopes.get().pk, Request(path="album", refreshes=("release", "9")))])
    runs.cancel(run)
    assert not PageCheck.objects.exists()
    with messages_to("maintenance") as sent:
        tasks.sweep()
        tasks.settle_run(run.pk)
        tasks.sweep()
    assert [(headers["task"], headers["argsrepr"]) for headers in sent] == [(tasks.settle_run.name, f"({run.pk},)")]
    assert PageCheck.objects.get().check_at is None


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("end", ["dead", "discarded", "cancelled"])
def test_what_was_found_and_left_undone_is_asked_for(small: str, end: str) -> None:
    provider = follow(small, "deezer")
    run = runs.open_run(provider, "full", "cli")
    undone = _work_until_an_album_is_owed(run)
    if end == "cancelled":
        _cancel(run)
    else:
        _bury(run, undone)
        drive(run)
    if end == "discarded":
        assert runs.discard(Fetch.objects.filter(run=run)) == 1
    again = sync(provider, "incremental")
    assert undone in asked(again)
    assert KnownPage.objects.filter(key=undone).exists()
    assert asked(sync(provider, "incremental")) == []


def test_what_a_cancelled_run_read_to_its_end_is_not_asked_again(small: str) -> None:
    provider = follow(small, "deezer")
    run = runs.open_run(provider, "full", "cli")
    undone = _work_until_an_album_is_owed(run)
    whole = Fetch.objects.get(run=run, status="applied", key__contains="/albums?").key.partition("/albums")[0]
    _cancel(run)
    again = asked(runs.open_run(provider, "incremental", "cli"))
    scopes = {f"artist/{scope.key}" for scope in provider.scopes.all()}
    assert scopes - set(again) == {whole}
    assert undone in again


def test_further_pages_of_details_are_asked_with_the_first(db: None) -> None:
    one = paging.provider("one")
    first = Request(path="album", refreshes=("release", "9"))
    second = page_after(first, {"index": "100"}, 120)
    pages = {"album": Page(follow_ups=(second,), total=120), second.key: Page(total=120)}

    def read(run: Run, *keys: str) -> None:
        for key in keys:
            apply.page(paging.lease(run, key), pages[key], None, 1)

    full = paging.open_run(one)
    fetches.owe_in_order(full.pk, [(one.scopes.get().pk, first)])
    read(full, *pages)
    runs.finish(full.pk)
    assert PageCheck.objects.get().key == "album"
    let_pass(60 * DAY)
    run = runs.open_run(one, "incremental", "cli")
    Fetch.objects.filter(run=run, key__startswith="feed").delete()
    known = known_pages.known(one.pk, first, 1)
    assert known is not None
    apply.not_modified(paging.lease(run, "album"), known, None)
    assert asked(run) == list(pages)
    _bury(run, second.key)
    runs.finish(run.pk)
    assert PageCheck.objects.get().key == "album"
    assert wait_of("album") == pytest.approx(DAY, abs=timedelta(minutes=5))


def test_details_have_changed_where_a_further_page_of_them_has(db: None) -> None:
    one = paging.provider("one")
    waits = []
    for number, said in (("8", "as before"), ("9", "other than before")):
        first = Request(path=f"album/{number}", refreshes=("release", number))
        second = page_after(first, {"index": "100"}, 120)
        pages = {
            first.key: Page(follow_ups=(second,), total=120),
            second.key: Page(records=(paging.release(number, "as before"),), total=120),
        }
        for page in (pages[second.key], Page(records=(paging.release(number, said),), total=120)):
            let_pass(60 * DAY)
            run = paging.open_run(one, mode="lookup")
            fetches.owe_in_order(run.pk, [(one.scopes.get().pk, first)])
            apply.page(paging.lease(run, first.key), pages[first.key], None, 1)
            apply.page(paging.lease(run, second.key), page, None, 1)
            runs.finish(run.pk)
        waits.append(wait_of(first.key))
    still, changed = waits
    assert changed < still


def test_a_second_look_at_details_is_no_list_with_a_time(db: None) -> None:
    one = paging.provider("one")
    artist = Scope.objects.create(provider=one, kind="artist", key="1")
    first = Request(path="album", refreshes=("release", "9"))
    second = page_after(first, {"index": "100"}, 120)
    run = paging.open_run(one)
    fetches.owe_in_order(run.pk, [(artist.pk, first)])
    apply.page(paging.lease(run, "album"), Page(follow_ups=(second,), total=120), None, 1)
    apply.page(paging.lease(run, second.key), Page(total=119), None, 1)
    apply.page(paging.lease(run, "album#again"), Page(total=119), None, 1)
    runs.finish(run.pk)
    assert PageCheck.objects.get().key == "album"


@pytest.mark.parametrize("key", ["album/", "artist/"])
def test_what_dies_each_time_stands_in_nobodys_way(deezer: Provider, key: str) -> None:
    Provider.objects.update(checks_per_run=1)
    deezer.refresh_from_db()
    first, second = PageCheck.objects.filter(key__startswith=key).order_by("key")[:2]
    set_due(first.key, timezone.now() - 2 * DAY)
    set_due(second.key, timezone.now() - DAY)
    run = runs.open_run(deezer, "incremental", "cli")
    assert asked(run)[0] == first.key
    _bury(run, first.key)
    drive(run)
    assert asked(runs.open_run(deezer, "incremental", "cli"))[0] == second.key
    put_off = PageCheck.objects.get(key=first.key)
    assert put_off.check_at is not None
    assert put_off.check_at - timezone.now() == pytest.approx(DAY, abs=timedelta(minutes=5))
    assert (put_off.checked_at, put_off.changes, put_off.days) == (first.checked_at, first.changes, first.days)


def test_what_was_never_answered_and_dies_again_is_asked_later(small: str) -> None:
    provider = follow(small, "deezer")
    run = runs.open_run(provider, "full", "cli")
    undone = _work_until_an_album_is_owed(run)
    for _ in range(2):
        assert undone in asked(run)
        _bury(run, undone)
        drive(run)
        run = runs.open_run(provider, "incremental", "cli")
    assert undone not in asked(run)
    drive(run)
    let_pass(DAY)
    assert undone in asked(sync(provider, "incremental"))


def _cancel(run: Run) -> None:
    """Cancel the run, and learn from it as a sweep lets a worker do."""
    runs.cancel(run)
    assert runs.unsettled() == [run.pk]
    runs.settle(run.pk)
    assert runs.unsettled() == []


def _bury(run: Run, key: str) -> None:
    lease = fetches.claim(Fetch.objects.get(run=run, key=key).pk)
    assert isinstance(lease, fetches.Lease)
    fetches.bury(lease, "no")


def _work_until_an_album_is_owed(run: Run) -> str:
    while not (owed := Fetch.objects.filter(run=run, key__startswith="album/").first()):
        work(Fetch.objects.filter(run=run, status__in=("pending", "queued")).earliest("pk").pk)
    # Their messages are nobody's here: whoever drives the run sends others.
    Fetch.objects.filter(run=run, status="queued").update(status="pending")
    return owed.key


def test_lookups_wait_for_the_removals_alone_and_what_was_learnt_is_looked_up_by_key(deezer: Provider) -> None:
    run = runs.open_run(deezer, "full", "cli")
    with CaptureQueriesContext(connection) as context:
        drive(run)
    statements = [query["sql"] for query in context.captured_queries]
    settled = [n for n, sql in enumerate(statements) if "INSERT INTO musicsync_pagecheck" in sql]
    locked = [n for n, sql in enumerate(statements) if sql.startswith("SELECT 1 FROM musicsync_provider")]
    planned = [sql for sql in statements if "enable_nestloop" in sql]
    assert settled[-1] < locked[0]
    assert planned == ["SET LOCAL enable_nestloop = off", "SET LOCAL enable_nestloop TO DEFAULT"] * 2


def test_a_run_that_is_settled_twice_teaches_once(deezer: Provider) -> None:
    before = list(PageCheck.objects.order_by("pk").values())
    checks.settle(Run.objects.get())
    assert list(PageCheck.objects.order_by("pk").values()) == before


def test_a_feed_has_no_times_and_is_asked_by_every_run(small: str) -> None:
    provider = follow(small, "feed")
    sync(provider)
    assert not PageCheck.objects.exists()
    assert asked(sync(provider, "incremental")) == ["feed/tracks?limit=1000&since=g0"]


def test_details_of_before_the_upgrade_are_spread_and_lists_asked_as_they_were(deezer: Provider) -> None:
    before = {check.key: check.request for check in details()}
    PageCheck.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(importlib.import_module("musicsync.migrations.0017_times_of_known_pages").SPREAD)
    assert {check.key: check.request for check in details()} == before
    assert set(asked(sync(deezer, "incremental"))) == {
        key
        for scope in deezer.scopes.all()
        for key in (f"artist/{scope.key}", f"artist/{scope.key}/albums?index=0&limit=100")
    }
    assert not PageCheck.objects.filter(check_at__gt=timezone.now() + 60 * DAY).exists()


def test_price_and_prior_are_learnt_of_a_sample(deezer: Provider) -> None:
    PageCheck.objects.all().delete()
    scope = deezer.scopes.first()
    assert scope is not None
    now = timezone.now()

    def tuned(many: int) -> Tuning:
        PageCheck.objects.all().delete()
        PageCheck.objects.bulk_create(
            PageCheck(
                provider=deezer, scope=scope, key=str(n), request={}, check_at=now, changes=float(n % 3), days=60.0
            )
            for n in range(many)
        )
        checks.tune(deezer)
        return Tuning.objects.get(provider=deezer)

    Provider.objects.update(checks_per_run=10)
    deezer.refresh_from_db()
    few, many = tuned(100), tuned(1000)
    assert few.price < many.price
    assert 0 < many.changes / many.days < 1
    waits = [checks.policy_of(deezer).wait(checks.Gamma(float(n % 3), 60.0)) for n in range(1000)]
    assert sum(1 / wait for wait in waits) <= 1000 / 60 + 1


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"rate": 2.0}, 7200), ({"rate": 2.0, "per_day": 2400}, 100), ({"rate": 2.0, "per_month": 720}, 1)],
)
def test_a_run_asks_again_for_what_the_budget_takes_in_an_hour(limits: dict[str, float], most: int) -> None:
    assert Provider(budget=Budget(**limits)).most_checks == most


def test_people_see_what_is_due_and_when(deezer: Provider, admin_client: Client) -> None:
    set_due(details()[0].key, timezone.now() - DAY)
    page = admin_client.get(f"/admin/musicsync/provider/{deezer.pk}/change/").content.decode()
    assert "1 page, the first since" in page
    scope = deezer.scopes.first()
    assert scope is not None
    address = f"/admin/musicsync/scope/{scope.pk}/change/"
    assert ", last " in admin_client.get(address).content.decode()
    PageCheck.objects.all().delete()
    assert "by the next incremental run" in admin_client.get(address).content.decode()
    deezer.scopes.filter(pk=scope.pk).update(key="none that can be")
    assert "is no scope of Deezer" in admin_client.get(address).content.decode()


def test_what_is_due_is_counted_so_far_and_of_what_is_followed(
    deezer: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = details()
    for number, check in enumerate(pages[:3], start=1):
        set_due(check.key, timezone.now() - number * DAY)
    first = PageCheck.objects.get(key=pages[2].key).check_at
    due = queries.due_checks(deezer)
    assert (due.pages, due.since, str(due)) == (3, first, "3 pages")
    monkeypatch.setattr(queries, "MOST_DUE", 2)
    assert str(queries.due_checks(deezer)) == "> 2 pages"
    assert queries.due_checks(deezer).since == first
    (facts,) = listing.facts()
    assert (facts["due"], facts["due_more"]) == (2, True)
    assert "> 2" in listing.row(facts)
    deezer.scopes.update(active=False)
    assert queries.due_checks(deezer) == queries.DueChecks(pages=0, since=None)


def test_what_was_left_undone_and_is_looked_up_then_is_asked_again_at_its_time(small: str) -> None:
    provider = follow(small, "deezer")
    run = runs.open_run(provider, "full", "cli")
    undone = _work_until_an_album_is_owed(run)
    _cancel(run)
    before = PageCheck.objects.get(key=undone)
    drive(lookups.start(Target(provider, "release", undone.removeprefix("album/")), "cli").run)
    after = PageCheck.objects.get(key=undone)
    assert (after.scope, after.request) == (before.scope, before.request)
    assert (before.check_at, after.check_at) != (None, None)


def test_nothing_is_learnt_of_pages_that_no_run_asks_again(deezer: Provider) -> None:
    looked_up = Scope.objects.create(provider=deezer, kind="artist", key="1", active=False)
    PageCheck.objects.update(scope=looked_up)
    checks.tune(deezer)
    assert not Tuning.objects.exists()


def test_of_few_pages_nothing_is_learnt(deezer: Provider) -> None:
    PageCheck.objects.filter(pk__gt=PageCheck.objects.order_by("pk")[5].pk).delete()
    checks.tune(deezer)
    assert not Tuning.objects.exists()
