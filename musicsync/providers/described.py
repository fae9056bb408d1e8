"""What adapters have in common that read a feed as the options of their provider describe it."""

import zlib
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

import msgspec

from musicsync.providers import keys
from musicsync.providers.base import Adapter
from musicsync.records import MusicsyncError, ScopeKind

_JSON = msgspec.json.Encoder(order="deterministic")
_MOST = 2**31


class Auth(Protocol):
    """What carries a credential."""

    def headers(self, credential: str) -> dict[str, str]:
        """Return the header that does, where one does."""

    def params(self, credential: str) -> dict[str, str]:
        """Return the query parameter that does, where one does."""


class Described(Protocol):
    """Options of a feed."""

    @property
    def auth(self) -> Auth:
        """Return what carries the credential."""


Options = TypeVar("Options", bound=Described)


class DescribedFeed(Adapter, Generic[Options]):
    """Follows one feed of tracks that its provider's options describe."""

    base_url = ""
    scope_kinds = ("feed",)
    credential = "optional"
    takes_options = True
    what: ClassVar[str]
    """What it is, with its article, for people."""
    reads: ClassVar[int]
    """Raised when more or other things are read by the same options."""

    def __init__(self, options: Options | None = None, parser_version: int = 1) -> None:
        """Read as the options say; without them nothing can be asked or read."""
        self._given = options
        self.parser_version = parser_version

    @staticmethod
    @abstractmethod
    def described(options: Mapping[str, Any]) -> Options:
        """Return the options checked.

        Raises:
            BadOptions: they are none that can be.
        """

    def configured(self, options: Mapping[str, Any]) -> Self:
        """Return the adapter for these options, the same for the same.

        Raises:
            BadOptions: they are none that can be.
        """
        return cast("Self", _configured(type(self), _JSON.encode(options)))

    @property
    def options(self) -> Options:
        """Return what it reads by.

        Raises:
            MusicsyncError: it was told nothing.
        """
        if self._given is None:
            raise MusicsyncError(f"{self.what} is read as its provider's options say: set them")
        return self._given

    def auth_headers(self, credential: str) -> dict[str, str]:
        """Return the header that carries the credential, where one does."""
        return self.options.auth.headers(credential)

    def auth_params(self, credential: str) -> dict[str, str]:
        """Return the parameter that carries the credential, where one does."""
        return self.options.auth.params(credential)

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return the empty key, the only one that a feed has."""
        return keys.feed_key(self.label, kind, key)


@lru_cache(maxsize=128)
def _configured(adapter: type[DescribedFeed[Any]], options: bytes) -> DescribedFeed[Any]:
    # What was read by other options is read again, as when a parser changes.
    return adapter(adapter.described(msgspec.json.decode(options)), zlib.crc32(options, adapter.reads) % _MOST)
