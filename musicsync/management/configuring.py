"""Providers and their budgets as the command line sets them up: what is not named stays as it is."""

import json
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from musicsync.management.base import bad_usage, positive
from musicsync.models import Budget, Provider
from musicsync.providers import registry
from musicsync.providers.base import MOST_NESTED, BadOptions, check_options
from musicsync.sync import checks
from musicsync.words import counted

_LIMITS = ("rate", "burst", "per_day", "per_month", "concurrency")
_FIELDS = ("base_url", "token_url", "trust", "allow_private", "allowed_hosts", "options")
_CHECKS = ("check_after_least", "check_after_most", "checks_per_run")
_UNLIMITED = "none"


def add_options(action: ArgumentParser) -> None:
    """Name the options by which an action sets what a provider is told, beside its name and adapter."""
    action.add_argument("--base-url", help="where it is; '' or at first: the adapter's own")
    action.add_argument("--token-url", help="where a token is asked for; '' or at first: the adapter's own")
    action.add_argument("--trust", type=positive(int), help="rank, 1 is most trusted; at first 100")
    # SUPPRESS: a limit that is not named is told from one that is taken away.
    budget = action.add_argument_group("budget", "shared by all providers that use it", argument_default=SUPPRESS)
    budget.add_argument("--budget", metavar="NAME", help="that of another provider, or SLUG: one of its own")
    budget.add_argument("--rate", type=positive(float), help="requests per second; at first the adapter's")
    budget.add_argument("--burst", type=positive(int), help="requests at once; at first the adapter's")
    for option, text in {
        "--per-day": "requests in a day (UTC)",
        "--per-month": "requests in a month (UTC)",
        "--concurrency": "requests under way at the same time",
    }.items():
        budget.add_argument(option, type=_whole_or_none, metavar=f"N|{_UNLIMITED}", help=text)
    checks = action.add_argument_group(
        "checks", "when incremental runs ask again for what is known", argument_default=SUPPRESS
    )
    checks.add_argument("--check-after-least", type=positive(float), metavar="DAYS", help="at the soonest; at first 1")
    checks.add_argument("--check-after-most", type=positive(float), metavar="DAYS", help="at the latest; at first 60")
    checks.add_argument(
        "--checks-per-run",
        type=_whole_or_none,
        metavar=f"N|{_UNLIMITED}",
        help=f"how many in one run at most; {_UNLIMITED}: what the budget takes in an hour",
    )
    action.add_argument(
        "--options",
        type=_document,
        metavar="FILE|-",
        help="what an adapter such as json-feed is told besides, as JSON; - reads the standard input",
    )
    places = action.add_argument_group("network")
    places.add_argument(
        "--allow-private",
        action=BooleanOptionalAction,
        default=None,
        help="whether it may be on this machine or in a private network (default: no)",
    )
    places.add_argument(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        metavar="HOST",
        help="another host that its redirects may lead to, without the credential; repeatable; '' for none",
    )


@transaction.atomic
def create(options: Mapping[str, Any]) -> Provider:
    """Write a provider, and a budget of its name where it is to share none and there is none yet.

    Raises:
        CommandError: there is a provider of this name, no budget of the other name, or a value is none that can be.
    """
    adapter, slug = registry.get(options["adapter"]), options["provider"]
    if Provider.objects.filter(slug=slug).exists():
        raise bad_usage(f"there is a provider {slug} already: choose another name, or change it with `provider set`")
    provider = Provider(slug=slug, adapter=adapter.name, base_url=adapter.base_url)
    provider.budget = _budget_named(options.get("budget", slug), provider)
    _take(provider, options)
    _save_budget(provider.budget, options)
    provider.save()
    return provider


@transaction.atomic
def change(provider: Provider, options: Mapping[str, Any]) -> None:
    """Give a provider and its budget what is named.

    Raises:
        CommandError: there is no budget of this name, or a value is none that can be.
    """
    if "budget" in options:
        provider.budget = _budget_named(options["budget"], provider)
    options_before = provider.options
    _take(provider, options)
    _save_budget(provider.budget, options)
    provider.save(update_fields=["budget", *_FIELDS, *_CHECKS])
    checks.forget_if_edited(provider, options_before)


def budget_line(provider: Provider) -> str:
    """Return what the provider's budget allows, and which others share it."""
    others = provider.budget.providers.exclude(pk=provider.pk).order_by("slug").values_list("slug", flat=True)
    return f"budget {provider.budget}" + (f"; shared with {', '.join(others)}" if others else "")


def checks_line(provider: Provider) -> str:
    """Return when incremental runs ask again for what is known, and for how many pages."""
    least, most = provider.check_after_least, provider.check_after_most
    return (
        f"provider {provider} is asked again for what is known after {least:g} to {most:g} days, "
        f"{counted(provider.most_checks, 'page')} in a run at most"
    )


def _budget_named(name: str, provider: Provider) -> Budget:
    """Return the budget, a new one if it is to be the provider's own; not saved yet."""
    found = Budget.objects.filter(name=name).first()
    if found:
        return found
    if name != provider.slug:
        known = ", ".join(Budget.objects.order_by("name").values_list("name", flat=True))
        raise bad_usage(f"--budget: there is no budget {name!r}; the known ones are: {known or 'none yet'}")
    adapter = registry.get(provider.adapter)
    return Budget(name=name, rate=adapter.rate, burst=adapter.burst, per_month=adapter.per_month)


def _take(provider: Provider, options: Mapping[str, Any]) -> None:
    for name in _named(options):
        setattr(provider.budget, name, options[name])
    for name in _CHECKS:
        setattr(provider, name, options.get(name, getattr(provider, name)))
    for name in _FIELDS:
        if options[name] is not None:
            setattr(provider, name, options[name])
    provider.base_url = provider.base_url or registry.get(provider.adapter).base_url
    provider.allowed_hosts = [host for host in provider.allowed_hosts if host]
    with _telling():
        provider.budget.full_clean(exclude=["name"], validate_unique=False)
        # What it is called and which adapter it has are chosen once, when it is added.
        provider.full_clean(exclude=["budget"] if provider.pk is None else ["budget", "slug", "adapter"])


def _save_budget(budget: Budget, options: Mapping[str, Any]) -> None:
    """Save of a budget that is in use what is named alone: workers count on in it meanwhile."""
    budget.save(update_fields=_named(options) if budget.pk else None)


def _named(options: Mapping[str, Any]) -> list[str]:
    return [name for name in _LIMITS if name in options]


def _whole_or_none(text: str) -> int | float | None:
    return None if text == _UNLIMITED else positive(int)(text)


def _document(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        options = json.loads(text)
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"{name} cannot be read as JSON: {error}") from error
    except RecursionError as error:
        raise ArgumentTypeError(f"{name} is nested deeper than {MOST_NESTED} levels") from error
    try:
        check_options(options)
    except BadOptions as error:
        raise ArgumentTypeError(f"{name}: {error}") from error
    return options


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what the models refuse into one line that names the options."""
    try:
        yield
    except ValidationError as error:
        names = {"slug": "SLUG", "allowed_hosts": "--allowed-host"}
        complaints = (
            f"{names.get(field, '--' + field.replace('_', '-'))}: {' '.join(messages)}"
            for field, messages in error.message_dict.items()
        )
        raise bad_usage("; ".join(complaints)) from error
