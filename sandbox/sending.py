"""Answers on connections that fail: what is sent when, byte by byte, and how the connection ends.

Each way ends by itself, with the connection closed, whatever the client does.
"""

import asyncio
import contextlib
import functools
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

from tornado.iostream import IOStream, StreamClosedError

from sandbox.faults import Rule
from sandbox.wire import Answer

LONGEST_SECONDS = 300
_STEPS_PER_SECOND = 4
_MOMENT_SECONDS = 0.05
_PORTION = 1_000_000
_PACKED_PORTION = 10_000_000


async def send(stream: IOStream, rule: Rule, answer: Answer) -> None:
    """Send the answer in the way of the rule's kind, then close the connection; a client that leaves is no error."""
    with contextlib.closing(stream), contextlib.suppress(StreamClosedError, TimeoutError):
        await asyncio.wait_for(WAYS[rule.kind](stream, rule, answer), LONGEST_SECONDS)


async def _hang(stream: IOStream, _rule: Rule, _answer: Answer) -> None:
    await stream.read_until_close()


async def _slow(stream: IOStream, rule: Rule, answer: Answer) -> None:
    await stream.write(_head(answer, len(answer.body)))
    await _drip(stream, answer.body, rule.bytes_per_second)


async def _slow_headers(stream: IOStream, rule: Rule, answer: Answer) -> None:
    await _drip(stream, _head(answer, len(answer.body)) + answer.body, rule.bytes_per_second)


async def _truncated(stream: IOStream, _rule: Rule, answer: Answer) -> None:
    await stream.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])


async def _reset(stream: IOStream, rule: Rule, answer: Answer) -> None:
    head = _head(answer, len(answer.body))
    sent = {"request": b"", "headers": head[: len(head) // 2], "body": head + answer.body[: len(answer.body) // 2]}
    if sent[rule.at]:
        await stream.write(sent[rule.at])
        # What is still on its way when the connection is reset, the client never sees.
        await asyncio.sleep(_MOMENT_SECONDS)
    no_linger = struct.pack("ii", 1, 0)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


async def _huge(stream: IOStream, rule: Rule, answer: Answer) -> None:
    await stream.write(_head(answer, rule.size))
    for portion in _portions(rule.size, _PORTION):
        await stream.write(b" " * portion)


async def _endless(stream: IOStream, rule: Rule, answer: Answer) -> None:
    await stream.write(_head(answer, None))
    for portion in _portions(rule.size, _PORTION):
        await stream.write(f"{portion:x}\r\n".encode() + b" " * portion + b"\r\n")
    await stream.write(b"0\r\n\r\n")


async def _gzip_bomb(stream: IOStream, rule: Rule, answer: Answer) -> None:
    # A gzip body may be several files one after the other; the same one again and again costs nothing to make.
    packed = b"".join(_packed(portion) for portion in _portions(rule.size, _PACKED_PORTION))
    encoded = Answer(answer.status, b"", {**answer.headers, "Content-Encoding": "gzip"})
    await stream.write(_head(encoded, len(packed)) + packed)


WAYS: dict[str, Callable[[IOStream, Rule, Answer], Awaitable[None]]] = {
    "hang": _hang,
    "slow": _slow,
    "slow_headers": _slow_headers,
    "truncated": _truncated,
    "reset": _reset,
    "huge": _huge,
    "endless": _endless,
    "gzip_bomb": _gzip_bomb,
}
"""By the kind of fault."""


def _head(answer: Answer, length: int | None) -> bytes:
    """Return status line and headers that announce a body of this length, or one in chunks."""
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    headers = {"Content-Type": "application/json; charset=utf-8", "Connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", body]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


async def _drip(stream: IOStream, data: bytes, bytes_per_second: int) -> None:
    step = max(1, bytes_per_second // _STEPS_PER_SECOND)
    for start in range(0, len(data), step):
        await stream.write(data[start : start + step])
        await asyncio.sleep(step / bytes_per_second)


def _portions(size: int, most: int) -> Iterator[int]:
    for start in range(0, size, most):
        yield min(most, size - start)


@functools.lru_cache(maxsize=2)
def _packed(size: int) -> bytes:
    return gzip.compress(b" " * size, mtime=0)
