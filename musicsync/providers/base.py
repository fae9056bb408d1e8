"""The contract that every provider's adapter fills in. How to write one: docs/adding-a-provider.md."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.client import SERVICE_UNAVAILABLE, TOO_MANY_REQUESTS
from typing import Any, ClassVar, Literal

from msgspec import Struct

from musicsync.records import Mode, MusicsyncError, Page, ProviderError, Request, Response, ScopeKind


class Scope(Struct, frozen=True, kw_only=True):
    """What of a provider is followed: a feed (no key), or an artist, label, release or recording by its key.

    ``watermark`` is what the last complete pass over the scope left behind (see ``Page.watermark``).
    """

    kind: ScopeKind
    key: str = ""
    watermark: str | None = None


class BadScope(MusicsyncError):
    """The provider cannot follow this scope; the text says which ones it can, or what form the key has."""


class BadOptions(MusicsyncError):
    """A provider's options are none that its adapter takes; ``mistakes`` has a line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("options: " + " ".join(mistakes))
        self.mistakes = mistakes


LONGEST_SCOPE_KEY = 200
"""Characters of a scope's key, in the form in which it is kept."""
MOST_NESTED = 50
"""Objects and lists of options within each other."""


def check_options(options: object) -> None:
    """Check that options, whatever adapter they are for, are JSON that the database takes and people can read.

    Raises:
        BadOptions: they are no object, nested too deeply, or hold a text or number that cannot be stored.
    """
    if not isinstance(options, dict):
        raise BadOptions(["no JSON object of names and values."])
    level: list[object] = [options]
    for _ in range(MOST_NESTED):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
            elif not _can_be_stored(value):
                raise BadOptions([f"{one_line(ascii(value), 60)} holds a character or number that cannot be stored."])
        level = inner
    if level:
        raise BadOptions([f"nested deeper than {MOST_NESTED} levels."])


def _can_be_stored(value: object) -> bool:
    """Tell what PostgreSQL takes: no NUL, no half of a surrogate pair, nothing but numbers."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return not isinstance(value, float) or math.isfinite(value)


def one_line(text: str, limit: int = 200) -> str:
    """Return the start of a foreign text fit for an error message: one line, nothing but what can be printed."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    return " ".join(printable.split())[:limit]


class Adapter(ABC):
    """One provider's dialect: which requests a scope needs, and what an answer says.

    Every method is pure: no network, no clock, no database. The class attributes are the provider's facts and the
    defaults of a new provider row, where an operator can change them.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    base_url: ClassVar[str]
    scope_kinds: ClassVar[tuple[ScopeKind, ...]]
    rate: ClassVar[float]
    """Requests per second that the provider allows."""
    burst: ClassVar[int]
    """Requests that may be sent at once before ``rate`` holds."""
    credential: ClassVar[Literal["none", "optional", "required"]] = "none"
    credential_param: ClassVar[str] = ""
    """The query parameter that carries the credential; empty: a header does."""
    contact_required: ClassVar[bool] = False
    """Whether the provider turns away clients whose User-Agent does not say whom to contact."""
    parser_version: int = 1
    """Raised when ``parse`` reads more or other things than before, so that unchanged answers are parsed again."""
    volatile: ClassVar[bool] = False
    """Whether answers differ each time in what ``parse`` does not read (ranks, signed links)."""
    accept: ClassVar[str] = "application/json"
    """The media type that is asked for."""
    token_url: ClassVar[str] = ""
    """Where a token is asked for with the credential; empty where the credential itself is sent (``oauth.py``)."""
    per_month: ClassVar[int | None] = None
    """Requests in a calendar month that the provider allows; ``None`` where it names no such quota."""

    takes_options: ClassVar[bool] = False
    """Whether it reads as the options of its provider say."""

    takes_folders: ClassVar[bool] = False
    """Whether its base URL may be that of a folder (``file:``)."""

    def configured(self, options: Mapping[str, Any]) -> "Adapter":
        """Return the adapter for a provider with these options.

        Raises:
            BadOptions: they are none that it takes.
        """
        if options:
            raise BadOptions([f"{self.label} takes none: leave them empty."])
        return self

    def auth_headers(self, credential: str) -> dict[str, str]:
        """Return the headers that carry the credential."""
        return {} if self.credential_param else {"Authorization": f"Bearer {credential}"}

    def auth_params(self, credential: str) -> dict[str, str]:
        """Return the query parameters that carry the credential.

        They are added when a request is sent, and taken out of whatever comes back: no ``Request`` ever holds them.
        """
        return {self.credential_param: credential} if self.credential_param else {}

    def error_text(self, body: bytes) -> str:
        """Return in one line what the body of an error answer says: at most 200 characters of it."""
        return one_line(body.decode("utf-8", "replace"))

    def is_rate_limit(self, status: int, headers: dict[str, str]) -> bool:
        """Tell whether an answer asks to slow down; ``headers`` have lower-case names."""
        return status == TOO_MANY_REQUESTS or (status == SERVICE_UNAVAILABLE and "retry-after" in headers)

    def is_shed(self, status: int, headers: dict[str, str]) -> bool:  # noqa: ARG002 - for those whose providers do
        """Tell whether an answer says that the provider is busy by itself, so that slowing down would not help."""
        return False

    def withdrawn(self, path: str, status: int) -> str:  # noqa: ARG002 - for those whose providers do
        """Return what to set where the status says that a path of the API is not open to this client, else nothing."""
        return ""

    def stated_error(self, what: str, status: int, body: bytes) -> ProviderError | None:  # noqa: ARG002 - the same
        """Return the error that the body of an error answer states, where the provider has codes that say more.

        ``what`` says in words what was asked; ``None``: the status counts.
        """
        return None

    @abstractmethod
    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return the key of a scope in its one canonical form.

        Raises:
            BadScope: the provider cannot follow this kind, or the key has not the form of one.
        """

    def scope_key(self, kind: ScopeKind, key: str) -> str:
        """Return the key of a scope as it is kept: in its canonical form.

        Raises:
            BadScope: as ``normalise_key`` does, or it is too long to be kept.
        """
        found = self.normalise_key(kind, key)
        if len(found) > LONGEST_SCOPE_KEY:
            raise BadScope(
                f"{kind}:{one_line(found, 40)}... is no scope of {self.label} that can be kept: its key is "
                f"{len(found):,} characters long, and {LONGEST_SCOPE_KEY} are the most"
            )
        return found

    @abstractmethod
    def plan(self, scope: Scope, mode: Mode) -> list[Request]:
        """Return the first requests of a pass over the scope; what they answer leads to the rest."""

    @abstractmethod
    def parse(self, request: Request, response: Response) -> Page:
        """Return what an answer says.

        One wrong item is rejected with its path and reason, and its page goes on.

        Raises:
            ProviderError: of the type that fits, when the answer as a whole is an error or not of a known form.
        """

    @abstractmethod
    def probe(self) -> Request:
        """Return a cheap request that shows whether base URL and credential work."""
