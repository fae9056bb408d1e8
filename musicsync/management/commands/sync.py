"""``manage.py sync PROVIDER``: start a run, and watch it if asked to."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from rich.console import Console

from musicsync.management import progress
from musicsync.management.base import MusicsyncCommand, begin, cell_text, provider_named, scope_of
from musicsync.management.progress import Sight
from musicsync.models import Fetch, Provider, Run, Scope
from musicsync.records import Mode
from musicsync.sync import runs

_PATIENCE_SECONDS = 10
_INTERRUPTED = 130
"""What a shell gives for a command that Ctrl-C ended."""


class Command(MusicsyncCommand):
    """Start a run of a provider."""

    help = "Start a run: incremental, or what --full and --scope say. Exit code 1 where --wait sees it fail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("provider", help="its name, as `manage.py provider list` shows it")
        parser.add_argument("--full", action="store_true", help="read everything, and remove what is absent")
        parser.add_argument("--scope", metavar="KIND:KEY", help="only this one, followed or not")
        parser.add_argument("--wait", action="store_true", help="watch it until it ends")

    def act(self, options: Mapping[str, Any]) -> None:
        """Open the run, send its first messages, and watch it if asked to."""
        provider = provider_named(options["provider"])
        with transaction.atomic():
            scope = _scope(provider, options["scope"]) if options["scope"] is not None else None
            run = runs.open_run(provider, _mode(options), Run.Trigger.CLI, scope=scope)
        begin(run)
        owed = Fetch.objects.filter(run=run).count()
        self.say(f"run {run.pk} of {provider} started ({run.mode}): {owed:,} requests owed so far")
        if not options["wait"]:
            self.say(f"look at it with `manage.py run show {run.pk}`")
            return
        self._wait(run)

    def _wait(self, run: Run) -> None:
        try:
            if self.stdout.isatty():
                with progress.Bars(Console()) as bars:
                    progress.watch([run.pk], bars, _hint_without_worker(run, self.stderr.write))
            else:
                progress.watch([run.pk], progress.Lines(self.say), _hint_without_worker(run, self.stderr.write))
        except KeyboardInterrupt:
            self.stderr.write(
                f"run {run.pk} goes on: `manage.py run show {run.pk}` shows it, `manage.py run cancel {run.pk}` ends it"
            )
            raise SystemExit(_INTERRUPTED) from None
        except Run.DoesNotExist:
            raise CommandError(f"run {run.pk} was deleted meanwhile") from None
        run.refresh_from_db()
        self.say(" ".join(f"{name}={cell_text(value)}" for name, value in sorted(run.summary.items())))
        if run.status != Run.Status.DONE:
            raise CommandError(f"run {run.pk} of {run.provider}: {run.get_status_display()}. {run.error}".strip())


def _mode(options: Mapping[str, Any]) -> Mode:
    if options["full"]:
        return "full"
    return "lookup" if options["scope"] is not None else "incremental"


def _scope(provider: Provider, text: str) -> Scope:
    """Return the scope's row; one that is not followed gets an inactive row, so that scheduled runs leave it out."""
    kind, key = scope_of(provider, text)
    return Scope.objects.get_or_create(provider=provider, kind=kind, key=key, defaults={"active": False})[0]


def _hint_without_worker(run: Run, say: Callable[[str], object]) -> Callable[[Sequence[Sight]], None]:
    """Return what says, once, that nobody seems to work on the run."""
    since: float | None = time.monotonic()

    def look(_: Sequence[Sight]) -> None:
        nonlocal since
        if since is None or time.monotonic() - since < _PATIENCE_SECONDS:
            return
        since = None
        if not Fetch.objects.filter(run=run, started_at__isnull=False).exists():
            say(
                f"nothing of run {run.pk} was begun in {_PATIENCE_SECONDS} s: no worker seems to run. "
                "Start one with `celery -A project worker`"
            )

    return look
