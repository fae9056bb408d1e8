"""Rate limits and the count of what was asked. Times are seconds of any steady clock."""

from collections import deque
from typing import Protocol


class Limit(Protocol):
    """What a provider allows its one client."""

    def take(self, now: float, /) -> float:
        """Return 0.0 and count the request, or the seconds after which the next would be let through."""


class Unlimited:
    """A limit that lets everything through."""

    def take(self, _now: float, /) -> float:
        """Return 0.0."""
        return 0.0


class TokenBucket:
    """``rate`` requests per second on average. One second's worth, and one more, may come at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.capacity = rate + 1
        self.tokens = self.capacity
        self._filled_at: float | None = None

    def take(self, now: float, /) -> float:
        """Return 0.0 and take a token, or the seconds until there is one."""
        if self._filled_at is not None:
            self.tokens = min(self.capacity, self.tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class SlidingWindow:
    """``count`` requests in any ``seconds`` seconds; refused ones do not count."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self._taken: deque[float] = deque()

    @property
    def used(self) -> int:
        """How many requests stood in the window when one was taken last."""
        return len(self._taken)

    def take(self, now: float, /) -> float:
        """Return 0.0 and note the time, or the seconds until the oldest request of the window leaves it."""
        while self._taken and now - self._taken[0] >= self.seconds:
            self._taken.popleft()
        if len(self._taken) < self.count:
            self._taken.append(now)
            return 0.0
        return self._taken[0] + self.seconds - now


class Meter:
    """Requests to one dialect: how many were served and refused, and the most that arrived within 1 and 5 seconds."""

    def __init__(self) -> None:
        self.served = 0
        self.refused = 0
        self._recent: dict[int, deque[float]] = {1: deque(), 5: deque()}
        self._worst = {1: 0, 5: 0}

    def arrive(self, now: float) -> None:
        """Count an arrival."""
        for seconds, times in self._recent.items():
            times.append(now)
            while now - times[0] >= seconds:
                times.popleft()
            self._worst[seconds] = max(self._worst[seconds], len(times))

    def summary(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"served": self.served, "refused": self.refused, "worst_1s": self._worst[1], "worst_5s": self._worst[5]}
