"""Tokens for a client's credential: one for all workers, kept sealed, asked for anew in time, and shown nowhere."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from musicsync import credentials
from musicsync.models import Fetch, Provider, Token
from musicsync.providers import registry
from musicsync.records import MusicsyncError, Refused, Transient
from musicsync.sync import circuit, fetches, runs, tokens
from musicsync.sync.asking import ask_once, check_ready, client_for
from musicsync.sync.work import work
from sandbox.tokens import CLIENT
from tests.integration.admin_rows import make_provider
from tests.integration.cataloguing import catalogue, forget_all_but_providers
from tests.integration.driving import control, follow, in_threads, sync
from tests.integration.test_secrecy import rows_of_every_table
from tests.integration.working import wait_for, worker
from tests.unit.providers.server import answer, serving
from tests.unit.sandbox.serving import serve

ADAPTERS = ("spotify", "tidal")
FAULTS = [
    {"kind": "status", "status": 503, "every": 3, "count": 4},
    {"kind": "status", "status": 429, "retry_after": 0, "every": 3, "count": 3},
    {"kind": "status", "status": 401, "every": 10, "count": 1},
    {"kind": "malformed", "every": 3, "count": 4},
]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys(settings: SimpleNamespace) -> None:
    settings.MUSICSYNC_ENCRYPTION_KEYS = [credentials.new_key()]
    settings.MUSICSYNC_CREDENTIALS = {}


def followed(base: str, adapter: str = "spotify", credential: str = CLIENT) -> Provider:
    provider = follow(base, adapter)
    credentials.store(provider, credential)
    return provider


def given(base: str, adapter: str = "spotify") -> int:
    return control(base, "tokens")[adapter]["given"]


def revoke(base: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.delete(f"{base}/control/tokens", timeout=120).raise_for_status()


def token_of(provider: Provider) -> str:
    return str(client_for(provider, registry.get(provider.adapter)).credential)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_any_number_of_workers_syncs_with_one_token(small: str, adapter: str) -> None:
    provider = followed(small, adapter)
    run = sync(provider, threads=8)
    assert (run.status, run.error) == ("done", "")
    assert run.summary["distinct_tracks"] == 100
    assert given(small, adapter) == 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_second_run_changes_nothing_and_what_evolves_is_found(small: str, adapter: str) -> None:
    provider = followed(small, adapter)
    sync(provider)
    before = catalogue()
    assert sync(provider).status == "done"
    assert catalogue() == before
    announced = control(small, "evolve", json={})[adapter]
    summary = sync(provider).summary
    assert summary["track.created"] == announced["added"]
    assert summary.get("track.removed", 0) == announced["removed"]
    assert given(small, adapter) == 1


def test_many_that_find_no_token_ask_for_one(small: str) -> None:
    provider = followed(small)
    found = in_threads(*[lambda: token_of(provider)] * 12)
    assert len(set(found)) == 1
    assert given(small) == 1


def test_a_token_is_asked_for_anew_before_it_ends(small: str) -> None:
    provider = followed(small)
    first = token_of(provider)
    assert token_of(provider) == first
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM renew_at - clock_timestamp()) FROM musicsync_token")
        assert 3600 - tokens.EARLY_SECONDS - 60 < cursor.fetchone()[0] <= 3600 - tokens.EARLY_SECONDS
        cursor.execute("UPDATE musicsync_token SET renew_at = clock_timestamp()")
    assert token_of(provider) != first
    assert given(small) == 2


def test_a_token_that_is_refused_is_asked_for_anew_once_by_all(small: str) -> None:
    provider = followed(small)
    sync(provider)
    revoke(small)
    run = sync(provider, threads=4)
    assert (run.status, run.error) == ("done", "")
    assert given(small) == 2


def test_an_api_that_refuses_a_new_token_too_refuses_the_credential(small: str) -> None:
    provider = followed(small)
    control(small, "faults", json=[{"kind": "status", "status": 401, "dialect": "spotify"}])
    with pytest.raises(Refused, match=r"401 The access token expired.*MUSICSYNC_CREDENTIAL_SPOTIFY"):
        ask_once(provider)
    assert given(small) == 2


def test_what_is_forbidden_costs_no_token(small: str) -> None:
    provider = followed(small)
    control(small, "faults", json=[{"kind": "status", "status": 403, "dialect": "spotify"}])
    with pytest.raises(Refused, match="403 Forbidden"):
        ask_once(provider)
    assert given(small) == 1


def test_a_wrong_client_is_told_by_setting_provider_and_answer(small: str) -> None:
    provider = followed(small, credential="sandbox-client:another-secret")
    run = runs.open_run(provider, "full", "cli")
    (fetch, *_) = fetches.fill_window(run.pk, provider.window)
    step = work(fetch)
    assert step.notice is not None
    for said in ("MUSICSYNC_CREDENTIAL_SPOTIFY", "spotify (Spotify)", "400 invalid_client: Invalid client", "/token"):
        assert said in step.notice.body
    assert "another-secret" not in step.notice.body
    assert Fetch.objects.get(pk=fetch).status == "waiting"
    assert given(small) == 0


@pytest.mark.parametrize("credential", ["no-colon-in-it", "client-only:", ":secret-only"])
def test_a_credential_of_another_form_is_told_before_anything_is_sent(credential: str) -> None:
    provider = make_provider("shop", adapter="spotify", base_url="https://api.spotify.com/v1")
    credentials.store(provider, credential)
    expected = "^MUSICSYNC_CREDENTIAL_SHOP: the credential of Spotify has the form client_id:client_secret$"
    with pytest.raises(MusicsyncError, match=expected):
        check_ready(provider, registry.get("spotify"))


def test_without_a_credential_the_setting_is_named() -> None:
    provider = make_provider("shop", adapter="spotify", base_url="https://api.spotify.com/v1")
    with pytest.raises(MusicsyncError, match="MUSICSYNC_CREDENTIAL_SHOP is not set: Spotify needs a credential"):
        check_ready(provider, registry.get("spotify"))


def test_a_token_url_that_is_away_is_tried_again(small: str) -> None:
    provider = followed(small)
    with serving(answer(b"busy", "503 Service Unavailable"), answer(b"<html>")) as other:
        provider.token_url = other.url
        credentials.store(provider, CLIENT)
        with pytest.raises(Transient, match="503 busy"):
            token_of(provider)
        with pytest.raises(Transient, match="not JSON"):
            token_of(provider)
    assert Token.objects.filter(provider=provider).count() == 0


def test_who_waits_too_long_for_another_worker_tries_again_later(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = followed(small)
    Token.objects.create(provider=provider)
    monkeypatch.setattr(tokens, "PATIENCE_SECONDS", "0.05")
    with transaction.atomic():
        Token.objects.select_for_update().get()

        def wait() -> None:
            with pytest.raises(Transient, match="another worker is still asking for a token of spotify"):
                token_of(provider)

        in_threads(wait)


def test_a_token_is_not_used_with_another_credential_or_address(small: str) -> None:
    provider = followed(small)
    first = token_of(provider)
    key = tokens._key(provider, credentials.of(provider))
    assert tokens._kept(provider, key, "") == first
    elsewhere = Provider(pk=provider.pk, slug="spotify", adapter="spotify", base_url="https://elsewhere.example")
    elsewhere.token_url = provider.token_url
    for of, credential in ((provider, "sandbox-client:another"), (elsewhere, CLIENT)):
        assert tokens._kept(of, tokens._key(of, credentials.Secret(credential)), "") == ""


@pytest.mark.parametrize("url", ["https://elsewhere.example/api/token", "http://accounts.spotify.com/api/token"])
def test_a_stored_credential_is_not_sent_to_a_changed_token_url(url: str) -> None:
    provider = make_provider("shop", adapter="spotify", base_url="https://api.spotify.com/v1")
    credentials.store(provider, CLIENT)
    assert credentials.of(provider) == CLIENT
    provider.token_url = url
    with pytest.raises(
        credentials.Unreadable, match="is for https://accounts.spotify.com:443, and its token URL leads"
    ):
        credentials.of(provider)


def test_a_token_url_is_for_adapters_that_ask_for_tokens_and_public() -> None:
    provider = make_provider("shop", adapter="feed", base_url="https://feed.example")
    provider.token_url = "https://feed.example/token"
    with pytest.raises(ValidationError, match="feed sends the credential itself"):
        provider.clean()
    provider = make_provider("other", adapter="spotify", base_url="https://api.spotify.com/v1")
    provider.allow_private, provider.token_url = False, "http://169.254.169.254/token"
    with pytest.raises(ValidationError, match="allow private addresses"):
        provider.clean()


def test_worker_processes_share_one_token_and_log_none(
    process_env: dict[str, str], settings: SimpleNamespace, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    env = process_env | {"MUSICSYNC_ENCRYPTION_KEYS": settings.MUSICSYNC_ENCRYPTION_KEYS[0], "LOG_LEVEL": "DEBUG"}
    with serve(100) as base:
        provider = followed(base)
        opened = runs.open_run(provider, "full", "cli")
        with worker(env, log, "--loglevel", "DEBUG") as broker:
            broker.sweep()
            (ended,) = wait_for(opened)
        assert ended.status == "done", ended.error
        assert given(base) == 1
    shown = log.read_text() + rows_of_every_table()
    assert "POST /spotify/token" in shown
    for secret in ("sandbox-token-of", "sandbox-secret", "c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ"):
        assert secret not in shown


def test_neither_token_nor_credential_is_seen_in_rows_logs_or_errors(
    small: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    provider = followed(small)
    assert sync(provider).status == "done"
    token = token_of(provider)
    control(small, "faults", json=[{"kind": "status", "status": 401, "dialect": "spotify"}])
    with pytest.raises(Refused) as refused:
        ask_once(provider)
    shown = rows_of_every_table() + caplog.text + str(refused.value) + refused.value.excerpt + repr(client_for)
    assert token.startswith("sandbox-token-of-spotify-")
    assert "sandbox-token-of" not in shown
    assert "sandbox-secret" not in shown
    assert "c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ" not in shown


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_faults_that_pass_leave_no_trace_in_the_catalogue(
    small: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "MOST_FAILURES", 100)
    provider = followed(small, adapter)
    sync(provider)
    without = catalogue()
    for fault in FAULTS:
        forget_all_but_providers()
        control(small, "faults", json=[fault])
        run = sync(provider, threads=2)
        assert (run.status, run.error) == ("done", ""), fault
        assert catalogue() == without, fault


def test_a_token_url_where_nothing_is_has_another_remedy_than_a_wrong_credential() -> None:
    provider = make_provider(adapter="spotify")
    with serving(answer(b"nothing here", "404 Not Found")) as other:
        provider.token_url = other.url
        credentials.store(provider, CLIENT)
        with pytest.raises(Refused, match=r"404 nothing here: correct its token URL$"):
            token_of(provider)
