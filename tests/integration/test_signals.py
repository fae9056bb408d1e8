"""What goes wrong with a task is written down and told to people."""

import logging
import smtplib
import traceback
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from django.core import mail
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from musicsync import alerts, signals, tasks
from musicsync.models import Alert, Failure
from musicsync.sync import fetches
from musicsync.sync.work import Notice, Step
from project import environment
from tests.integration.alerting import taking_alerts
from tests.integration.driving import in_threads
from tests.integration.paging import open_run, provider

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The alerts that a message was sent about."""
    found: list[int] = []
    monkeypatch.setattr(tasks.send_alert, "delay", found.append)
    return found


@pytest.fixture
def webhook(settings: Any) -> Iterator[list[dict[str, Any]]]:
    """What a web server that takes alerts has received."""
    with taking_alerts() as (url, received):
        settings.MUSICSYNC_ALERT_WEBHOOK = url
        yield received


def request(**values: Any) -> SimpleNamespace:
    given = {"id": "task-1", "args": [7], "kwargs": {}, "hostname": "worker@here"}
    return SimpleNamespace(**(given | values))


def on(task: Any) -> SimpleNamespace:
    return SimpleNamespace(name=task.name, request=request())


# --- written down -----------------------------------------------------------------------------------------------------


def test_a_task_that_raised_is_kept_with_arguments_traceback_and_run(sent: list[int]) -> None:
    run = open_run(provider("one"), ["page"])
    fetch = run.fetches.get()
    signals.on_failure(
        sender=on(tasks.work_fetch),
        task_id="task-1",
        exception=ValueError("no number"),
        args=(fetch.pk,),
        kwargs={},
        einfo="Traceback: ...",
    )
    row = Failure.objects.get()
    assert (row.kind, row.task, row.task_id, row.run) == ("failure", "musicsync.tasks.work_fetch", "task-1", run)
    assert (row.arguments, row.error, row.traceback) == (
        f"[[{fetch.pk}], {{}}]",
        "ValueError: no number",
        "Traceback: ...",
    )
    assert row.worker == "worker@here"
    assert len(sent) == 1
    assert Alert.objects.get().subject == f"failure: musicsync.tasks.work_fetch (run {run.pk})"


def test_a_lost_process_has_a_kind_of_its_own(sent: list[int]) -> None:
    signals.on_failure(sender=on(tasks.finish_run), task_id="1", exception=WorkerLostError("signal 9"), args=(7,))
    assert Failure.objects.get().kind == "worker_lost"
    assert len(sent) == 1


def test_a_retry_is_kept_and_nobody_is_woken(sent: list[int]) -> None:
    signals.on_retry(
        sender=on(tasks.work_fetch), request=request(), reason=SimpleNamespace(exc=RuntimeError("GET /a: 500"))
    )
    row = Failure.objects.get()
    assert (row.kind, row.error, row.arguments) == ("retry", "GET /a: 500", "[[7], {}]")
    assert sent == []


def test_sweeps_that_expired_while_no_worker_ran_are_no_failures(sent: list[int]) -> None:
    signals.on_revoked(sender=on(tasks.sweep), request=request(), expired=True)
    assert not Failure.objects.exists()
    signals.on_revoked(sender=on(tasks.sweep), request=request())
    assert Failure.objects.get().error == "revoked"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"terminated": True, "signum": 9}, "terminated with signal 9"),
        ({"expired": True}, "expired"),
        ({}, "revoked"),
    ],
)
def test_a_revoked_task_is_kept_with_how(sent: list[int], how: dict[str, Any], error: str) -> None:
    signals.on_revoked(sender=on(tasks.prune), request=request(), **how)
    assert (Failure.objects.get().kind, Failure.objects.get().error) == ("revoked", error)


def test_a_failure_of_which_nobody_can_be_told_raises_nothing(
    sent: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: int) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.send_alert, "delay", refuse)
    signals.on_failure(sender=on(tasks.prune), task_id="1", exception=ValueError("x"))
    assert Failure.objects.count() == 1
    assert "nobody is told yet" in caplog.text


def test_a_failure_is_logged_in_structure(sent: list[int], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="musicsync"):
        signals.on_failure(sender=on(tasks.prune), task_id="task-1", exception=ValueError("x"))
    record = next(found for found in caplog.records if found.name == "musicsync.signals")
    assert (record.task, record.task_id, record.kind) == ("musicsync.tasks.prune", "task-1", "failure")


def test_an_alert_that_cannot_be_sent_makes_no_alert(sent: list[int]) -> None:
    signals.on_failure(sender=on(tasks.send_alert), task_id="1", exception=OSError("no way out"), args=(7,))
    assert Failure.objects.count() == 1
    assert not Alert.objects.exists()


# --- told -------------------------------------------------------------------------------------------------------------


def test_the_same_alert_goes_out_once_an_hour() -> None:
    first = alerts.note("key", "Something", "it was a")
    assert first is not None
    assert [alerts.note("key", "Something", "it was b") for _ in range(3)] == [None] * 3
    assert alerts.note("other key", "Something") is not None
    row = Alert.objects.get(key="key")
    assert (row.occurrences, row.body) == (4, "it was b")

    Alert.objects.filter(key="key").update(sent_at=timezone.now() - timedelta(minutes=61))
    assert alerts.note("key", "Something") == first
    assert alerts.note("key", "Something") is None


def test_an_alert_that_is_noted_twice_in_one_transaction_goes_out_once() -> None:
    with transaction.atomic():
        assert alerts.note("key", "Something") is not None
        assert alerts.note("key", "Something") is None


def test_of_four_that_note_the_same_alert_one_sends_it() -> None:
    for number in range(10):
        noted = in_threads(*[lambda number=number: alerts.note(f"key {number}", "Something")] * 4)
        assert len([found for found in noted if found is not None]) == 1


def test_an_alert_goes_to_the_webhook_and_to_the_admins(webhook: list[dict[str, Any]], settings: Any) -> None:
    settings.ADMINS = [("ops@example.com", "ops@example.com")]
    alert_id = alerts.note("key", "Run 7 of one: failed", "1 fetch is dead")
    assert alert_id is not None
    tasks.send_alert(alert_id)
    assert webhook == [{"text": "Run 7 of one: failed\n1 fetch is dead", "key": "key", "occurrences": 1}]
    (message,) = mail.outbox
    assert (message.to, message.body) == (["ops@example.com"], "1 fetch is dead")
    assert "Run 7 of one: failed" in message.subject


def test_the_next_alert_says_how_often_it_was_seen(webhook: list[dict[str, Any]]) -> None:
    alert_id = alerts.note("key", "Something")
    assert alert_id is not None
    for _ in range(3):
        alerts.note("key", "Something")
    alerts.send(alert_id)
    assert webhook[0]["occurrences"] == 4
    assert "Seen 4 times since" in webhook[0]["text"]


def test_a_webhook_that_is_away_is_an_error_that_is_retried(settings: Any) -> None:
    settings.MUSICSYNC_ALERT_WEBHOOK = "http://127.0.0.1:9/alerts"
    alert_id = alerts.note("key", "Something")
    assert alert_id is not None
    with pytest.raises(tasks.send_alert.autoretry_for):
        alerts.send(alert_id)
    assert issubclass(smtplib.SMTPException, tasks.send_alert.autoretry_for)


@pytest.mark.parametrize("path", ["pl4nted-away", "pl4nted-refused"])
def test_what_is_said_of_a_webhook_that_takes_nothing_does_not_hold_its_url(
    settings: Any, webhook: list[dict[str, Any]], path: str
) -> None:
    place = "http://127.0.0.1:9" if "away" in path else settings.MUSICSYNC_ALERT_WEBHOOK.removesuffix("/alerts")
    settings.MUSICSYNC_ALERT_WEBHOOK = environment.webhook(f"{place}/{path}?key=pl4nted-webhook-key")
    alert_id = alerts.note("key", "Something")
    assert alert_id is not None
    with pytest.raises(OSError, match="MUSICSYNC_ALERT_WEBHOOK") as refused:
        alerts.send(alert_id)
    assert "pl4nted" not in "".join(traceback.format_exception(refused.value))


def since(seconds: int, **values: Any) -> None:
    """Let the alerts have been due, and last seen, so long ago."""
    then = timezone.now() - timedelta(seconds=seconds)
    Alert.objects.update(**({"sent_at": then, "last_at": then} | values))


def test_what_went_out_is_told_and_is_not_sent_again(webhook: list[dict[str, Any]]) -> None:
    alert_id = alerts.note("key", "Something")
    assert alert_id is not None
    assert Alert.objects.get().told_at is None
    tasks.send_alert(alert_id)
    row = Alert.objects.get()
    assert row.told_at is not None
    tasks.send_alert(alert_id)
    assert len(webhook) == 1, "a message that comes twice tells once"
    since(3600, told_at=row.told_at - timedelta(seconds=3500))
    assert alerts.take_untold() == []


def test_the_sweep_sends_what_nobody_was_told_within_a_minute(sent: list[int]) -> None:
    alert_id = alerts.note("key", "Something")
    tasks.sweep()
    assert sent == [], "its message may be under way"
    since(61)
    tasks.sweep()
    tasks.sweep()
    assert sent == [alert_id], "once, not with every sweep"


def test_an_alert_that_was_told_an_hour_ago_and_came_up_again_is_sent_again() -> None:
    alert_id = alerts.note("key", "Something")
    since(61, told_at=timezone.now() - timedelta(hours=2))
    assert alerts.take_untold() == [alert_id]


def test_what_nobody_could_be_told_is_tried_more_rarely_and_for_a_day() -> None:
    alert_id = alerts.note("key", "Something")
    now = timezone.now()
    since(3600, sent_at=now - timedelta(minutes=9))
    assert alerts.take_untold() == []
    since(3600, sent_at=now - timedelta(minutes=11))
    assert alerts.take_untold() == [alert_id]
    since(24 * 3600 + 1)
    assert alerts.take_untold() == []


def test_an_alert_that_the_broker_does_not_take_keeps_no_fetch_from_being_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: int) -> None:
        raise OperationalError("no broker")

    went: list[int] = []
    notice = Notice("circuit:one", "one is not asked any more", "503")
    monkeypatch.setattr(tasks, "work", lambda *_: Step(notice=notice, send=[2, 3]))
    monkeypatch.setattr(tasks, "SHIFT_SECONDS", 0)
    monkeypatch.setattr(tasks.send_alert, "delay", refuse)
    monkeypatch.setattr(tasks, "send_fetches", went.extend)
    tasks.work_fetch(1)
    assert went == [2, 3]
    assert "nobody is told yet: one is not asked any more" in caplog.text
    since(61)
    assert alerts.take_untold() == [Alert.objects.get().pk]


def test_a_run_that_ends_badly_is_told(sent: list[int]) -> None:
    one = provider("one")
    run = open_run(one, ["page"])
    lease = fetches.claim(run.fetches.get().pk)
    assert isinstance(lease, fetches.Lease)
    fetches.bury(lease, "GET /page: 400 no")
    tasks.finish_run(run.pk)
    row = Alert.objects.get()
    assert (row.key, row.subject) == ("run-failed:one", f"Run {run.pk} of one: failed")
    assert "GET /page: 400 no" in row.body
    assert len(sent) == 1


def test_old_failures_are_deleted() -> None:
    Failure.objects.create(kind="retry")
    old = Failure.objects.create(kind="retry")
    Failure.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=91))
    alerts.prune()
    assert Failure.objects.count() == 1
