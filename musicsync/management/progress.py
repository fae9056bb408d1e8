"""Watching runs until they end: bars at a terminal, else plain lines that a program can read."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from musicsync import queries
from musicsync.forecast import Forecast, in_words
from musicsync.models import Run
from musicsync.queries import Progress

_LOOK_SECONDS = 1.0
_LINE_SECONDS = 5.0
_PACE_SECONDS = 6.0
_MOST_ETA_SECONDS = 99 * 3600
_WORTH_SAYING_SECONDS = 60


class Sight(Struct, frozen=True):
    """A run as it is now, with its pace: tracks and requests per second over the last seconds; ``eta`` in seconds.

    ``forecast`` is what its budget makes of it, ``None`` where it has ended.
    """

    progress: Progress
    tracks_per_second: float
    requests_per_second: float
    forecast: Forecast | None = None

    @property
    def eta(self) -> float | None:
        """Return the seconds left, ``None`` where nothing can be said: by the pace, but never faster than allowed."""
        if self.progress.ended or not self.requests_per_second:
            return None
        needed = self.forecast.requests if self.forecast else self.progress.owed
        allowed = (self.forecast.seconds if self.forecast else None) or 0.0
        return min(max(needed / self.requests_per_second, allowed), _MOST_ETA_SECONDS)


class View(Protocol):
    """What shows runs under way."""

    def show(self, sights: Sequence[Sight]) -> None:
        """Show the runs as they are now."""


class _Pace:
    """The speed of one run, over a short window."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def sight(self, progress: Progress, forecast: Forecast | None, now: float) -> Sight:
        self._samples.append((now, progress.tracks, progress.done))
        while now - self._samples[0][0] > _PACE_SECONDS:
            self._samples.popleft()
        if progress.ended:
            seconds = max(progress.seconds, 0.001)
            return Sight(progress, progress.tracks / seconds, progress.done / seconds)
        at, tracks, done = self._samples[0]
        seconds = now - at
        if seconds < _LOOK_SECONDS:
            return Sight(progress, 0.0, 0.0, forecast)
        return Sight(progress, (progress.tracks - tracks) / seconds, (progress.done - done) / seconds, forecast)


def watch(
    run_ids: Sequence[int], view: View, each_look: Callable[[Sequence[Sight]], None] = lambda _: None
) -> list[Progress]:
    """Show the runs until all have ended and return how they ended. ``each_look`` is called with every look at them.

    Raises:
        Run.DoesNotExist: a run was deleted meanwhile.
    """
    paces = {run_id: _Pace() for run_id in run_ids}
    while True:
        began = time.monotonic()
        sights = [paces[run_id].sight(*_look_at(run_id), began) for run_id in run_ids]
        view.show(sights)
        if all(sight.progress.ended for sight in sights):
            return [sight.progress for sight in sights]
        each_look(sights)
        # Counting the fetches of a long run takes a while: looking must stay a small part of what the database does.
        time.sleep(max(_LOOK_SECONDS, 10 * (time.monotonic() - began)))


def _look_at(run_id: int) -> tuple[Progress, Forecast | None]:
    progress = queries.progress(run_id)
    return progress, queries.forecast_of(Run.objects.get(pk=run_id), progress)


class Lines:
    """Shows a run as a line of ``name=value`` pairs every few seconds, and when its status changes."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: dict[int, tuple[str, float]] = {}

    def show(self, sights: Sequence[Sight]) -> None:
        """Write the lines that are due."""
        now = time.monotonic()
        for sight in sights:
            progress = sight.progress
            status, at = self._said.get(progress.run_id, ("", 0.0))
            if status != progress.status or (not progress.ended and now - at >= _LINE_SECONDS):
                self._said[progress.run_id] = (progress.status, now)
                self._say(line(sight))


def line(sight: Sight) -> str:
    """Return a run as one line of ``name=value`` pairs."""
    progress = sight.progress
    eta = "" if sight.eta is None else f" eta_seconds={sight.eta:.0f}"
    if sight.forecast:
        eta += f" requests_needed={sight.forecast.requests}"
        if sight.forecast.quota_reached_at:
            eta += f" {sight.forecast.quota}_quota_reached_at={sight.forecast.quota_reached_at:%Y-%m-%dT%H:%M:%SZ}"
        if sight.forecast.paused_until:
            eta += f" paused_until={sight.forecast.paused_until:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"run={progress.run_id} provider={progress.provider} status={progress.status} requests_done={progress.done} "
        f"requests_owed={progress.owed} requests_dead={progress.dead} tracks={_tracks(progress)} "
        f"tracks_per_second={sight.tracks_per_second:.0f}{eta} budget={progress.budget_used:.2f} "
        f"seconds={progress.seconds:.1f}"
    )


class Bars:
    """Shows each run as a bar that moves, until the ``with`` block ends; what was shown last stays."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, sights: Sequence[Sight]) -> None:
        """Draw the bars anew."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
        table.add_column("provider", no_wrap=True)
        table.add_column("", width=20)
        for header, width in (
            *(("requests", 13), ("tracks", 9), ("tracks/s", 8)),
            *(("ETA", 7), ("budget", 6)),
        ):
            table.add_column(header, justify="right", min_width=width, no_wrap=True)
        for sight in sights:
            table.add_row(*_row(sight))
        self._live.update(Group(table, *(Text(said, style="dim") for sight in sights if (said := remark(sight)))))


def remark(sight: Sight) -> str:
    """Return what the budget has to say of a run; nothing of one that is done within a minute anyway."""
    found = sight.forecast
    if found is None or (found.seconds is not None and found.seconds < _WORTH_SAYING_SECONDS and not found.waits_for):
        return ""
    return f"{sight.progress.provider}: {in_words(found, datetime.now(UTC))}"


def _row(sight: Sight) -> tuple[Text | ProgressBar | str, ...]:
    progress = sight.progress
    total = progress.done + progress.owed
    last = {"running": clock(sight.eta), "done": f"in {clock(progress.seconds)}"}.get(progress.status, progress.status)
    return (
        Text(progress.provider),
        ProgressBar(total=max(total, 1), completed=progress.done, width=20),
        f"{progress.done:,}/{total:,}",
        f"{_tracks(progress):,}",
        f"{sight.tracks_per_second:,.0f}",
        last,
        "" if progress.ended else f"{progress.budget_used:.0%}",
    )


def clock(seconds: float | None) -> str:
    """Return a time span as a clock shows it: "0:31", "1:04:09"; nothing where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _tracks(progress: Progress) -> int:
    """Return how many tracks were read: while under way, one that stands on several pages counts with each."""
    return progress.totals.get("distinct_tracks", progress.tracks)
