"""The scopes that a command line or its standard input names."""

from collections.abc import Sequence
from typing import TextIO

import msgspec

from musicsync.management.base import bad_usage
from musicsync.models import Provider
from musicsync.providers import registry
from musicsync.sync.following import Named, lines_of, scope_of

_STANDARD_INPUT = "-"


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
    adapter = registry.adapter_of(provider)
    return list(dict.fromkeys(scope_of(adapter, text) for text in named))


def _lines(text: str) -> list[str]:
    if text.lstrip().startswith("{"):
        return _members(text)
    return [line for _, line in lines_of(text)]


def _members(text: str) -> list[str]:
    try:
        document = msgspec.json.decode(text, type=dict[str, list[str]])
    except msgspec.MsgspecError as error:
        raise bad_usage(f'the standard input is no JSON such as {{"artist": ["27", "13"]}}: {error}') from error
    return [f"{kind}:{key}" for kind, keys in document.items() for key in keys]
