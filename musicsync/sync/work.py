"""The way of one fetch, from row to catalogue. Tasks call ``work`` and send what it returns; nothing else does."""

import time
import traceback
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256
from http import HTTPStatus
from uuid import uuid4

from django.db import Error, connection
from msgspec import Struct

from musicsync.models import Provider
from musicsync.providers import registry
from musicsync.providers.outcomes import excerpt
from musicsync.records import (
    Gone,
    MusicsyncError,
    Permanent,
    ProviderError,
    RateLimited,
    Refused,
    Response,
    Shed,
    Transient,
)
from musicsync.redaction import keep_secrets_out
from musicsync.sync import apply, budget, circuit, fetches, limits, pages, sql
from musicsync.sync.asking import READY_SECONDS, client_for, get, in_turn, probe, refusal, sleep_until, wait_for_turn
from musicsync.sync.drift import Drifted
from musicsync.sync.fetches import Lease, Postponed, RemovalsUnderWay

SendAhead = Callable[[Sequence[int]], None]

GIVE_BACK_SECONDS = float(fetches.LEASE_SECONDS)
"""How long a process tries to give a fetch back where the database is away, if its time limit does not come before.

After that nobody works on the fetch, and nobody else can take it until its lease ends.
"""
MOST_SHEDS = 20
"""A provider that turned a request away so often has more than a load that passes."""
_PROVIDER, _COLUMNS = Provider._meta.db_table, [field.attname for field in Provider._meta.concrete_fields]


class Notice(Struct, frozen=True):
    """What people should be told of; the same ``key`` is told once an hour."""

    key: str
    subject: str
    body: str


class Step(Struct, frozen=True, kw_only=True):
    """What should happen next.

    ``send`` are fetches to send a message about now; ``postponed`` and ``failed`` one to send later, after ``error``;
    ``run_ended`` says that ``run_id`` owes nothing any more; ``notice`` is to be told to people.
    """

    run_id: int = 0
    send: list[int] = []
    postponed: Postponed | None = None
    failed: Postponed | None = None
    error: str = ""
    run_ended: bool = False
    notice: Notice | None = None


def work(
    fetch_id: int,
    task_id: str = "",
    send_ahead: SendAhead | None = None,
    hold_seconds: float = fetches.LONGEST_HOLD_SECONDS,
) -> Step:
    """Work on one fetch: claim it, ask the provider, apply the answer, and see what is next.

    ``send_ahead`` is called with the fetches that may be worked on while the answer is being applied. Without it these
    are among those that ``Step`` has. ``hold_seconds`` is as in ``fetches.claim``.

    Raises:
        Exception: whatever was not foreseen, after it was noted on the row, which is tried again.
        SystemExit: this process is told to stop; the fetch was given back.
    """
    token = uuid4()
    lease = sql.patiently(lambda: fetches.claim(fetch_id, task_id, hold_seconds, token))
    if lease is None:
        return Step()
    if isinstance(lease, Postponed):
        return Step(postponed=lease)
    slot_at = time.monotonic() + lease.turn.wait
    try:
        return _work_on(lease, slot_at, send_ahead)
    except SystemExit:
        _hand_back(lease, "its worker was told to stop")
        raise
    except RemovalsUnderWay as error:
        return Step(postponed=fetches.hand_back(lease, str(error)))
    except Error as error:
        if sql.is_away(error):
            return Step(postponed=_hand_back(lease, f"the database was away: {error}"))
        _note_unforeseen(lease, error)
        raise
    except Exception as error:
        _note_unforeseen(lease, error)
        keep_secrets_out(error)
        raise


def _work_on(lease: Lease, slot_at: float, send_ahead: SendAhead | None) -> Step:
    """Ask and apply, and turn each outcome into what is next."""
    notice = None
    began = time.monotonic()
    provider = _provider(lease.provider_id)
    try:
        _ask_and_apply(lease, provider, slot_at, send_ahead)
    except RateLimited as error:
        budget.cool_down(lease.budget_id, error.retry_after)
        return Step(postponed=fetches.postpone(lease, str(error)))
    except (Transient, Shed) as error:
        return _failed(lease, provider, error)
    except MusicsyncError as error:
        # A setting is missing or wrong: what is owed waits until somebody has put that right.
        return _put_off(lease, provider, error)
    except Refused as error:
        if not probe(provider):
            return _put_off(lease, provider, refusal(provider, error))
        if circuit.was_open(provider.pk, time.monotonic() - began):
            # Others were refused meanwhile, and so was a probe; this one was answered as the trouble had passed.
            return Step(postponed=fetches.postpone(lease, str(error)))
        # The credential is good for other things: it is this request that is refused.
        fetches.bury(lease, str(error), excerpt=error.excerpt)
    except Gone as error:
        apply.gone(lease, str(error))
    except Permanent as error:
        fetches.bury(lease, str(error), excerpt=error.excerpt)
        notice = _held(provider, error) if isinstance(error, Drifted) else None
    circuit.answered(provider.pk)
    return _go_on(lease, notice)


def _provider(provider_id: int) -> Provider:
    """Return the provider; by a statement that is there, since Django takes three times as long to write it anew."""
    row = sql.query(f"SELECT {', '.join(_COLUMNS)} FROM {_PROVIDER} WHERE id = %s", [provider_id])[0]  # noqa: S608
    return Provider.from_db(connection.alias, list(row), list(row.values()))


def _failed(lease: Lease, provider: Provider, error: Transient | Shed) -> Step:
    if isinstance(error, Shed) and lease.attempts < MOST_SHEDS:
        return Step(postponed=fetches.shed(lease, str(error)))
    notice = _opened(provider, error) if circuit.failed(provider.pk, str(error)) else None
    failed = fetches.fail(lease, str(error), excerpt=error.excerpt)
    if failed is None:
        return _go_on(lease, notice)
    return Step(failed=failed, error=str(error), notice=notice)


def _put_off(lease: Lease, provider: Provider, error: Refused | MusicsyncError) -> Step:
    notice = _opened(provider, error) if circuit.open_at_once(provider.pk, str(error)) else None
    return Step(postponed=fetches.postpone(lease, str(error)), notice=notice)


def _go_on(lease: Lease, notice: Notice | None = None) -> Step:
    send = fetches.fill_window(lease.run_id, lease.window)
    run_ended = not send and not fetches.any_open(lease.run_id)
    return Step(run_id=lease.run_id, send=send, run_ended=run_ended, notice=notice)


def _ask_and_apply(lease: Lease, provider: Provider, slot_at: float, send_ahead: SendAhead | None) -> None:
    adapter = registry.adapter_of(provider)
    known = pages.known(provider.pk, lease.request, adapter.parser_version)
    client = client_for(provider, adapter)
    sleep_until(slot_at - READY_SECONDS)
    response = get(
        provider,
        client,
        lease.request,
        known.etag if known else None,
        sending=in_turn(lease.turn, slot_at),
        before_more=lambda: _take_turn(provider),
    )
    if response.pause:
        budget.cool_down(lease.budget_id, response.pause)
    if known is not None and response.status == HTTPStatus.NOT_MODIFIED:
        apply.not_modified(lease, known, known.etag)
        return
    digest, etag = None if adapter.volatile else _digest(response), response.headers.get("etag")
    if known is not None and known.digest and known.digest == digest:
        apply.not_modified(lease, known, etag)
        return
    try:
        page = limits.sift(adapter.parse(lease.request, response))
        if lease.request.again:
            page = page.without_next()
        if page.following and send_ahead:
            send_ahead(fetches.owe_ahead(lease, page.following))
        apply.page(lease, page, etag, adapter.parser_version, digest)
    except ProviderError as error:
        error.excerpt = error.excerpt or excerpt(response.body)
        raise


def _digest(response: Response) -> str:
    """Return 32 characters that differ whenever two answers do."""
    return blake2b(response.body, digest_size=16, key=sha256(response.url.encode()).digest()).hexdigest()


def _take_turn(provider: Provider) -> None:
    """Wait for the slot of a redirect, or of a request with another token: requests like any other.

    Raises:
        Shed: nothing may be asked at present; the whole request is to be asked later.
    """
    try:
        wait_for_turn(provider)
    except budget.NotNow as error:
        raise Shed(f"a further request is not sent now: {error}") from error


def _opened(provider: Provider, error: Exception) -> Notice:
    return Notice(
        f"circuit:{provider}",
        f"{provider} is not asked any more until it answers again",
        f"{error}\nA probe goes out every few minutes; what is owed waits and is not lost.",
    )


def _held(provider: Provider, error: Drifted) -> Notice:
    return Notice(f"drift:{provider}", f"{provider} seems to answer in another form", str(error))


def _note_unforeseen(lease: Lease, error: Exception) -> None:
    trace = traceback.format_exc()
    sql.patiently(lambda: fetches.fail(lease, f"{type(error).__name__}: {error}", trace=trace), GIVE_BACK_SECONDS)


def _hand_back(lease: Lease, reason: str) -> Postponed | None:
    # Whatever was under way on this connection is not to be finished.
    connection.close()
    return sql.patiently(lambda: fetches.hand_back(lease, reason), GIVE_BACK_SECONDS)
