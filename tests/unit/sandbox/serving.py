"""Serve a world to a test."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager

from sandbox.catalogue import World
from sandbox.server import Limits, Sandbox

Served = Callable[..., AbstractContextManager[str]]


@contextmanager
def serve(
    tracks: int = 500,
    seed: int = 1,
    limits: Limits | None = None,
    feed_token: str | None = None,
    generation: int = 0,
    keys: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve a world in a thread of its own; give the base URL."""
    sandbox = Sandbox(World(tracks, seed, generation), limits or Limits(enforced=False), feed_token, keys=keys)
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    port: Future[int] = Future()

    async def run() -> None:
        server, free_port = sandbox.listen("127.0.0.1", 0)
        port.set_result(free_port)
        await stopped.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port.result(timeout=60)}"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(60)
        loop.close()
