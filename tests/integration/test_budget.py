"""How fast a provider is asked, and what happens when it asks for a pause."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from musicsync.models import Budget, Fetch, Provider
from musicsync.sync import budget, fetches, runs
from musicsync.sync.work import work
from tests.integration.driving import control, follow, in_threads
from tests.integration.paging import lease, open_run, provider
from tests.unit.providers.server import answer, serving

SLOW = 0.25
"""A rate whose slots are so far apart that what a slow machine takes between two statements is little beside them."""
SPACING = 1 / (SLOW * budget.PACE)


@pytest.fixture
def one(db: None) -> Provider:
    return provider("one")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slot be near that is half a minute away, as one is otherwise that is a quarter of a second away."""
    monkeypatch.setattr(fetches, "LONGEST_SLEEP_SECONDS", 30)


def allow(of: Provider, rate: float, burst: int) -> None:
    Budget.objects.filter(pk=of.budget_id).update(rate=rate, burst=burst)


def claim_all(run: object) -> list[fetches.Lease | fetches.Postponed | None]:
    return [fetches.claim(pk) for pk in Fetch.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)]


def test_a_burst_goes_at_once_and_what_is_over_it_waits_its_turn(one: Provider) -> None:
    allow(one, rate=SLOW, burst=3)
    claimed = claim_all(open_run(one, [f"page/{number}" for number in range(5)]))
    assert [type(found).__name__ for found in claimed] == ["Lease"] * 3 + ["Postponed"] * 2
    assert [found.turn.wait for found in claimed if isinstance(found, fetches.Lease)] == [0, 0, 0]
    parked = Fetch.objects.filter(status="waiting").order_by("pk")
    assert [(row.failures, row.attempts, row.lease_token) for row in parked] == [(0, 0, None)] * 2


def test_a_fetch_that_waits_has_a_slot_of_its_own_and_is_back_before_it(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a", "b", "c"])
    first, *waiting = claim_all(run)
    assert isinstance(first, fetches.Lease)
    for place, found in enumerate(waiting, start=1):
        assert isinstance(found, fetches.Postponed)
        assert found.seconds == pytest.approx(place * SPACING - budget.LEAD_SECONDS, abs=2)
    second, third = run.fetches.filter(status="waiting").order_by("pk")
    assert third.slot_at - second.slot_at == pytest.approx(timedelta(seconds=SPACING), abs=timedelta(milliseconds=1))
    assert Budget.objects.get().used_in_day == 1


def test_who_comes_back_in_time_has_the_slot_that_it_held(one: Provider, patient: None) -> None:
    allow(one, rate=0.01, burst=1)
    run = open_run(one, ["a", "b"])
    claim_all(run)
    before = Budget.objects.get()
    soon = timezone.now() + timedelta(seconds=20)
    run.fetches.filter(status="waiting").update(slot_at=soon, not_before=None)
    held = lease(run, "b")
    after = Budget.objects.get()
    assert 0 < held.turn.wait < 20
    assert after.theoretical_arrival_at == before.theoretical_arrival_at
    assert (before.used_in_day, after.used_in_day) == (1, 2)
    assert run.fetches.get(key="b").slot_at is None


def test_a_slot_that_was_missed_is_lost(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a", "b"])
    claim_all(run)
    before = Budget.objects.get().theoretical_arrival_at
    run.fetches.filter(status="waiting").update(slot_at=timezone.now(), not_before=None)
    assert isinstance(fetches.claim(run.fetches.get(key="b").pk), fetches.Postponed)
    assert Budget.objects.get().theoretical_arrival_at > before


def test_no_slot_is_held_in_a_pause(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a", "b"])
    claim_all(run)
    budget.cool_down(one.budget_id, 60)
    soon = timezone.now() + timedelta(seconds=0.2)
    run.fetches.filter(status="waiting").update(slot_at=soon, not_before=None)
    found = fetches.claim(run.fetches.get(key="b").pk)
    assert isinstance(found, fetches.Postponed)
    assert found.seconds == pytest.approx(60, abs=20)
    assert run.fetches.get(key="b").slot_at is None


def test_where_messages_come_late_no_slot_is_held(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a", "b"])
    claim_all(run)
    before = Budget.objects.get().theoretical_arrival_at
    run.fetches.filter(status="waiting").update(slot_at=None, not_before=None)
    assert isinstance(fetches.claim(run.fetches.get(key="b").pk, hold_seconds=0), fetches.Postponed)
    assert Budget.objects.get().theoretical_arrival_at == before
    assert run.fetches.get(key="b").slot_at is None


def test_late_requests_move_the_slots_behind_them_by_the_latest_alone(one: Provider) -> None:
    allow(one, rate=10, burst=1)
    run = open_run(one, ["a", "b"])
    first, second = claim_all(run)
    assert isinstance(first, fetches.Lease)
    assert isinstance(second, fetches.Lease)
    before = Budget.objects.get().theoretical_arrival_at
    budget.came_late(first.turn, 0.3)
    budget.came_late(second.turn, 0.2)
    assert Budget.objects.get().theoretical_arrival_at - before == timedelta(seconds=0.3)
    budget.came_late(second.turn, 0.4)
    assert Budget.objects.get().theoretical_arrival_at - before == timedelta(seconds=0.4)


def test_a_slot_that_is_held_is_moved_with_the_others(one: Provider, patient: None) -> None:
    allow(one, rate=0.01, burst=1)
    run = open_run(one, ["a", "b"])
    first, _ = claim_all(run)
    assert isinstance(first, fetches.Lease)
    run.fetches.filter(status="waiting").update(slot_at=timezone.now(), not_before=None)
    budget.came_late(first.turn, 20)
    assert 0 < lease(run, "b").turn.wait < 20


def test_what_is_not_claimed_uses_no_slot(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a"])
    before = Budget.objects.get().theoretical_arrival_at
    held = lease(run, "a")
    after = Budget.objects.get().theoretical_arrival_at
    assert after > before
    assert fetches.claim(held.id) is None
    assert Budget.objects.get().theoretical_arrival_at == after


def test_who_claims_again_as_the_answer_was_lost_has_the_lease(one: Provider) -> None:
    run = open_run(one, ["a"])
    token = uuid4()
    taken = fetches.claim(run.fetches.get().pk, token=token)
    assert isinstance(taken, fetches.Lease)
    assert fetches.claim(run.fetches.get().pk) is None
    again = fetches.claim(run.fetches.get().pk, token=token)
    assert isinstance(again, fetches.Lease)
    assert again.token == taken.token == token
    assert Fetch.objects.get().status == "leased"


@pytest.mark.django_db
def test_a_pause_is_for_everybody_and_never_shortened(one: Provider) -> None:
    run = open_run(one, ["a", "b"])
    budget.cool_down(one.budget_id, 120)
    until = Budget.objects.get().cooldown_until
    budget.cool_down(one.budget_id, 5)
    assert Budget.objects.get().cooldown_until == until
    for found in claim_all(run):
        assert isinstance(found, fetches.Postponed)
        assert found.seconds == pytest.approx(120, abs=20)


@pytest.mark.parametrize(
    ("said", "pause"), [(None, budget.DEFAULT_COOLDOWN_SECONDS), (0, 1), (7, 7), (10**9, 7 * 24 * 3600)]
)
def test_a_pause_is_neither_nothing_nor_for_ever(one: Provider, said: float | None, pause: float) -> None:
    before = timezone.now()
    budget.cool_down(one.budget_id, said)
    until = Budget.objects.get().cooldown_until
    assert until is not None
    assert before <= until - timedelta(seconds=pause) <= timezone.now()


def test_the_budget_is_back_after_the_pause(one: Provider) -> None:
    run = open_run(one, ["a"])
    Budget.objects.update(cooldown_until=timezone.now() - timedelta(seconds=1))
    assert lease(run, "a").turn.wait == 0


def test_slots_of_a_lower_rate_or_of_a_clock_that_was_put_back_are_forgotten(one: Provider) -> None:
    allow(one, rate=0.0001, burst=1)
    run = open_run(one, ["a", "b"])
    assert isinstance(claim_all(run)[0], fetches.Lease)
    allow(one, rate=10, burst=1)
    budget.forget_far_slots()
    ahead = Budget.objects.get().theoretical_arrival_at - timezone.now()
    assert ahead < timedelta(seconds=62)
    budget.forget_far_slots()
    assert Budget.objects.get().theoretical_arrival_at - timezone.now() <= ahead


def test_slots_that_the_rate_explains_are_kept(one: Provider) -> None:
    allow(one, rate=0.0001, burst=1)
    claim_all(open_run(one, ["a"]))
    before = Budget.objects.get().theoretical_arrival_at
    budget.forget_far_slots()
    assert Budget.objects.get().theoretical_arrival_at == before


def test_a_request_by_hand_counts_and_respects_a_pause(one: Provider) -> None:
    allow(one, rate=SLOW, burst=1)
    run = open_run(one, ["a"])
    assert budget.take_turn(one.budget_id).wait == 0
    assert isinstance(claim_all(run)[0], fetches.Postponed)
    assert budget.take_turn(one.budget_id).wait == pytest.approx(2 * SPACING, abs=3)
    budget.cool_down(one.budget_id, 60)
    with pytest.raises(budget.NotNow) as refused:
        budget.take_turn(one.budget_id)
    assert refused.value.until == Budget.objects.get().cooldown_until


def test_nobody_waits_by_hand_for_a_slot_that_is_hours_away(one: Provider) -> None:
    allow(one, rate=0.0001, burst=1)
    assert [budget.take_turn(one.budget_id).wait for _ in range(2)] == [0, 0]


def test_who_asks_by_hand_now_moves_the_slots_that_are_held(one: Provider) -> None:
    allow(one, rate=0.12, burst=1)
    claim_all(open_run(one, ["a", "b"]))
    before = Budget.objects.get()
    turn = budget.take_turn(one.budget_id)
    assert turn.wait == 0.0
    after = Budget.objects.get()
    assert after.moved_seconds - before.moved_seconds == pytest.approx(1 / (0.12 * budget.PACE))
    assert turn.moved == after.moved_seconds


def test_a_redirect_is_a_request_of_the_budget(one: Provider) -> None:
    with serving(answer(b"", "301 Moved", "Location: /feed/elsewhere"), answer(b'{"items": []}')) as server:
        Provider.objects.update(base_url=server.url)
        run = runs.open_run(Provider.objects.get(), "full", "cli")
        work(run.fetches.get().pk)
        assert len(server.requests) == 2
    assert run.fetches.get().status == "applied"
    assert Budget.objects.get().used_in_day == 2


def test_a_redirect_waits_for_a_quota_that_is_used_up(one: Provider) -> None:
    Budget.objects.update(per_day=1)
    with serving(answer(b"", "301 Moved", "Location: /feed/elsewhere")) as server:
        Provider.objects.update(base_url=server.url)
        run = runs.open_run(Provider.objects.get(), "full", "cli")
        step = work(run.fetches.get().pk)
        assert len(server.requests) == 1
    assert step.postponed is not None
    assert run.fetches.get().failures == 0


def test_after_one_answer_of_too_many_requests_no_worker_asks(small: str) -> None:
    control(small, "faults", json=[{"kind": "status", "status": 429, "retry_after": 60, "count": 1}])
    run = runs.open_run(follow(small, "deezer"), "full", "cli")
    sent = fetches.fill_window(run.pk, 4)
    first = work(sent[0])
    assert first.postponed is not None
    assert first.postponed.seconds == pytest.approx(60, abs=20)

    steps = in_threads(*[lambda fetch_id=fetch_id: work(fetch_id) for fetch_id in sent[1:]])

    assert all(step.postponed for step in steps)
    assert control(small, "state")["requests"]["deezer"]["served"] == 1
    rows = Fetch.objects.filter(pk__in=sent)
    assert {(row.status, row.failures) for row in rows} == {("waiting", 0)}
    assert "429" in rows.get(pk=sent[0]).error


@pytest.mark.usefixtures("transactional_db")
def test_a_long_pause_waits_in_the_row() -> None:
    one = provider("one")
    with serving(answer(b"slow down", "429 Too Many Requests", "Retry-After: 79892")) as server:
        one.base_url = server.url
        one.save()
        run = runs.open_run(one, "full", "cli")
        (fetch_id,) = fetches.fill_window(run.pk, 1)
        step = work(fetch_id)
    assert step.postponed is not None
    assert step.postponed.seconds == pytest.approx(79892, abs=5)
    row = Fetch.objects.get(pk=fetch_id)
    assert row.not_before is not None
    assert row.not_before - timezone.now() > timedelta(hours=22)
    assert fetches.repair() == fetches.Repairs(0, [], [], [])


@pytest.mark.django_db
def test_a_pause_that_somebody_ends_holds_nothing_any_longer(one: Provider) -> None:
    run = open_run(one, ["a"])
    budget.cool_down(one.budget_id, 86_400)
    claim_all(run)
    assert fetches.repair().due == []
    Budget.objects.update(cooldown_until=None)
    assert fetches.repair().due == [run.fetches.get().pk]
    assert isinstance(fetches.claim(run.fetches.get().pk), fetches.Lease)
