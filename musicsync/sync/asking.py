"""Asking a provider: by which client, and once, outside of any run."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.conf import settings
from msgspec import Struct

from musicsync import credentials
from musicsync.models import Provider
from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.providers.file_feed import FileFeed
from musicsync.providers.file_feed.client import FileClient
from musicsync.providers.file_feed.folders import Folder, is_folder
from musicsync.providers.file_feed.sources import OfFolder, OfServer, Source
from musicsync.providers.file_feed.spool import Spool
from musicsync.providers.http import Client, client_of
from musicsync.providers.oauth import ClientCredentials
from musicsync.records import MusicsyncError, Page, ProviderError, RateLimited, Refused, Request, Response
from musicsync.redaction import Secret
from musicsync.sync import budget, circuit, tokens
from musicsync.sync.budget import Turn

AnyClient = Client | FileClient
"""What asks a provider: of a web server, or of the files of a folder."""

LATE_SECONDS = 0.01
"""A request that goes out later than this after its slot comes too close to those that follow: they are moved.

What is less than that, the pace of a budget makes up for in any window of a second or more.
"""
READY_SECONDS = 0.02
"""How long before its slot a request is made ready; a connection that waited longer may be closed meanwhile."""


class Answer(Struct, frozen=True):
    """What came of the provider's cheap question, and after how many seconds."""

    request: Request
    response: Response
    page: Page
    seconds: float


def client_for(provider: Provider, adapter: Adapter, *, refused: str = "") -> AnyClient:
    """Return the client that asks this provider, with a token that holds where it takes one, not the ``refused``.

    Raises:
        MusicsyncError: its credential or contact is not set or cannot be read, or its base URL is in a private
            network or a folder without leave; the text names the setting.
        ProviderError: its token URL gives none.
    """
    credential = _credential_of(provider, adapter)
    if isinstance(adapter, ClientCredentials):
        credential = tokens.of(provider, adapter, credential, refused=refused)
    return _client(provider, adapter, credential)


def check_ready(provider: Provider, adapter: Adapter) -> None:
    """Check that the provider could be asked; nothing is sent for that.

    Raises:
        MusicsyncError: as ``client_for`` does.
    """
    credential = _credential_of(provider, adapter)
    if isinstance(adapter, ClientCredentials):
        tokens.check(provider, adapter, credential)
    _client(provider, adapter, credential)


def get(
    provider: Provider,
    client: AnyClient,
    request: Request,
    etag: str | None = None,
    *,
    sending: AbstractContextManager[None] | None = None,
    before_more: Callable[[], None],
) -> Response:
    """Return the provider's answer; where the client's token turns out not to hold, by another one.

    ``sending`` is as in ``Client.get``. ``before_more`` is called before each request but the first: one that a
    redirect or another token makes necessary.

    Raises:
        MusicsyncError, ProviderError: as ``client_for`` and ``Client.get`` do.
    """
    try:
        return client.get(request, etag, sending=sending, before_redirect=before_more)
    except Refused as error:
        adapter = registry.adapter_of(provider)
        if not (error.unauthorized and adapter.token_url):
            raise
    another = client_for(provider, adapter, refused=client.credential)
    before_more()
    return another.get(request, etag, before_redirect=before_more)


def _credential_of(provider: Provider, adapter: Adapter) -> Secret:
    credential = credentials.of(provider)
    if adapter.credential == "required" and not credential:
        raise MusicsyncError(
            f"{provider.credential_setting} is not set: {adapter.label} needs a credential; set it in the environment "
            f"of web and worker, or store one with `manage.py provider credential {provider}`"
        )
    return credential


def _client(provider: Provider, adapter: Adapter, credential: Secret) -> AnyClient:
    if isinstance(adapter, FileFeed):
        return FileClient(adapter, _source(provider, adapter, credential))
    return _web_client(provider, adapter, credential)


def _source(provider: Provider, adapter: FileFeed, credential: Secret) -> Source:
    spool = Spool(settings.MUSICSYNC_SPOOL, settings.MUSICSYNC_SPOOL_BYTES)
    if is_folder(provider.base_url):
        return OfFolder(adapter.options, Folder(provider.base_url, settings.MUSICSYNC_FEED_FOLDERS), spool)
    return OfServer(adapter.options, _web_client(provider, adapter, credential), provider.base_url, spool)


def _web_client(provider: Provider, adapter: Adapter, credential: Secret) -> Client:
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
    setting = provider.credential_setting
    if registry.get(provider.adapter).credential == "none" or setting in str(error):
        return error
    stored = f"`manage.py provider credential {provider}`"
    return Refused(f"{error}; {provider} takes it from {setting}, else from {stored}", excerpt=error.excerpt)


def wait_for_turn(provider: Provider) -> None:
    """Wait for the slot of a request that no fetch is for, as that of a redirect.

    Raises:
        NotNow: nothing may be asked at present.
    """
    turn = budget.take_turn(provider.budget_id)
    with in_turn(turn, time.monotonic() + turn.wait):
        pass


@contextmanager
def in_turn(turn: Turn, slot_at: float) -> Iterator[None]:
    """Begin at the turn's slot, as ``time.monotonic`` counts; where it ends late, move those behind it."""
    sleep_until(slot_at)
    yield
    late = time.monotonic() - slot_at
    if late > LATE_SECONDS:
        budget.came_late(turn, late)


def sleep_until(moment: float) -> None:
    """Sleep until then, as ``time.monotonic`` counts."""
    time.sleep(max(0.0, moment - time.monotonic()))


def ask_once(provider: Provider) -> Answer:
    """Ask the provider its cheap question when its budget's turn comes; a pause that it asks for is kept.

    Raises:
        NotNow: nothing may be asked at present.
        MusicsyncError: as ``client_for`` does.
        ProviderError: it did not answer as it should.
    """
    adapter = registry.adapter_of(provider)
    client, request = client_for(provider, adapter), adapter.probe()
    wait_for_turn(provider)
    began = time.monotonic()
    try:
        response = get(provider, client, request, before_more=lambda: wait_for_turn(provider))
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
