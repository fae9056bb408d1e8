"""Dead fetches, open circuits, quotas and processes in the admin: what operators see of trouble, and do about it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from musicsync.admin.budgets import BudgetAdmin
from musicsync.admin.show import link_address, list_url
from musicsync.models import Budget, Circuit, Fetch, Leader, Profile, Provider, Run, Worker
from musicsync.sync import drift
from tests.integration.admin_rows import make_provider, make_run
from tests.integration.test_admin import act, button, logged_in, said_by, staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    return logged_in(User.objects.create_superuser("operator"))


@pytest.fixture
def errors() -> Run:
    """A run of three dead fetches, one of which timed out."""
    run = make_run(make_provider(), "errors", dead=3)
    worker = Worker.objects.create(name="celery@host")
    run.fetches.filter(key="tracks?cursor=0").update(
        error="Timeout after 10 s",
        excerpt='{"items": [',
        traceback="Traceback (most recent call last)",
        attempts=7,
        crashes=1,
        worker=worker,
        task_id="task-of-it",
    )
    return run


def statuses(run: Run) -> list[str]:
    return list(run.fetches.order_by("pk").values_list("status", flat=True))


def send(client: Client, action: str, address: str, **more: Any) -> Any:
    return client.post(address, {"action": action, "index": 0, **more})


def test_a_dead_fetch_shows_all_that_is_known(client: Client, errors: Run) -> None:
    page = client.get(link_address(errors.fetches.get(key="tracks?cursor=0"))).content.decode()
    for shown in ("Timeout after 10 s", "{&quot;items&quot;: [", "Traceback (most recent", "celery@host", "task-of-it"):
        assert shown in page
    assert "Replay" in page
    assert "Discard" in page


def test_the_worker_of_a_fetch_may_have_ended(client: Client, errors: Run) -> None:
    Worker.objects.all().delete()
    page = client.get(link_address(errors.fetches.get(key="tracks?cursor=0"))).content.decode()
    assert "which has ended" in page


def test_what_is_not_dead_has_no_buttons(client: Client, errors: Run) -> None:
    errors.fetches.update(status="applied")
    fetch = errors.fetches.first()
    assert button(fetch, "replay_fetch") not in client.get(link_address(fetch)).content.decode()


def test_dead_fetches_are_found_by_their_error(client: Client, errors: Run) -> None:
    found = client.get(list_url(Fetch), {"q": "timeout AFTER"}).context["cl"].result_list
    assert [fetch.key for fetch in found] == ["tracks?cursor=0"]


def test_one_is_replayed_on_its_page(client: Client, errors: Run) -> None:
    fetch = errors.fetches.order_by("pk")[0]
    answer = client.post(button(fetch, "replay_fetch"), {"_form_submitted": "on"})
    assert said_by(answer) == [f"Run {errors.pk} of shop goes on: 1 request replayed"]
    assert statuses(errors) == ["queued", "dead", "dead"]


def test_one_is_discarded_on_its_page(client: Client, errors: Run) -> None:
    fetch = errors.fetches.order_by("pk")[0]
    answer = client.post(button(fetch, "discard_fetch"), {"_form_submitted": "on"})
    assert said_by(answer) == ["1 request discarded."]
    assert statuses(errors) == ["discarded", "dead", "dead"]
    assert client.get(link_address(fetch)).status_code == 200


def test_discarding_many_asks_first(client: Client, errors: Run) -> None:
    chosen = [fetch.pk for fetch in errors.fetches.order_by("pk")[:2]]
    asked = send(client, "discard", list_url(Fetch), _selected_action=chosen)
    assert "Give up 2 dead requests for good?" in asked.content.decode()
    assert statuses(errors) == ["dead"] * 3
    answer = client.post(list_url(Fetch), dict_of(asked.context["repeated"]))
    assert said_by(answer) == ["2 requests discarded."]
    assert statuses(errors) == ["discarded", "discarded", "dead"]


@pytest.mark.parametrize("action", ["discard", "replay"])
def test_all_that_match_a_filter_are_chosen_by_it(client: Client, errors: Run, action: str) -> None:
    other = make_run(make_provider("other"), "errors", dead=2)
    address = list_url(Fetch, run=errors.pk, status__exact="dead")
    some = errors.fetches.first()
    answer = send(client, action, address, select_across=1, _selected_action=[some.pk])
    if action == "discard":
        assert "Give up 3 dead requests" in answer.content.decode()
        answer = client.post(address, dict_of(answer.context["repeated"]))
    assert answer.status_code == 302
    assert "dead" not in statuses(errors)
    assert statuses(other) == ["dead", "dead"]


def test_discarding_what_is_not_dead_says_so(client: Client, errors: Run) -> None:
    errors.fetches.update(status="applied")
    assert act(client, "discard", *errors.fetches.all()) == ["No fetch was discarded: none of the chosen ones is dead."]


def test_who_may_only_look_cannot_discard(errors: Run) -> None:
    client = staff("view_fetch", "view_run")
    fetch = errors.fetches.first()
    assert client.post(button(fetch, "discard_fetch"), {"_form_submitted": "on"}).status_code == 403
    send(client, "discard", list_url(Fetch), _selected_action=[fetch.pk], confirmed="yes")
    assert statuses(errors) == ["dead"] * 3


@pytest.fixture
def shut() -> Provider:
    """A provider whose circuit is open, with a run that waits for it."""
    shop = make_provider()
    run = make_run(shop, "running", dead=1)
    run.fetches.update(status="waiting", not_before=timezone.now() + timedelta(minutes=5))
    Circuit.objects.create(
        provider=shop, failures=4, opened_at=timezone.now(), probe_at=timezone.now(), reason="503 Be right back"
    )
    return shop


@pytest.mark.parametrize("where", ["overview", "provider", "circuit"])
def test_an_open_circuit_is_seen(client: Client, shut: Provider, where: str) -> None:
    address = {
        "overview": reverse("admin:index"),
        "provider": link_address(shut),
        "circuit": link_address(shut.circuit),
    }[where]
    page = client.get(address).content.decode()
    assert "503 Be right back" in page
    if where != "overview":
        assert button(shut if where == "provider" else shut.circuit, "close_circuit") in page


@pytest.mark.parametrize("by", ["provider", "circuit"])
def test_a_circuit_is_closed_by_hand(client: Client, shut: Provider, by: str) -> None:
    answer = client.post(button(shut if by == "provider" else shut.circuit, "close_circuit"), {"_form_submitted": "on"})
    assert said_by(answer) == ["shop is asked again"]
    shut.circuit.refresh_from_db()
    assert shut.circuit.opened_at is None
    assert statuses(shut.runs.get()) == ["queued"]
    assert "closed: it is asked" in client.get(link_address(shut)).content.decode()
    assert button(shut, "close_circuit") not in client.get(link_address(shut)).content.decode()


def test_what_changed_at_a_provider_is_accepted(client: Client, errors: Run) -> None:
    shop = errors.provider
    Profile.objects.create(provider=shop, shape="tracks v1", statistics={})
    assert button(shop, "accept_drift") not in client.get(link_address(shop)).content.decode()
    errors.fetches.update(error=f"isrcs filled in 0 of 50 tracks, 99% before: {drift.HELD}; look")
    assert button(shop, "accept_drift") in client.get(link_address(shop)).content.decode()
    answer = client.post(button(shop, "accept_drift"), {"_form_submitted": "on"})
    assert said_by(answer) == ["shop: what its answers held until now is forgotten. Now replay its dead fetches"]
    assert not Profile.objects.exists()


def test_a_budget_shows_how_much_is_used(client: Client) -> None:
    shop = make_provider()
    today = timezone.now().date()
    Budget.objects.update(per_day=1000, day=today, used_in_day=250, month=today.replace(day=1), used_in_month=900)
    assert "250 of 1,000 today, 900 this month" in client.get(link_address(shop.budget)).content.decode()


def test_editing_a_budget_leaves_what_workers_count_meanwhile(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = make_provider().budget
    form = {"name": "shop", "rate": "20", "burst": "5", "concurrency": "", "per_day": "", "per_month": ""}
    get_object = BudgetAdmin.get_object

    def counted_meanwhile(*arguments: Any, **more: Any) -> Any:
        found = get_object(*arguments, **more)
        Budget.objects.update(used_in_day=77)
        return found

    monkeypatch.setattr(BudgetAdmin, "get_object", counted_meanwhile)
    assert client.post(link_address(budget), form | {"cooldown_until_0": "", "cooldown_until_1": ""}).status_code == 302
    budget.refresh_from_db()
    assert (budget.rate, budget.used_in_day) == (20, 77)


def test_the_overview_shows_processes_and_what_is_ahead(client: Client) -> None:
    run = make_run(make_provider(), "running", dead=2)
    run.fetches.update(status="pending")
    silent = Worker.objects.create(name="celery@lost")
    Worker.objects.filter(pk=silent.pk).update(seen_at=timezone.now() - timedelta(minutes=1))
    Worker.objects.create(name="celery@here")
    Leader.objects.create(name="beat", holder="host:1", expires_at=timezone.now() + timedelta(seconds=15))
    page = client.get(reverse("admin:index")).content.decode()
    for shown in (
        "celery@lost",
        "silent for",
        "celery@here",
        "alive",
        "beat: host:1",
        "leads",
        "needs 2 more requests",
    ):
        assert shown in page
    assert "needs 2 more requests" in client.get(link_address(run)).content.decode()


def test_the_overview_says_when_no_worker_runs(client: Client) -> None:
    assert "No worker runs: start one" in client.get(reverse("admin:index")).content.decode()


def dict_of(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return what a form with these hidden fields sends."""
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    return sent
