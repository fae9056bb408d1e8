"""Whether the database can hold what a page says."""

import re
from collections.abc import Iterator

import msgspec

from musicsync.records import Page

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_LARGEST = 2**31 - 1


def unstorable(page: Page) -> list[object]:
    """Return the values of a page that PostgreSQL would refuse, which is none."""
    return [value for value in _values(msgspec.structs.asdict(page)) if _refused(value)]


def _refused(value: object) -> bool:
    if isinstance(value, str):
        return _REFUSED.search(value) is not None
    return isinstance(value, int) and not 0 <= value <= _LARGEST


def _values(node: object) -> Iterator[object]:
    if isinstance(node, msgspec.Struct):
        node = msgspec.structs.asdict(node)
    if isinstance(node, dict):
        for value in node.values():
            yield from _values(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _values(value)
    else:
        yield node
