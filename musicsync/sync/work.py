"""The way of one fetch, from row to catalogue. Tasks call ``work`` and send what it returns; nothing else does."""

import time
import traceback
from http import HTTPStatus

from django.conf import settings
from msgspec import Struct

from musicsync.models import KnownPage, Provider
from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.providers.http import Client, client_of
from musicsync.records import Gone, MusicsyncError, Permanent, RateLimited, Transient
from musicsync.sync import apply, budget, fetches
from musicsync.sync.fetches import Lease, Postponed


class Step(Struct, frozen=True, kw_only=True):
    """What should happen next.

    ``send`` are fetches to send a message about now; ``postponed`` and ``failed`` one to send later, after ``error``;
    ``run_ended`` says that ``run_id`` owes nothing any more.
    """

    run_id: int = 0
    send: list[int] = []
    postponed: Postponed | None = None
    failed: Postponed | None = None
    error: str = ""
    run_ended: bool = False


def work(fetch_id: int) -> Step:
    """Work on one fetch: claim it, ask the provider, apply the answer, and see what is next.

    Raises:
        Exception: whatever was not foreseen, after it was noted on the row, which is tried again.
    """
    lease = fetches.claim(fetch_id)
    if lease is None:
        return Step()
    if isinstance(lease, Postponed):
        return Step(postponed=lease)
    time.sleep(lease.wait)
    provider = Provider.objects.select_related("budget").get(pk=lease.provider_id)
    try:
        _ask_and_apply(lease, provider)
    except RateLimited as error:
        budget.cool_down(lease.budget_id, error.retry_after)
        return Step(postponed=fetches.postpone(lease, str(error)))
    except Transient as error:
        failed = fetches.fail(lease, str(error))
        if failed is not None:
            return Step(failed=failed, error=str(error))
    except Gone as error:
        apply.gone(lease, str(error))
    except (Permanent, MusicsyncError) as error:
        fetches.bury(lease, str(error))
    except Exception:
        fetches.fail(lease, traceback.format_exc())
        raise
    send = fetches.fill_window(lease.run_id, provider.window)
    return Step(run_id=lease.run_id, send=send, run_ended=not send and not fetches.any_open(lease.run_id))


def _ask_and_apply(lease: Lease, provider: Provider) -> None:
    adapter = registry.get(provider.adapter)
    known = KnownPage.objects.filter(provider=provider, key=lease.key, parser_version=adapter.parser_version).first()
    response = client_for(provider, adapter).get(lease.request, known.etag if known else None)
    if known is not None and response.status == HTTPStatus.NOT_MODIFIED:
        apply.not_modified(lease, known)
        return
    page = adapter.parse(lease.request, response)
    apply.page(lease, page, response.headers.get("etag"), adapter.parser_version)


def client_for(provider: Provider, adapter: Adapter) -> Client:
    """Return the client that asks this provider.

    Raises:
        MusicsyncError: its credential or contact is not set; the text names the setting.
    """
    credential = settings.MUSICSYNC_CREDENTIALS.get(provider.credential_setting, "")
    if adapter.credential == "required" and not credential:
        raise MusicsyncError(
            f"{provider.credential_setting} is not set: {adapter.label} needs a credential; "
            "set it in the environment of web and worker"
        )
    return client_of(adapter, provider.base_url, contact=settings.MUSICSYNC_CONTACT, credential=credential)
