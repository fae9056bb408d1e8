"""Following and unfollowing scopes, by the thousand."""

from collections.abc import Iterable, Sequence
from typing import TextIO, TypeVar

import msgspec
from django.db import transaction

from musicsync.management.base import bad_usage, scope_of
from musicsync.models import Provider, Scope

_CHUNK = 5000
_STANDARD_INPUT = "-"

Item = TypeVar("Item")
Named = tuple[str, str]
"""Kind and canonical key of a scope."""


def read(provider: Provider, texts: Sequence[str], standard_input: TextIO) -> list[Named]:
    """Return the scopes that are named, each once; ``-`` stands for those on the standard input.

    There they stand one a line (empty lines and lines that begin with # count as nothing), or all together as JSON
    such as ``{"artist": ["27", "13"]}``.

    Raises:
        BadScope: one of them cannot be followed; none is, then.
    """
    named: list[str] = []
    for text in texts:
        named += _lines(standard_input.read()) if text == _STANDARD_INPUT else [text]
    if not named:
        raise bad_usage("no scopes: the standard input names none")
    return list(dict.fromkeys(scope_of(provider, text) for text in named))


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


def _lines(text: str) -> list[str]:
    if text.lstrip().startswith("{"):
        return _members(text)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _members(text: str) -> list[str]:
    try:
        document = msgspec.json.decode(text, type=dict[str, list[str]])
    except msgspec.MsgspecError as error:
        raise bad_usage(f'the standard input is no JSON such as {{"artist": ["27", "13"]}}: {error}') from error
    return [f"{kind}:{key}" for kind, keys in document.items() for key in keys]


def _chunks(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
