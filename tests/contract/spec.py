"""What a provider's adapter is held to. One filled-in ``Spec`` per adapter; test_contract.py does the rest."""

from msgspec import Struct

from musicsync.providers.base import Adapter
from musicsync.records import Page, ProviderError, Request, ScopeKind


class Said(Struct, frozen=True, kw_only=True):
    """A body and exactly what is to be read from it."""

    name: str
    request: Request
    body: object
    page: Page


class Refused(Struct, frozen=True, kw_only=True):
    """An answer that stands for an error."""

    name: str
    status: int = 200
    headers: dict[str, str] = {}
    body: bytes
    error: type[ProviderError]
    says: str = ""
    retry_after: float | None = None


class Scoped(Struct, frozen=True, kw_only=True):
    """A scope as an operator may write it, its canonical key, and the first request it leads to."""

    kind: ScopeKind
    given: str
    key: str
    asks: str


class ListForm(Struct, frozen=True, kw_only=True):
    """A list of items: how one is asked for and written, with an item that is right.

    ``around`` is what the envelope says by itself, as a release does around its list of tracks.
    ``name`` is the way to the list ("toptracks.track"); ``digits`` tells whether a number may also come as text.
    """

    request: Request
    name: str
    envelope: dict[str, object]
    item: dict[str, object]
    title: tuple[str, ...] = ("title",)
    number: tuple[str, ...]
    around: Page = Page()
    digits: bool = False


class Spec(Struct, frozen=True, kw_only=True):
    """All of it for one adapter. ``walk`` maps request keys to bodies, ``reached`` has the tracks a walk must find."""

    adapter: Adapter
    scopes: list[Scoped]
    bad_scopes: list[tuple[ScopeKind, str]]
    said: list[Said]
    refused: list[Refused]
    items: ListForm
    start: Scoped
    walk: dict[str, object]
    reached: list[str]
