"""Following and unfollowing scopes, by the thousand."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec
from django.db import transaction

from musicsync.models import Provider, Scope
from musicsync.providers import registry
from musicsync.providers.base import Adapter, BadScope, one_line
from musicsync.records import ScopeKind

_CHUNK = 5000

Item = TypeVar("Item")
Named = tuple[str, str]
"""Kind and canonical key of a scope."""


def scope_of(adapter: Adapter, text: str) -> Named:
    """Return kind and canonical key of a scope written as KIND:KEY, or as KIND alone where it has no key.

    Raises:
        BadScope: the adapter cannot follow this kind, or the key has not the form of one.
    """
    kind, _, key = text.strip().partition(":")
    try:
        return kind, adapter.scope_key(msgspec.convert(kind, ScopeKind), key)
    except msgspec.ValidationError:
        kinds = ", ".join(adapter.scope_kinds)
        raise BadScope(f"{one_line(text, 80)!r} is no scope: write KIND:KEY, where KIND is one of: {kinds}") from None


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines that name something, with their numbers: not those that are empty or begin with #."""
    for number, line in enumerate(text.splitlines(), 1):
        if (said := line.strip()) and not said.startswith("#"):
            yield number, said


def read(provider: Provider, text: str, kind: str = "") -> tuple[list[Named], list[str]]:
    """Return the scopes that a text names, one a line and each once, and what is wrong with its other lines.

    A line is KIND:KEY, or the key alone where the kind is given.
    """
    adapter = registry.adapter_of(provider)
    wanted: dict[Named, None] = {}
    refusals = []
    for number, line in lines_of(text):
        try:
            wanted[scope_of(adapter, f"{kind}:{line}" if kind else line)] = None
        except BadScope as error:
            refusals.append(f"line {number:,}: {error}")
    return list(wanted), refusals


@transaction.atomic
def follow(provider: Provider, wanted: Sequence[Named]) -> int:
    """Let every run follow the scopes; return how many were not followed before."""
    before = provider.scopes.filter(active=True).count()
    for chunk in _chunks(wanted):
        Scope.objects.bulk_create(
            [Scope(provider=provider, kind=kind, key=key) for kind, key in chunk],
            update_conflicts=True,
            unique_fields=["provider", "kind", "key"],
            update_fields=["active"],
        )
    return provider.scopes.filter(active=True).count() - before


@transaction.atomic
def unfollow(provider: Provider, wanted: Sequence[Named]) -> int:
    """Let no run follow the scopes unless asked for them; return how many were followed before."""
    keys: dict[str, list[str]] = {}
    for kind, key in wanted:
        keys.setdefault(kind, []).append(key)
    return sum(
        provider.scopes.filter(kind=kind, key__in=chunk, active=True).update(active=False)
        for kind, of_kind in keys.items()
        for chunk in _chunks(of_kind)
    )


def _chunks(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
