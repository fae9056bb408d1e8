"""``manage.py provider add|set|list|test|follow|unfollow|enable|disable|accept-drift``: the configured providers.

``manage.py provider credential|rotate-keys|new-key``: their credentials, as they are kept.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from musicsync.management import configuring, keeping, listing, naming
from musicsync.management.base import MusicsyncCommand, provider_named
from musicsync.models import Provider
from musicsync.providers import registry, sample
from musicsync.records import KINDS, MusicsyncError, ProviderError
from musicsync.sync import budget, drift, following
from musicsync.sync.asking import ask_once, check_ready
from musicsync.words import counted


class Command(MusicsyncCommand):
    """Configure providers."""

    help = (
        "Add, change, list, test, follow, unfollow, enable or disable providers, or accept that their answers changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the actions and their options."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        add = actions.add_parser("add", help="configure a provider")
        add.add_argument("provider", metavar="SLUG", help="a name of your choice: letters, digits, - and _")
        add.add_argument("--adapter", required=True, help=f"its dialect: {', '.join(registry.ADAPTERS)}")
        changed = actions.add_parser("set", help="change where it is and may be, its rank, budget, checks and options")
        changed.add_argument("provider", metavar="SLUG")
        for action in (add, changed):
            configuring.add_options(action)
        listed = actions.add_parser("list", help="list the providers")
        listed.add_argument("--json", action="store_true", help="as JSON")
        for name, text in {
            "test": "send one request and show the first of what came back",
            "follow": "follow scopes in every run",
            "unfollow": "follow scopes no more; what is known stays",
            "enable": "let schedules start runs",
            "disable": "let schedules start no runs",
            "accept-drift": "take its answers as they are now, where pages are held because they look different",
        }.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("provider", metavar="SLUG")
            if name in ("follow", "unfollow"):
                scopes = "such as artist:27, or feed; - reads them from the standard input, one a line or as JSON"
                action.add_argument("scopes", nargs="+", metavar="KIND:KEY", help=scopes)

        keeping.add_actions(actions)

    def act(self, options: Mapping[str, Any]) -> None:
        """Do what the action says."""
        if options["action"] in keeping.ACTIONS:
            keeping.ACTIONS[options["action"]](options, self.say)
        elif options["action"] == "add":
            self._add(options)
        elif options["action"] == "set":
            self._set(provider_named(options["provider"]), options)
        elif options["action"] == "list":
            self._list(as_json=options["json"])
        elif options["action"] == "test":
            self._test(provider_named(options["provider"]))
        elif options["action"] in ("enable", "disable"):
            self._enable(provider_named(options["provider"]), enabled=options["action"] == "enable")
        elif options["action"] == "accept-drift":
            self._accept_drift(provider_named(options["provider"]))
        else:
            self._follow(provider_named(options["provider"]), options["scopes"], active=options["action"] == "follow")

    def _add(self, options: Mapping[str, Any]) -> None:
        provider = configuring.create(options)
        adapter = registry.adapter_of(provider)
        self.say(f"provider {provider} added: {adapter.label} at {provider.base_url}")
        self.say(configuring.budget_line(provider))
        self._say_what_it_needs(provider, "its first run")
        kinds = ", ".join(adapter.scope_kinds)
        self.say(f"next: `manage.py provider follow {provider} KIND:KEY`, where KIND is one of: {kinds}")

    def _set(self, provider: Provider, options: Mapping[str, Any]) -> None:
        configuring.change(provider, options)
        self.say(f"provider {provider} is asked at {provider.base_url}; trust rank {provider.trust}")
        self.say(configuring.budget_line(provider))
        self.say(configuring.checks_line(provider))
        private = "may" if provider.allow_private else "may not"
        hosts = ", ".join(provider.allowed_hosts) or "none"
        self.say(f"provider {provider} {private} be in a private network; other hosts it may lead to: {hosts}")
        self._say_what_it_needs(provider, "its next run")

    def _say_what_it_needs(self, provider: Provider, before: str) -> None:
        try:
            check_ready(provider, registry.adapter_of(provider))
        except MusicsyncError as error:
            self.say(f"before {before}: {error}")

    def _list(self, *, as_json: bool) -> None:
        facts = listing.facts()
        if as_json:
            self.say_json(facts)
        else:
            self.say_table(listing.COLUMNS, [listing.row(fact) for fact in facts])

    def _test(self, provider: Provider) -> None:
        try:
            answer = ask_once(provider)
        except (budget.NotNow, ProviderError) as error:
            raise CommandError(f"{provider}: {type(error).__name__}: {error}") from error
        page, response = answer.page, answer.response
        found = ", ".join(counted(sum(record.kind == kind for record in page.records), kind) for kind in KINDS)
        self.say(
            f"{provider}: GET /{answer.request.key}: {response.status} in {answer.seconds:.2f} s, "
            f"{counted(len(response.body), 'byte')}: {found}, {len(page.rejected)} rejected"
        )
        if page.records:
            self.say_table(sample.RECORDS, sample.records(page))
        if page.rejected:
            self.say_table(sample.REJECTED, sample.rejected(page))
        self.say(sample.leads_to(page))

    def _enable(self, provider: Provider, *, enabled: bool) -> None:
        provider.enabled = enabled
        provider.save(update_fields=["enabled"])
        self.say(
            f"provider {provider} is {'enabled' if enabled else 'disabled'}: schedules start "
            f"{'its runs' if enabled else 'no runs of it'}"
        )

    def _accept_drift(self, provider: Provider) -> None:
        forms = drift.accept(provider)
        self.say(
            f"provider {provider}: what its answers held until now is forgotten "
            f"({counted(forms, 'form of request', 'forms of request')}); next: "
            f"`manage.py fetches replay --provider {provider} --error '{drift.HELD}'`"
        )

    def _follow(self, provider: Provider, texts: list[str], *, active: bool) -> None:
        wanted = naming.read(provider, texts, sys.stdin)
        changed = following.follow(provider, wanted) if active else following.unfollow(provider, wanted)
        as_before = len(wanted) - changed
        done, state = ("follows", "followed already") if active else ("unfollows", "not followed")
        tail = f"; {counted(as_before, 'was', 'were')} {state}" if as_before else ""
        self.say(f"provider {provider} now {done} {counted(changed, 'scope')}{tail}")
