"""Watching runs to their end, for a command that was told to ``--wait``."""

import time
from collections.abc import Callable, Sequence

from django.core.management.base import CommandError
from rich.console import Console

from musicsync.management import progress
from musicsync.management.base import MusicsyncCommand, cell_text
from musicsync.management.progress import Sight
from musicsync.models import Fetch, Run

_PATIENCE_SECONDS = 10
_INTERRUPTED = 130
"""What a shell gives for a command that Ctrl-C ended."""


def wait_for(command: MusicsyncCommand, runs: Sequence[Run]) -> None:
    """Show the runs until all have ended, then the totals of each.

    Raises:
        CommandError: one of them did not end well, or was deleted meanwhile.
        SystemExit: somebody pressed Ctrl-C; the runs go on.
    """
    numbers = [run.pk for run in runs]
    hint = _hint_without_worker(numbers, command.stderr.write)
    try:
        if command.stdout.isatty():
            with progress.Bars(Console()) as bars:
                progress.watch(numbers, bars, hint)
        else:
            progress.watch(numbers, progress.Lines(command.say), hint)
        for run in runs:
            run.refresh_from_db()
    except KeyboardInterrupt:
        for number in numbers:
            command.stderr.write(
                f"run {number} goes on: `manage.py run show {number}` shows it, `manage.py run cancel {number}` ends it"
            )
        raise SystemExit(_INTERRUPTED) from None
    except Run.DoesNotExist:
        raise CommandError(f"{_named(numbers)} was deleted meanwhile") from None
    for run in runs:
        command.say(" ".join(f"{name}={cell_text(value)}" for name, value in sorted(run.summary.items())))
    bad = [run for run in runs if run.status != Run.Status.DONE]
    if bad:
        said = (f"run {run.pk} of {run.provider}: {run.get_status_display()}. {run.error}".strip() for run in bad)
        raise CommandError("; ".join(said))


def _named(numbers: Sequence[int]) -> str:
    return f"run {numbers[0]}" if len(numbers) == 1 else f"one of the runs {', '.join(map(str, numbers))}"


def _hint_without_worker(numbers: Sequence[int], say: Callable[[str], object]) -> Callable[[Sequence[Sight]], None]:
    """Return what says, once, that nobody seems to work on the runs."""
    since: float | None = time.monotonic()

    def look(_: Sequence[Sight]) -> None:
        nonlocal since
        if since is None or time.monotonic() - since < _PATIENCE_SECONDS:
            return
        since = None
        if not Fetch.objects.filter(run__in=numbers, started_at__isnull=False).exists():
            say(
                f"nothing of {_named(numbers)} was begun in {_PATIENCE_SECONDS} s: no worker seems to run. "
                "Start one with `celery -A project worker`"
            )

    return look
