"""``manage.py refresh release|artist WHAT``: look one thing up now, at each provider that knows it."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from musicsync.identifiers import normalise_gtin
from musicsync.management.base import MusicsyncCommand, bad_usage, begin, provider_named
from musicsync.management.waiting import wait_for
from musicsync.models import Artist, Release, Run
from musicsync.providers.keys import has_gtin_length
from musicsync.queries import outlook
from musicsync.records import MusicsyncError, ScopeKind
from musicsync.sync import lookups
from musicsync.sync.lookups import Target

_MODELS: dict[str, type[Artist | Release]] = {"artist": Artist, "release": Release}
_FORMS = {
    "artist": "PROVIDER:ID, or its number in the catalogue",
    "release": "PROVIDER:ID or PROVIDER:UPC, its number in the catalogue, or the UPC/EAN of one that is there",
}


class Command(MusicsyncCommand):
    """Look one thing up."""

    help = (
        "Ask each provider that knows it for an artist and its releases, or for a release, now, ahead of the runs that "
        "are under way. Exit code 1 where --wait sees one fail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
        for name, form in _FORMS.items():
            kind = kinds.add_parser(name, help=form)
            kind.add_argument("what", metavar="WHAT", help=form)
            kind.add_argument("--wait", action="store_true", help="watch it until it ends")

    def act(self, options: Mapping[str, Any]) -> None:
        """Open the lookups, send their first messages, and watch them if asked to."""
        found, refusals = [], []
        for target in _targets(options["kind"], options["what"]):
            try:
                found.append(self._look_up(target))
            except MusicsyncError as error:
                refusals.append(str(error))
        if not found:
            raise bad_usage("; ".join(refusals))
        for line in refusals:
            self.stderr.write(line)
        if options["wait"]:
            wait_for(self, found)

    def _look_up(self, target: Target) -> Run:
        found = lookups.start(target, Run.Trigger.CLI)
        run = found.run
        if found.is_new:
            begin(run)
            self.say(f"run {run.pk} of {run.provider} started (lookup of {run.scope}): {outlook(run)}")
        else:
            self.say(f"run {run.pk} of {run.provider} looks up {run.scope} already")
        return run


def _targets(kind: ScopeKind, what: str) -> list[Target]:
    """Return what is to be looked up where.

    Raises:
        CommandError: there is no such provider or row, or no provider has it any more.
    """
    slug, colon, key = what.partition(":")
    if colon:
        return [Target(provider_named(slug), kind, key)]
    found = lookups.targets_of(_row(kind, what))
    if not found:
        raise bad_usage(f"no provider has {kind} {what} any more: name one as PROVIDER:ID")
    return found


def _row(kind: ScopeKind, what: str) -> Artist | Release:
    by_gtin = kind == "release" and has_gtin_length(what)
    wanted = {"gtin": normalise_gtin(what)} if by_gtin else {"pk": what}
    row = _MODELS[kind].objects.filter(**wanted).first() if by_gtin or what.isdecimal() else None
    if row is None:
        raise bad_usage(f"there is no {kind} {what} in the catalogue: write {_FORMS[kind]}")
    return row
