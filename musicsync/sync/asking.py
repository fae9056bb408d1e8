"""Asking a provider: by which client, and once, outside of any run."""

import time

from django.conf import settings
from msgspec import Struct

from musicsync import credentials
from musicsync.models import Provider
from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.providers.http import Client, client_of
from musicsync.records import MusicsyncError, Page, ProviderError, RateLimited, Refused, Request, Response
from musicsync.sync import budget, circuit

LATE_SECONDS = 0.02
"""A request that goes out later than this after its slot comes too close to those that follow: they are moved."""


class Answer(Struct, frozen=True):
    """What came of the provider's cheap question, and after how many seconds."""

    request: Request
    response: Response
    page: Page
    seconds: float


def client_for(provider: Provider, adapter: Adapter) -> Client:
    """Return the client that asks this provider.

    Raises:
        MusicsyncError: its credential or contact is not set or cannot be read, or its base URL is in a private
            network without leave; the text names the setting.
    """
    credential = credentials.of(provider)
    if adapter.credential == "required" and not credential:
        raise MusicsyncError(
            f"{provider.credential_setting} is not set: {adapter.label} needs a credential; set it in the environment "
            f"of web and worker, or store one with `manage.py provider credential {provider}`"
        )
    return client_of(
        adapter,
        provider.base_url,
        contact=settings.MUSICSYNC_CONTACT,
        credential=credential,
        allowed_hosts=provider.allowed_hosts,
        allow_private=provider.allow_private,
    )


def refusal(provider: Provider, error: Refused) -> Refused:
    """Return what the provider answered, with the setting by which an operator can put it right."""
    setting, stored = provider.credential_setting, f"`manage.py provider credential {provider}`"
    return Refused(f"{error}; {provider} takes it from {setting}, else from {stored}", excerpt=error.excerpt)


def wait_for_turn(provider: Provider) -> None:
    """Wait for the slot of a request that no fetch is for, as that of a redirect.

    Raises:
        NotNow: nothing may be asked at present.
    """
    wait_for(time.monotonic() + budget.take_turn(provider.budget_id), provider.budget_id)


def wait_for(slot_at: float, budget_id: int) -> None:
    """Sleep until the slot, as ``time.monotonic`` counts; where it has gone by, move those behind it as much."""
    time.sleep(max(0.0, slot_at - time.monotonic()))
    late = time.monotonic() - slot_at
    if late > LATE_SECONDS:
        budget.came_late(budget_id, late)


def ask_once(provider: Provider) -> Answer:
    """Ask the provider its cheap question when its budget's turn comes; a pause that it asks for is kept.

    Raises:
        NotNow: nothing may be asked at present.
        MusicsyncError: as ``client_for`` does.
        ProviderError: it did not answer as it should.
    """
    adapter = registry.get(provider.adapter)
    client, request = client_for(provider, adapter), adapter.probe()
    wait_for_turn(provider)
    began = time.monotonic()
    try:
        response = client.get(request, before_redirect=lambda: wait_for_turn(provider))
        seconds = time.monotonic() - began
        page = adapter.parse(request, response)
    except RateLimited as error:
        budget.cool_down(provider.budget_id, error.retry_after)
        raise
    except Refused as error:
        raise refusal(provider, error) from error
    if response.pause:
        budget.cool_down(provider.budget_id, response.pause)
    return Answer(request, response, page, seconds)


def probe(provider: Provider) -> bool:
    """Tell whether the provider answers its cheap question; its circuit keeps what it said instead.

    Nothing is asked while a pause lasts or the quota is used up: that is no answer.
    """
    try:
        ask_once(provider)
    except budget.NotNow:
        return False
    except (ProviderError, MusicsyncError) as error:
        circuit.still_open(provider.pk, str(error))
        return False
    return True
