"""``manage.py runs``: the latest runs."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from musicsync.management.base import MusicsyncCommand, positive, provider_named
from musicsync.models import Run

_COLUMNS = ("run", "provider", "mode", "trigger", "status", "started_at", "finished_at", "error")


class Command(MusicsyncCommand):
    """List runs."""

    help = "List runs, newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--provider", help="only runs of this one")
        parser.add_argument("--limit", type=positive(int), default=20, help="how many (default: 20)")
        parser.add_argument("--json", action="store_true", help="as JSON, with the totals of each")

    def act(self, options: Mapping[str, Any]) -> None:
        """Write them."""
        runs = Run.objects.select_related("provider").order_by("-pk")
        if options["provider"]:
            runs = runs.filter(provider=provider_named(options["provider"]))
        facts = [
            {
                "run": run.pk,
                "provider": run.provider.slug,
                **{name: getattr(run, name) for name in _COLUMNS[2:]},
                "summary": run.summary,
            }
            for run in runs[: options["limit"]]
        ]
        if options["json"]:
            self.say_json(facts)
        else:
            self.say_table(_COLUMNS, [[fact[name] for name in _COLUMNS] for fact in facts])
