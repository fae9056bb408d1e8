"""The body of an answer, read within limits: of size, before and after decompression, and of time."""

import time
import zlib
from collections.abc import Iterator
from typing import Any, cast

import requests
import urllib3

from musicsync.providers.outcomes import excerpt
from musicsync.records import Permanent, ProviderError, Transient
from musicsync.words import counted

_CHUNK = 65_536
_SLICE = 4096
"""What is decompressed at once: when a gzip member ends, the rest of a slice is copied for the next member."""


def read(what: str, answer: requests.Response, limit: int, deadline: float, credential: str = "") -> bytes:
    """Return the whole body, decompressed; ``deadline`` is as ``time.monotonic`` counts, ``limit`` is in bytes.

    Never more than a chunk above the limit is held, whatever the server sends.

    Raises:
        Permanent: it is larger than the limit, or compressed in a way that was not asked for.
        Transient: it does not come to an end before the deadline, or its compression is damaged.
        urllib3.exceptions.HTTPError: the connection ended before the body did.
    """
    body = bytearray()
    try:
        for piece in _pieces(what, answer, limit, deadline):
            body += piece
            if len(body) > limit:
                raise _too_large(what, limit)
    except ProviderError as error:
        error.excerpt = excerpt(body, credential)
        raise
    return bytes(body)


def read_error(what: str, answer: requests.Response, limit: int, deadline: float, credential: str = "") -> bytes:
    """Return what the body of an error says, as far as it came: the status counts, in whatever state its body is."""
    try:
        return read(what, answer, limit, deadline, credential)
    except ProviderError as error:
        return error.excerpt.encode()
    except (urllib3.exceptions.HTTPError, OSError):
        return b""


def _pieces(what: str, answer: requests.Response, limit: int, deadline: float) -> Iterator[bytes]:
    announced = answer.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:18]) > limit:
        raise _too_large(what, limit)
    chunks = as_sent(what, answer, limit, deadline)
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from chunks
    elif encoding in ("gzip", "x-gzip"):
        yield from _unpacked(what, chunks)
    elif any(chunks):
        raise Permanent(f"{what}: the answer is encoded as {encoding[:40]!r}, which was not asked for")


def as_sent(what: str, answer: requests.Response, limit: int, deadline: float) -> Iterator[bytes]:
    """Yield the body as it comes, compressed where it is; limits and errors are as in ``read``."""
    received, raw = 0, cast("Any", answer.raw)
    # read1 returns what has arrived, so a server that drips cannot hide between two looks at the clock.
    while chunk := raw.read1(_CHUNK, decode_content=False):
        received += len(chunk)
        if received > limit:
            raise _too_large(what, limit)
        if time.monotonic() > deadline:
            raise Transient(f"{what}: the answer did not end in time ({counted(received, 'byte')} came)")
        yield chunk


def _unpacked(what: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what the chunks hold, a little at a time. A gzip body may be several members one after the other."""
    member = None
    for packed in _slices(chunks):
        rest = packed
        while rest:
            member = member or zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            try:
                yield member.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise Transient(f"{what}: the compressed answer is damaged: {error}") from error
            rest = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member:
        raise Transient(f"{what}: the compressed answer was cut off")


def _slices(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk[start : start + _SLICE]


def _too_large(what: str, limit: int) -> Permanent:
    return Permanent(f"{what}: the answer is larger than {limit:,} bytes")
