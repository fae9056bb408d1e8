"""``manage.py sync PROVIDER``: start a run, and watch it if asked to."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from musicsync.management.base import MusicsyncCommand, begin, provider_named
from musicsync.management.waiting import wait_for
from musicsync.models import Fetch, Provider, Run, Scope
from musicsync.providers import registry
from musicsync.records import Mode
from musicsync.sync import runs
from musicsync.sync.following import scope_of
from musicsync.words import counted


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
            run = runs.open_run(provider, _mode(options, scope), Run.Trigger.CLI, scope=scope)
        begin(run)
        owed = Fetch.objects.filter(run=run).count()
        self.say(f"run {run.pk} of {provider} started ({run.mode}): {counted(owed, 'request')} owed so far")
        if not options["wait"]:
            self.say(f"look at it with `manage.py run show {run.pk}`")
            return
        wait_for(self, [run])


def _mode(options: Mapping[str, Any], scope: Scope | None) -> Mode:
    if options["full"]:
        return "full"
    return "lookup" if scope and scope.key else "incremental"


def _scope(provider: Provider, text: str) -> Scope:
    """Return the scope's row; one that is not followed gets an inactive row, so that scheduled runs leave it out."""
    kind, key = scope_of(registry.adapter_of(provider), text)
    return Scope.objects.get_or_create(provider=provider, kind=kind, key=key, defaults={"active": False})[0]
