"""A planted credential and its key, looked for wherever a real run and its errors are shown or kept."""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.views.debug import technical_500_response

from musicsync import credentials
from musicsync.models import Circuit, Provider
from musicsync.sync import runs
from project.redacting import ErrorPage
from tests.helpers import wait_until
from tests.integration.alerting import taking_alerts
from tests.integration.driving import follow
from tests.integration.working import wait_for, worker
from tests.unit.sandbox.serving import serve

WRONG, RIGHT = "pl4nted/wrong+credential=1", "pl4nted/right+credential=2"


@pytest.fixture
def key(settings: SimpleNamespace) -> str:
    settings.MUSICSYNC_ENCRYPTION_KEYS = [credentials.new_key()]
    settings.MUSICSYNC_CREDENTIALS = {}
    return str(settings.MUSICSYNC_ENCRYPTION_KEYS[0])


@pytest.mark.parametrize(
    ("adapter", "asks_for"),
    [
        ("feed", {"feed_token": RIGHT}),
        ("jamendo", {"keys": {"jamendo": RIGHT}}),
        ("lastfm", {"keys": {"lastfm": RIGHT}}),
    ],
)
def test_a_credential_that_is_refused_and_one_that_is_taken_are_seen_nowhere(
    process_env: dict[str, str], key: str, tmp_path: Path, adapter: str, asks_for: dict[str, Any]
) -> None:
    log = tmp_path / "worker.log"
    env = process_env | {"MUSICSYNC_ENCRYPTION_KEYS": key, "LOG_LEVEL": "DEBUG"}
    with serve(100, **asks_for) as base, taking_alerts() as (url, alerts):
        provider = follow(base, adapter)
        credentials.store(provider, WRONG)
        opened = runs.open_run(provider, "full", "cli")
        with (
            worker(env | {"MUSICSYNC_ALERT_WEBHOOK": url}, log, "--loglevel", "DEBUG") as broker,
            events_of(broker.app, env["CELERY_BROKER_URL"]) as events,
        ):
            broker.sweep()
            wait_until(lambda: Circuit.objects.filter(opened_at__isnull=False).exists())
            wait_until(lambda: alerts)
            credentials.store(provider, RIGHT)
            broker.sweep()
            (ended,) = wait_for(opened)
            wait_until(lambda: "task-succeeded" in {event["type"] for event in events})
            shown_by_inspect = json.dumps([broker.inspect(what) for what in ("conf", "stats", "active")], default=str)
    assert ended.status == "done", ended.error
    sealed = Provider.objects.get(pk=provider.pk).sealed_credential
    kept, logged, told = rows_of_every_table(), log.read_text(), json.dumps(alerts)
    assert sealed in kept
    assert "DEBUG urllib3.connectionpool" in logged
    assert "task-succeeded" in {event["type"] for event in events}
    assert "credential was refused" in told
    assert provider.credential_setting in told
    shown = {
        "log": logged,
        "database": kept,
        "events": json.dumps(events, default=str),
        "alerts": told,
        "inspect": shown_by_inspect,
    }
    for place, text in shown.items():
        assert [form for secret in (WRONG, RIGHT, key) for form in forms(secret) if form in text] == [], place


@pytest.mark.parametrize("debug", [True, False])
def test_error_pages_and_mails_show_neither_credentials_nor_keys(key: str, settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    settings.MUSICSYNC_CREDENTIALS = {"MUSICSYNC_CREDENTIAL_SHOP": WRONG}
    shop = Provider(slug="shop", adapter="feed", base_url="https://shop.example")
    page = error_page(headers={"Authorization": f"Bearer {credentials.of(shop)}"}).content.decode()
    assert "ValueError" in page
    assert "MUSICSYNC_CREDENTIALS" in page
    assert "Bearer ***" in page
    for secret in (WRONG, key, settings.SECRET_KEY):
        assert [form for form in forms(secret) if form in page] == []


def error_page(headers: dict[str, str]) -> HttpResponse:
    """Return the page of an error in a view that holds the credential, in a request that sent one."""
    request = RequestFactory().post("/admin/", {"new_credential": RIGHT, "slug": "shop"})
    try:
        view(request, headers)
    except ValueError:
        page = technical_500_response(request, *sys.exc_info())
        mail = ErrorPage(request, *sys.exc_info(), is_email=True).get_traceback_text()
    assert RIGHT not in page.content.decode() + mail
    assert WRONG not in mail
    return page


def view(request: HttpRequest, headers: dict[str, str]) -> None:
    credential, posted = RIGHT, request.POST.dict()
    raise ValueError(f"not sent: {headers}", credential, posted)


def forms(secret: str) -> list[str]:
    coded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return [secret, quote(secret, safe=""), coded, json.dumps(secret)[1:-1]]


def rows_of_every_table() -> str:
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


@contextmanager
def events_of(app: Celery, url: str) -> Iterator[list[dict[str, Any]]]:
    """Take all that workers send to Flower and its like, for the length of the block."""
    taken: list[dict[str, Any]] = []
    with app.connection_for_read(url) as broker:
        receiver = app.events.Receiver(broker, handlers={"*": taken.append})
        thread = threading.Thread(target=receiver.capture, kwargs={"limit": None})
        thread.start()
        try:
            yield taken
        finally:
            receiver.should_stop = True
            thread.join(60)
