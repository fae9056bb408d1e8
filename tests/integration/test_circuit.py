"""The circuit breaker: a provider that is down, or refuses the credential, is left alone until a probe is answered."""

import math
from datetime import timedelta

import pytest
from django.utils import timezone

from musicsync.models import Circuit, Fetch, Provider
from musicsync.sync import circuit, fetches, runs
from musicsync.sync.asking import probe
from musicsync.sync.work import MOST_SHEDS, work
from tests.integration.driving import control, drive, follow
from tests.integration.paging import open_run, provider

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one")


def is_open() -> bool:
    return Circuit.objects.filter(opened_at__isnull=False).exists()


def test_four_failures_in_a_row_open_it_once(one: Provider) -> None:
    assert [circuit.failed(one.pk, f"GET /a: 50{n}") for n in range(6)] == [False, False, False, True, False, False]
    row = Circuit.objects.get()
    assert (row.failures, row.reason) == (4, "GET /a: 503")


def test_an_answer_between_failures_starts_the_count_anew(one: Provider) -> None:
    for _ in range(3):
        circuit.failed(one.pk, "no")
    circuit.answered(one.pk)
    assert [circuit.failed(one.pk, "no") for _ in range(3)] == [False] * 3
    assert not is_open()


def test_nothing_is_claimed_while_it_is_open(one: Provider) -> None:
    run = open_run(one, ["a"])
    circuit.open_at_once(one.pk, "401")
    found = fetches.claim(run.fetches.get().pk)
    assert isinstance(found, fetches.Postponed)
    assert found.seconds == pytest.approx(circuit.FIRST_PROBE_SECONDS, abs=3)
    row = run.fetches.get()
    assert (row.status, row.attempts, row.failures) == ("waiting", 0, 0)


def test_what_waits_for_a_probe_that_is_late_does_not_ask_for_it_all_the_time(one: Provider) -> None:
    run = open_run(one, ["a"])
    circuit.open_at_once(one.pk, "no")
    Circuit.objects.update(probe_at=timezone.now() - timedelta(minutes=1))
    found = fetches.claim(run.fetches.get().pk)
    assert isinstance(found, fetches.Postponed)
    assert found.seconds == pytest.approx(fetches.PROBE_LOOK_SECONDS, abs=3)


def test_one_caller_alone_gets_a_probe_and_the_next_comes_later(one: Provider) -> None:
    circuit.open_at_once(one.pk, "no")
    waits = []
    for _ in range(7):
        assert circuit.take_due() == []
        Circuit.objects.update(probe_at=timezone.now())
        assert circuit.take_due() == [one.pk]
        # To the next ten: a moment has passed.
        waits.append(math.ceil((Circuit.objects.get().probe_at - timezone.now()).total_seconds() / 10) * 10)
    assert waits == [20, 40, 80, 160, 300, 300, 300]


def test_closing_it_lets_go_on_what_waited(one: Provider) -> None:
    run = open_run(one, ["a", "b"])
    circuit.open_at_once(one.pk, "no")
    for pk in run.fetches.values_list("pk", flat=True):
        fetches.claim(pk)
    assert circuit.close(one) == sorted(run.fetches.values_list("pk", flat=True))
    assert set(run.fetches.values_list("status", "not_before")) == {("queued", None)}
    assert not is_open()


def test_a_provider_that_is_down_loses_nothing(small: str) -> None:
    followed = follow(small, "feed")
    run = runs.open_run(followed, "full", "cli")
    control(small, "faults", json=[{"kind": "status", "status": 503}])
    (fetch_id,) = fetches.fill_window(run.pk, 1)
    notices = []
    for _ in range(circuit.MOST_FAILURES):
        step = work(fetch_id)
        notices.append(step.notice)
        Fetch.objects.filter(pk=fetch_id).update(not_before=None)
    assert [notice is not None for notice in notices] == [False, False, False, True]
    assert "503" in notices[-1].body
    postponed = work(fetch_id).postponed
    assert postponed is not None
    assert not probe(followed)
    assert "503" in Circuit.objects.get().reason

    control(small, "faults", json=[])
    assert probe(followed)
    for waiting in circuit.close(followed):
        work(waiting)
    ended = drive(run)
    assert (ended.status, ended.summary["track.created"]) == ("done", 100)
    assert Fetch.objects.filter(status="dead").count() == 0


def test_a_dead_fetch_of_a_provider_that_answers_opens_nothing(small: str) -> None:
    followed = follow(small, "deezer")
    run = runs.open_run(followed, "full", "cli")
    bad = run.fetches.order_by("pk").first()
    control(small, "faults", json=[{"kind": "status", "status": 500, "path": bad.key.partition("?")[0]}])
    ended = drive(run)
    assert ended.status == "errors"
    assert not is_open()
    assert Fetch.objects.get(status="dead").failures == 5


@pytest.mark.parametrize("closed_since", [False, True], ids=["still open", "closed again"])
def test_what_was_refused_before_the_credential_held_again_waits_with_the_others(
    small: str, monkeypatch: pytest.MonkeyPatch, closed_since: bool
) -> None:
    followed = follow(small, "deezer")
    run = runs.open_run(followed, "full", "cli")
    control(small, "faults", json=[{"kind": "status", "status": 401, "count": 1}])

    def taken_again(of: Provider) -> bool:
        circuit.open_at_once(of.pk, "401 to another request, and to its probe")
        if closed_since:
            circuit.close(of)
        return True

    monkeypatch.setattr("musicsync.sync.work.probe", taken_again)
    (fetch_id,) = fetches.fill_window(run.pk, 1)
    assert work(fetch_id).postponed is not None
    assert Fetch.objects.get(pk=fetch_id).status == "waiting"


def test_what_alone_is_refused_is_dead_however_often_the_circuit_was_open_before(small: str) -> None:
    followed = follow(small, "deezer")
    circuit.open_at_once(followed.pk, "401")
    circuit.close(followed)
    Circuit.objects.update(closed_at=timezone.now() - timedelta(minutes=5))
    run = runs.open_run(followed, "full", "cli")
    bad = run.fetches.order_by("pk").first()
    control(small, "faults", json=[{"kind": "status", "status": 401, "path": bad.key.partition("?")[0]}])
    (fetch_id,) = fetches.fill_window(run.pk, 1)
    work(fetch_id)
    assert Fetch.objects.get(pk=fetch_id).status == "dead"
    assert not is_open()


def test_a_pause_that_a_probe_is_told_is_kept(small: str) -> None:
    followed = follow(small, "feed")
    control(small, "faults", json=[{"kind": "status", "status": 429, "retry_after": 60}])
    assert not probe(followed)
    followed.budget.refresh_from_db()
    assert (followed.budget.cooldown_until - timezone.now()).total_seconds() == pytest.approx(60, abs=20)


def test_a_probe_waits_for_the_pause(one: Provider) -> None:
    one.budget.cooldown_until = timezone.now() + timedelta(minutes=5)
    one.budget.save()
    assert not probe(one)


def test_a_request_that_is_turned_away_for_ever_ends_as_a_failure(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetches, "SHED_SECONDS", 0.01)
    run = runs.open_run(follow(small, "musicbrainz"), "full", "cli")
    control(small, "faults", json=[{"kind": "shed"}])
    (fetch_id,) = fetches.fill_window(run.pk, 1)
    for _ in range(MOST_SHEDS - 1):
        assert work(fetch_id).postponed is not None
        Fetch.objects.filter(pk=fetch_id).update(not_before=None)
    assert Fetch.objects.get(pk=fetch_id).failures == 0
    assert work(fetch_id).failed is not None
    assert Fetch.objects.get(pk=fetch_id).failures == 1
