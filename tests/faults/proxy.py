"""A TCP proxy on loopback, to be put before any server: it cuts, delays, half-closes and holds what goes through it.

    with Proxy(("127.0.0.1", 6379)) as proxy:
        proxy.port            # what listens, for the whole life of the proxy
        proxy.trouble(cut=0.01, half_close=0.01, delay=0.05)
        proxy.cut()           # every connection, now
        proxy.hold()          # nothing goes through any more, and nobody is told
        proxy.heal()          # no trouble any more; what was held is sent

A target that is a path is a Unix socket.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, Self

_NO_LINGER = struct.pack("ii", 1, 0)
_PORTION = 65_536


class Trouble(NamedTuple):
    """What may happen to each portion: the chances that it cuts the connection, or is the last of its direction.

    `delay` is by how many seconds at most a portion is late.
    """

    cut: float = 0.0
    half_close: float = 0.0
    delay: float = 0.0


class Proxy:
    """The proxy, serving from a thread of its own inside a `with` block; `done` counts what was done to connections."""

    def __init__(self, target: tuple[str, int] | Path, *, port: int = 0, seed: int = 1) -> None:
        self.target = target
        self.port = port
        self.done: Counter[str] = Counter()
        self._random = Random(seed)
        self._trouble = Trouble()
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy before {target}")

    @property
    def address(self) -> str:
        """Host and port of the proxy, as they stand in a URL."""
        return f"127.0.0.1:{self.port}"

    def trouble(self, *, cut: float = 0.0, half_close: float = 0.0, delay: float = 0.0) -> None:
        """Let these things happen to connections from now on, by chance."""
        self._trouble = Trouble(cut, half_close, delay)

    def heal(self) -> None:
        """Let no trouble happen any more; what was held is sent, as the network's own repetitions do."""
        self._trouble = Trouble()
        self._call(self._flows.set)

    def hold(self) -> None:
        """Let nothing through in either direction, as where a network drops every packet; connections stay."""
        self._call(self._flows.clear)

    def cut(self) -> None:
        """Reset every connection that there is."""
        self._call(self._cut_all)

    def half_close(self) -> None:
        """End one direction of every connection that there is; which one, chance says."""
        self._call(self._half_close_all)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _call(self, function: Callable[[], object]) -> None:
        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(60)

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        link = self._links[task] = _Link(writer)
        try:
            # What nobody lets through does not connect either.
            await self._flows.wait()
            answers, asks = await self._reach()
            link.ends.append(asks)
            await _together(self._pass_on(reader, asks, link), self._pass_on(answers, writer, link))
        except (OSError, asyncio.CancelledError):
            link.reset()
        finally:
            del self._links[task]
            for end in link.ends:
                end.close()

    async def _reach(self) -> tuple[StreamReader, StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter, link: "_Link") -> None:
        """Pass one direction on until it ends, and then end it on the other side."""
        while data := await reader.read(_PORTION):
            trouble = self._trouble
            if trouble.delay:
                await asyncio.sleep(self._random.uniform(0, trouble.delay))
            await self._flows.wait()
            if self._random.random() < trouble.cut:
                # Half of it arrives: what is cut off in the middle is the hardest to get right.
                await link.send(writer, data[: len(data) // 2])
                link.reset()
                self.done["cut"] += 1
                return
            await link.send(writer, data)
            if self._random.random() < trouble.half_close:
                link.finish(writer)
                self.done["half_close"] += 1
        link.finish(writer)

    def _cut_all(self) -> None:
        for link in self._links.values():
            link.reset()
            self.done["cut"] += 1

    def _half_close_all(self) -> None:
        for link in self._links.values():
            link.finish(self._random.choice(link.ends))
            self.done["half_close"] += 1


class _Link:
    """One connection: its client's end and, when that is there, its server's."""

    def __init__(self, client: StreamWriter) -> None:
        self.ends = [client]
        self._finished: set[StreamWriter] = set()

    async def send(self, end: StreamWriter, data: bytes) -> None:
        """Send to one end, unless it was told that nothing more comes: who sends to it goes on and is not told."""
        if end not in self._finished:
            end.write(data)
            await end.drain()

    def finish(self, end: StreamWriter) -> None:
        """Tell one end that nothing more comes."""
        self._finished.add(end)
        with contextlib.suppress(OSError):
            end.write_eof()

    def reset(self) -> None:
        """Reset the connection on both sides."""
        for end in self.ends:
            connection = end.get_extra_info("socket")
            if connection is not None and connection.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            end.transport.abort()


async def _together(*directions: Awaitable[None]) -> None:
    """Wait for both; where one fails, the other is ended."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
