"""``manage.py provider add|set|list|test|follow|unfollow|enable|disable|accept-drift``: the configured providers.

``manage.py provider credential|rotate-keys|new-key``: their credentials, as they are kept.
"""

import getpass
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Count, Q

from musicsync import credentials
from musicsync.management import following
from musicsync.management.base import MusicsyncCommand, bad_usage, positive, provider_named
from musicsync.models import Budget, Provider, Run
from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.records import KINDS, MusicsyncError, ProviderError
from musicsync.sync import budget, drift
from musicsync.sync.asking import ask_once, client_for

_COLUMNS = ("provider", "adapter", "base_url", "enabled", "trust", "rate", "burst", "follows", "last_run")


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
        add.add_argument("--base-url", help="default: the adapter's")
        add.add_argument("--rate", type=positive(float), help="requests per second; default: the adapter's")
        add.add_argument("--burst", type=positive(int), help="requests at once; default: the adapter's")
        add.add_argument("--trust", type=positive(int), default=100, help="rank, 1 is most trusted (default: 100)")
        changed = actions.add_parser("set", help="change where a provider may be and lead to")
        changed.add_argument("provider", metavar="SLUG")
        for action in (add, changed):
            _add_places(action)
        listed = actions.add_parser("list", help="list the providers")
        listed.add_argument("--json", action="store_true", help="as JSON")
        for name, text in {
            "test": "send one request and say what came back",
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

        credential = actions.add_parser("credential", help="store its credential, read from the standard input")
        credential.add_argument("provider", metavar="SLUG")
        credential.add_argument("--clear", action="store_true", help="forget the one that is stored")
        actions.add_parser("rotate-keys", help="encrypt all stored credentials anew, with the first encryption key")
        actions.add_parser("new-key", help="make a key for MUSICSYNC_ENCRYPTION_KEYS")

    def act(self, options: Mapping[str, Any]) -> None:
        """Do what the action says."""
        if options["action"] in ("credential", "rotate-keys", "new-key"):
            self._keep(options)
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
        adapter = registry.get(options["adapter"])
        try:
            provider = _create(adapter, options)
        except ValidationError as error:
            raise bad_usage("; ".join(_complaints(error))) from error
        self.say(
            f"provider {provider} added: {adapter.label} at {provider.base_url}, {provider.budget.rate:g} requests/s"
        )
        try:
            client_for(provider, adapter)
        except MusicsyncError as error:
            self.say(f"before its first run: {error}")
        kinds = ", ".join(adapter.scope_kinds)
        self.say(f"next: `manage.py provider follow {provider} KIND:KEY`, where KIND is one of: {kinds}")

    def _set(self, provider: Provider, options: Mapping[str, Any]) -> None:
        _take_places(provider, options)
        try:
            provider.clean()
        except ValidationError as error:
            raise bad_usage("; ".join(_complaints(error))) from error
        provider.save(update_fields=["allow_private", "allowed_hosts"])
        private = "may" if provider.allow_private else "may not"
        hosts = ", ".join(provider.allowed_hosts) or "none"
        self.say(f"provider {provider} {private} be in a private network; other hosts it may lead to: {hosts}")

    def _list(self, *, as_json: bool) -> None:
        providers = Provider.objects.select_related("budget").order_by("trust", "slug")
        counted = providers.annotate(follows=Count("scopes", filter=Q(scopes__active=True)))
        facts = [_facts(provider, follows=provider.follows) for provider in counted]
        if as_json:
            self.say_json(facts)
        else:
            self.say_table(_COLUMNS, [[fact[name] for name in _COLUMNS] for fact in facts])

    def _test(self, provider: Provider) -> None:
        try:
            answer = ask_once(provider)
        except (budget.NotNow, ProviderError) as error:
            raise CommandError(f"{provider}: {type(error).__name__}: {error}") from error
        page, response = answer.page, answer.response
        found = ", ".join(f"{sum(record.kind == kind for record in page.records)} {kind}s" for kind in KINDS)
        self.say(
            f"{provider}: GET /{answer.request.key}: {response.status} in {answer.seconds:.2f} s, "
            f"{len(response.body):,} bytes: {found}, {len(page.rejected)} rejected"
        )

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
            f"provider {provider}: what its answers held until now is forgotten ({forms:,} forms of request); "
            f"next: `manage.py fetches replay --provider {provider} --error '{drift.HELD}'`"
        )

    def _keep(self, options: Mapping[str, Any]) -> None:
        if options["action"] == "new-key":
            self.say(credentials.new_key())
        elif options["action"] == "rotate-keys":
            self._rotate_keys()
        elif options["clear"]:
            provider = provider_named(options["provider"])
            credentials.forget(provider)
            self.say(f"provider {provider}: no credential is stored any more{_overriding(provider)}")
        else:
            provider = provider_named(options["provider"])
            credentials.store(provider, _read_credential(provider))
            self.say(f"provider {provider}: the credential is stored, encrypted{_overriding(provider)}")

    def _rotate_keys(self) -> None:
        rotated, unreadable = credentials.rotate()
        self.say(f"stored credentials that are encrypted with the first key now: {rotated:,}")
        if unreadable:
            raise CommandError(
                f"no key reads those of {', '.join(unreadable)}, which are as they were: add the key that they were "
                "encrypted with, or store them anew"
            )

    def _follow(self, provider: Provider, texts: list[str], *, active: bool) -> None:
        wanted = following.read(provider, texts, sys.stdin)
        changed = following.follow(provider, wanted) if active else following.unfollow(provider, wanted)
        as_before = len(wanted) - changed
        done, already = ("follows", "were followed already") if active else ("unfollows", "were not followed")
        tail = f"; {as_before:,} {already}" if as_before else ""
        self.say(f"provider {provider} now {done} {changed:,} scopes{tail}")


@transaction.atomic
def _create(adapter: Adapter, options: Mapping[str, Any]) -> Provider:
    """Write the provider and its budget; one that another provider of this name left behind is used again.

    Raises:
        ValidationError: a value is not one that the models take.
    """
    slug = options["provider"]
    if Provider.objects.filter(slug=slug).exists():
        raise bad_usage(f"there is a provider {slug} already: choose another name, or change it in the admin")
    allowed = Budget.objects.filter(name=slug).first() or Budget(name=slug)
    allowed.rate, allowed.burst = options["rate"] or adapter.rate, options["burst"] or adapter.burst
    provider = Provider(
        slug=slug,
        adapter=adapter.name,
        base_url=options["base_url"] or adapter.base_url,
        trust=options["trust"],
        budget=allowed,
    )
    _take_places(provider, options)
    allowed.full_clean(exclude=["name"], validate_unique=False)
    provider.full_clean(exclude=["budget"])
    allowed.save()
    provider.save()
    return provider


def _read_credential(provider: Provider) -> str:
    """Return what stands in the standard input, or what somebody types there unseen."""
    if sys.stdin.isatty():
        return getpass.getpass(f"credential of {provider} (not shown): ").strip()
    return sys.stdin.read().strip()


def _overriding(provider: Provider) -> str:
    if credentials.source(provider) != "environment":
        return ""
    return f"; {provider.credential_setting} is set in this environment, and wins"


def _add_places(action: ArgumentParser) -> None:
    action.add_argument(
        "--allow-private",
        action=BooleanOptionalAction,
        default=None,
        help="whether it may be on this machine or in a private network (default: no)",
    )
    action.add_argument(
        "--allowed-host",
        action="append",
        metavar="HOST",
        help="another host that its redirects may lead to, without the credential; repeatable; '' for none",
    )


def _take_places(provider: Provider, options: Mapping[str, Any]) -> None:
    if options["allow_private"] is not None:
        provider.allow_private = options["allow_private"]
    if options["allowed_host"] is not None:
        provider.allowed_hosts = [host for host in options["allowed_host"] if host]


def _complaints(error: ValidationError) -> list[str]:
    names = {"slug": "SLUG", "allowed_hosts": "--allowed-host"}
    return [
        f"{names.get(field, '--' + field.replace('_', '-'))}: {' '.join(messages)}"
        for field, messages in error.message_dict.items()
    ]


def _facts(provider: Provider, *, follows: int) -> dict[str, Any]:
    last = Run.objects.filter(provider=provider).order_by("-pk").first()
    return {
        "provider": provider.slug,
        "adapter": provider.adapter,
        "base_url": provider.base_url,
        "enabled": provider.enabled,
        "trust": provider.trust,
        "rate": provider.budget.rate,
        "burst": provider.budget.burst,
        "follows": follows,
        "last_run": f"{last.pk} {last.status}" if last else None,
    }
