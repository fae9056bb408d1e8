"""A question to a dialect and its answer, apart from how they travel."""

import gzip
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from sandbox.world import Release, Track

COMPRESS_FROM = 1024
"""Bodies smaller than this, in bytes, are sent as they are."""
_MOST_DIGITS = 15

Thing = TypeVar("Thing")


class Ask(Struct, frozen=True):
    """A GET: ``path`` below the dialect's root, whose absolute URL is ``root``; ``headers`` have lower-case names.

    ``missing`` is how many of the first items a list does not have at this moment (``shifts.py``).
    """

    path: str
    query: Mapping[str, str] = {}
    root: str = ""
    headers: Mapping[str, str] = {}
    missing: int = 0

    def listed(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """Return what a list has at this moment of what it has in all."""
        return things[self.missing :] if self.missing else things

    @property
    def parts(self) -> list[str]:
        """The segments of the path."""
        return self.path.strip("/").split("/")

    @property
    def takes_gzip(self) -> bool:
        """Whether the client accepts gzip."""
        return "gzip" in self.headers.get("accept-encoding", "")

    def knows(self, etag: str) -> bool:
        """Tell whether the client has the answer with this ETag (If-None-Match, compared weakly)."""
        known = {part.strip().removeprefix("W/") for part in self.headers.get("if-none-match", "").split(",")}
        return etag.removeprefix("W/") in known or "*" in known


class Answer(Struct, frozen=True):
    """An answer with its JSON body, compressed already where ``headers`` say so."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}

    def compressed(self) -> "Answer":
        """Return the answer with its body in gzip, where that is worth it."""
        if len(self.body) < COMPRESS_FROM or "Content-Encoding" in self.headers:
            return self
        body = gzip.compress(self.body, compresslevel=1, mtime=0)
        return Answer(self.status, body, {**self.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


class Dialect(Protocol):
    """A provider's way to put the world, its refusals and its failures."""

    name: str
    numbers: range
    """The blocks that the provider has."""

    def respond(self, ask: Ask) -> Answer:
        """Return the answer to a question within the limits."""

    def over_limit(self, seconds: float, /) -> Answer:
        """Return what a client is told that may ask again in so many seconds."""

    def not_found(self) -> Answer:
        """Return what a client is told about an unknown id."""

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return what is served of a track, without what differs at every answer."""


class BadNumber(ValueError):
    """A parameter is not a whole number; the text names it."""


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the document as an answer."""
    return Answer(status, msgspec.json.encode(document), headers or {})


def whole_number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """Return a parameter as a number from 0, cut to ``most``.

    Raises:
        BadNumber: it is something else.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise BadNumber(name)
    return int(text) if most is None else min(int(text), most)


class Refusal(Exception):
    """A question is not answered with what it asks for, but with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
