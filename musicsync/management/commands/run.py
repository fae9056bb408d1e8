"""``manage.py run show|cancel|replay|approve N``: one run."""

from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from musicsync import queries
from musicsync.forecast import in_words
from musicsync.management.base import MusicsyncCommand, begin, run_numbered
from musicsync.models import Fetch, Run
from musicsync.sync import runs
from musicsync.words import counted

_MOST_DEAD_SHOWN = 10
_ACTIONS = {
    "show": "show how it is going, its totals and its dead requests",
    "cancel": "end it at once",
    "replay": "try its dead requests again",
    "approve": "carry out the removals that it asks about",
}


class Command(MusicsyncCommand):
    """Show or steer one run."""

    help = "Show, cancel, replay or approve a run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in _ACTIONS.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("run", type=int, metavar="N", help="its number, as `manage.py runs` shows it")
            if name == "show":
                action.add_argument("--json", action="store_true", help="as JSON")

    def act(self, options: Mapping[str, Any]) -> None:
        """Do what the action says."""
        run = run_numbered(options["run"])
        if options["action"] == "show":
            self._show(run, as_json=options["json"])
        else:
            {"cancel": self._cancel, "replay": self._replay, "approve": self._approve}[options["action"]](run)

    def _show(self, run: Run, *, as_json: bool) -> None:
        facts = _facts(run)
        if as_json:
            self.say_json(facts)
            return
        dead = facts.pop("dead")
        forecast = facts.pop("forecast")
        totals = facts.pop("totals")
        self.say_table(("what", "value"), list(facts.items()) + sorted(totals.items()))
        if forecast:
            self.say("")
            self.say(forecast["text"])
        if dead:
            self.say("")
            self.say_table(("dead request", "failures", "error"), [tuple(fetch.values()) for fetch in dead])
            self.say(
                f"look at them with `manage.py fetches list --run {run.pk}`, try them again with "
                f"`manage.py run replay {run.pk}`"
            )

    def _cancel(self, run: Run) -> None:
        owed = runs.cancel(run)
        self.say(
            f"run {run.pk} of {run.provider} is cancelled: {counted(owed, 'request')} that it owed will not be sent"
        )

    def _replay(self, run: Run) -> None:
        replayed = runs.replay(run, Fetch.objects.all())
        if not replayed:
            self.say(f"run {run.pk} of {run.provider} has no dead requests: there is nothing to replay")
            return
        begin(run)
        self.say(
            f"run {run.pk} of {run.provider} goes on: "
            f"{counted(replayed, 'dead request is', 'dead requests are')} tried again"
        )

    def _approve(self, run: Run) -> None:
        removed = runs.approve(run)
        counts = [counted(number, what.removesuffix(".removed")) for what, number in sorted(removed.items())]
        self.say(f"run {run.pk} of {run.provider} is done: removed {', '.join(counts) or 'nothing'}")


def _facts(run: Run) -> dict[str, Any]:
    progress = queries.progress(run.pk)
    dead = Fetch.objects.filter(run=run, status=Fetch.Status.DEAD).order_by("pk")[:_MOST_DEAD_SHOWN]
    return {
        "run": run.pk,
        "provider": run.provider.slug,
        "mode": run.mode,
        "trigger": run.trigger,
        "scope": str(run.scope) if run.scope else None,
        "status": run.status,
        "error": run.error,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "seconds": round(progress.seconds, 1),
        "requests_done": progress.done,
        "requests_owed": progress.owed,
        "requests_dead": progress.dead,
        "totals": progress.totals,
        "forecast": _foreseen(run, progress),
        "dead": [{"request": fetch.key, "failures": fetch.failures, "error": fetch.error_line} for fetch in dead],
    }


def _foreseen(run: Run, progress: queries.Progress) -> dict[str, Any] | None:
    found = queries.forecast_of(run, progress)
    return None if found is None else msgspec.to_builtins(found) | {"text": in_words(found, datetime.now(UTC))}
