"""Lists that change while they are read: the first of their items comes or goes between two pages.

What a rule may say is in the package's docstring. Whatever reads a list page by page has to get along with that.
"""

import re
from collections import Counter
from typing import Any, Literal

import msgspec
from msgspec import Struct

from sandbox.faults import BadRule, DialectName
from sandbox.wire import Ask

_PAGING = frozenset({"index", "limit", "offset", "page", "per_page", "page[cursor]", "cursor", "include"})
"""What may differ between the questions for two pages of one list."""


class Shift(Struct, frozen=True, forbid_unknown_fields=True):
    """Which lists change, in which way, and after how many of their pages."""

    kind: Literal["insert", "remove"]
    dialect: DialectName | None = None
    path: str = ""
    after: int = 1

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from None


class Shifts:
    """The rules in force, and how many pages of each list were asked for since they are."""

    def __init__(self) -> None:
        self._rules: list[Shift] = []
        self._asked: Counter[tuple[str, ...]] = Counter()

    def set(self, body: bytes) -> None:
        """Put the rules of a JSON list in the place of all others.

        Raises:
            BadRule: it is no such list, or a rule has an unknown kind, field or value.
        """
        try:
            self._rules = msgspec.json.decode(body, type=list[Shift])
        except msgspec.DecodeError as error:
            raise BadRule(f"shift rules: {error}") from None
        self._asked.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Return the rules."""
        return [msgspec.to_builtins(rule) for rule in self._rules]

    def missing(self, dialect: str, ask: Ask) -> int:
        """Return how many of the first items a list does not have when this is asked of it."""
        which = sorted(f"{name}={value}" for name, value in ask.query.items() if name not in _PAGING)
        question = "&".join([ask.path.strip("/"), *which])
        rule = next((r for r in self._rules if r.dialect in (None, dialect) and re.search(r.path, question)), None)
        if rule is None:
            return 0
        self._asked[dialect, question] += 1
        is_past = self._asked[dialect, question] > rule.after
        return int(is_past == (rule.kind == "remove"))
