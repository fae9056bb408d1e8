"""What lies between those who send messages and those who read them, and delivers each twice, in random order."""

import heapq
import itertools
import threading
import time
from random import Random
from typing import Self

import redis

QUEUES = ("fetch", "maintenance", "notify")
LATEST_SECONDS = 0.6
_LOOK_SECONDS = 0.002


class Relay:
    """Moves Kombu's messages, as they are, from one database of a Redis to another, inside a `with` block."""

    def __init__(self, port: int, *, sent_to: int, read_from: int, seed: int = 1) -> None:
        self.sent = redis.Redis(port=port, db=sent_to)
        self.read = redis.Redis(port=port, db=read_from)
        self.messages = 0
        self.overtaken = 0
        self._random = Random(seed)
        self._due: list[tuple[float, int, str, bytes]] = []
        self._latest = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(60)
        self.sent.close()
        self.read.close()

    def _run(self) -> None:
        numbers = itertools.count(1)
        while not self._stopped.wait(_LOOK_SECONDS):
            for queue in QUEUES:
                while (message := self.sent.rpop(queue)) is not None:
                    self.messages += 1
                    number = next(numbers)
                    for _ in range(2):
                        due = time.monotonic() + self._random.uniform(0, LATEST_SECONDS)
                        heapq.heappush(self._due, (due, number, queue, message))
            while self._due and self._due[0][0] <= time.monotonic():
                _, number, queue, message = heapq.heappop(self._due)
                self.overtaken += number < self._latest
                self._latest = max(self._latest, number)
                self.read.lpush(queue, message)
