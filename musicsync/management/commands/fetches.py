"""``manage.py fetches list|show|replay|discard``: the requests of runs, the dead ones above all."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from musicsync.management.base import MusicsyncCommand, bad_usage, begin, positive, provider_named, run_numbered
from musicsync.models import Fetch, Run, Worker
from musicsync.records import MusicsyncError
from musicsync.sync import runs
from musicsync.words import counted

_ACTIONS = {
    "list": "list them, newest first",
    "show": "show all that is known of them: request, attempts, error, traceback, and the start of the answer",
    "replay": "try dead ones again; their runs go on",
    "discard": "give dead ones up for good; what their pages held before stays as it is",
}
_EXAMPLES = """\
examples:
  manage.py fetches list --run 12
  manage.py fetches list --provider deezer --error timeout --json
  manage.py fetches show 4711
  manage.py fetches replay 4711 4712
  manage.py fetches replay --provider deezer --error 'the page is held'
  manage.py fetches discard --run 12 --key artist/27
  manage.py fetches discard --yes
"""
_ALL = "all"
_COLUMNS = ("fetch", "run", "provider", "status", "attempts", "failures", "crashes", "finished_at", "request", "error")
_DETAILS = ("started_at", "not_before", "task_id", "counts", "traceback", "excerpt")


class Command(MusicsyncCommand):
    """Look at fetches, and replay or discard dead ones."""

    help = "List and show the requests of runs, and replay or discard dead ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the actions and their filters."""
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = _EXAMPLES
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in _ACTIONS.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("fetches", type=int, nargs="*", metavar="ID", help="these; otherwise all that match")
            action.add_argument("--run", type=int, metavar="N", help="of this run")
            action.add_argument("--provider", metavar="SLUG", help="of this provider")
            action.add_argument("--error", metavar="TEXT", help="whose error has this text in it, whatever the case")
            action.add_argument("--key", metavar="TEXT", help="whose request has this text in it")
            if name in ("list", "show"):
                statuses = (*Fetch.Status.values, _ALL)
                action.add_argument("--status", choices=statuses, help="default: dead, or any where an ID is given")
                action.add_argument("--limit", type=positive(int), default=20, help="how many (default: 20)")
                action.add_argument("--json", action="store_true", help="as JSON, with all that is known of each")
            else:
                action.add_argument("--yes", action="store_true", help="all dead ones there are, without any filter")

    def act(self, options: Mapping[str, Any]) -> None:
        """Do what the action says."""
        chosen = _chosen(options)
        if options["action"] in ("list", "show"):
            self._show(_of_status(chosen, options), options)
            return
        if not options["yes"] and not any(options[name] for name in ("fetches", "run", "provider", "error", "key")):
            raise bad_usage(
                f"say which to {options['action']}: ID, --run, --provider, --error, --key, or --yes for all"
            )
        dead = chosen.filter(status=Fetch.Status.DEAD)
        if options["action"] == "discard":
            self.say(f"{counted(runs.discard(dead), 'dead request is', 'dead requests are')} given up")
        else:
            self._replay(dead)

    def _show(self, chosen: QuerySet[Fetch], options: Mapping[str, Any]) -> None:
        found = list(chosen.select_related("run__provider").order_by("-pk")[: options["limit"]])
        if options["json"]:
            self.say_json([_facts(fetch) | _details(fetch) for fetch in found])
        elif options["action"] == "list":
            facts = [_facts(fetch) | {"error": fetch.error_line} for fetch in found]
            self.say_table(_COLUMNS, [[fact[name] for name in _COLUMNS] for fact in facts])
        else:
            for fetch in found:
                self._show_one(fetch)

    def _show_one(self, fetch: Fetch) -> None:
        for name, value in (_facts(fetch) | _details(fetch)).items():
            lines = str("" if value is None else value).splitlines()
            self.say(f"{name}: {lines[0]}" if len(lines) == 1 else f"{name}:")
            for line in lines if len(lines) > 1 else ():
                self.say(f"    {line}")
        self.say("")

    def _replay(self, dead: QuerySet[Fetch]) -> None:
        affected = Run.objects.filter(pk__in=dead.order_by().values("run")).select_related("provider__budget")
        refused = []
        replayed = 0
        for run in affected.order_by("pk"):
            try:
                replayed_here = runs.replay(run, dead)
            except MusicsyncError as error:
                refused.append(str(error))
                continue
            begin(run)
            replayed += replayed_here
            self.say(
                f"run {run.pk} of {run.provider} goes on: "
                f"{counted(replayed_here, 'dead request is', 'dead requests are')} tried again"
            )
        if refused:
            raise CommandError("; ".join(refused))
        if not replayed:
            self.say("no dead request matches: there is nothing to replay")


def _chosen(options: Mapping[str, Any]) -> QuerySet[Fetch]:
    """Return the fetches that all the given filters leave.

    Raises:
        CommandError: there is no such run or provider.
    """
    chosen = Fetch.objects.all()
    if options["fetches"]:
        chosen = chosen.filter(pk__in=options["fetches"])
    if options["run"]:
        chosen = chosen.filter(run=run_numbered(options["run"]))
    if options["provider"]:
        chosen = chosen.filter(run__provider=provider_named(options["provider"]))
    if options["error"]:
        chosen = chosen.filter(error__icontains=options["error"])
    if options["key"]:
        chosen = chosen.filter(key__contains=options["key"])
    return chosen


def _of_status(chosen: QuerySet[Fetch], options: Mapping[str, Any]) -> QuerySet[Fetch]:
    status = options["status"] or (_ALL if options["fetches"] else Fetch.Status.DEAD)
    return chosen if status == _ALL else chosen.filter(status=status)


def _facts(fetch: Fetch) -> dict[str, Any]:
    return {
        "fetch": fetch.pk,
        "run": fetch.run_id,
        "provider": fetch.run.provider.slug,
        "request": fetch.key,
        **{
            name: getattr(fetch, name) for name in ("status", "attempts", "failures", "crashes", "finished_at", "error")
        },
    }


def _details(fetch: Fetch) -> dict[str, Any]:
    worker = Worker.objects.filter(pk=fetch.worker_id or 0).first()
    return {"worker": worker.name if worker else None, **{name: getattr(fetch, name) for name in _DETAILS}}
