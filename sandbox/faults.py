"""Faults on demand: rules say which requests go wrong and how. What a rule may say is in the package's docstring."""

import re
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct

from sandbox.damage import DAMAGES
from sandbox.deezer import error_answer
from sandbox.wire import Answer, Dialect

Instead = Literal["status", "shed", "deezer_code", "false_404", "headers"]
Body = Literal[
    "malformed", "half", "empty", "html", "wrong_type", "nul", "nan", "duplicate_key", "deep", "blank", "reformat"
]
Way = Literal["latency", "hang", "slow", "slow_headers", "truncated", "reset", "huge", "endless", "gzip_bomb"]
Kind = Literal[Instead, Body, Way]

_OF_A_FIELD = ("blank", "reformat")
_MOST_MS = 120_000


class BadRule(ValueError):
    """A rule cannot be used; the text is one line that says why."""


DialectName = Literal["musicbrainz", "deezer", "feed", "spotify", "tidal", "discogs", "itunes", "jamendo", "lastfm"]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of fault and the requests that it befalls."""

    kind: Kind
    dialect: DialectName | None = None
    path: str = ""
    share: float = 1.0
    every: int = 1
    count: int | None = None
    ms: int = 0
    status: Literal[401, 403, 404, 429, 500, 502, 503, 504] = 503
    retry_after: int | str | None = None
    retry_in: int | None = None
    headers: dict[str, str] = {}
    code: int = 4
    field: str = ""
    bytes_per_second: int = 100
    at: Literal["request", "headers", "body"] = "request"
    size: int = 10**10

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from None
        if not 0 <= self.share <= 1:
            raise ValueError("share must be between 0 and 1")
        if min(self.every, self.bytes_per_second, self.size) < 1 or not 0 <= self.ms <= _MOST_MS:
            raise ValueError(f"every, bytes_per_second and size must be 1 or more, ms between 0 and {_MOST_MS}")
        if self.kind in _OF_A_FIELD and not self.field:
            raise ValueError(f"{self.kind} must name a field")


def read_rules(body: bytes) -> list[Rule]:
    """Return the rules of a JSON list.

    Raises:
        BadRule: it is no such list, or a rule has an unknown kind, field or value.
    """
    try:
        return msgspec.json.decode(body, type=list[Rule])
    except msgspec.DecodeError as error:
        raise BadRule(f"fault rules: {error}") from None


class Faults:
    """The rules in force. A request suffers from the first rule that chooses it."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._seen: list[int] = []
        self._hits: list[int] = []

    def set(self, rules: list[Rule]) -> None:
        """Put these rules in the place of all others, with counters at zero."""
        self._rules, self._seen, self._hits = rules, [0] * len(rules), [0] * len(rules)

    def describe(self) -> list[dict[str, Any]]:
        """Return the rules with how often each has acted."""
        return [{**msgspec.to_builtins(rule), "hits": hits} for rule, hits in zip(self._rules, self._hits, strict=True)]

    def choose(self, dialect: str, path: str) -> Rule | None:
        """Return the rule that befalls this request, if any, and count it."""
        for place, rule in enumerate(self._rules):
            if rule.dialect in (None, dialect) and re.search(rule.path, path):
                self._seen[place] += 1
                if self._is_chosen(rule, self._seen[place]) and (rule.count is None or self._hits[place] < rule.count):
                    self._hits[place] += 1
                    return rule
        return None

    @staticmethod
    def _is_chosen(rule: Rule, turn: int) -> bool:
        return turn % rule.every == 0 and int(turn * rule.share) > int((turn - 1) * rule.share)


def answer_instead(rule: Rule, dialect: Dialect) -> Answer | None:
    """Return the answer of a rule that keeps the question from the dialect, ``None`` for other kinds."""
    match rule.kind:
        case "status":
            return _with_headers(dialect.failure(rule.status), _retry_after(rule) | rule.headers)
        case "shed":
            return _with_headers(dialect.failure(503), {"X-RateLimit-Who": "search-shed", "Retry-After": "0"})
        case "deezer_code":
            return error_answer(rule.code)
        case "false_404":
            return dialect.not_found()
        case _:
            return None


def spoil(rule: Rule, answer: Answer) -> Answer:
    """Return the answer with its body damaged as the rule says; one without a body stays as it is."""
    damage = DAMAGES.get(rule.kind)
    if damage is None or answer.status != HTTPStatus.OK:
        return _with_headers(answer, rule.headers)
    return Answer(200, damage(answer.body, rule.field), {k: v for k, v in answer.headers.items() if k != "ETag"})


def _retry_after(rule: Rule) -> dict[str, str]:
    if rule.retry_in is not None:
        return {"Retry-After": formatdate(time.time() + rule.retry_in, usegmt=True)}
    return {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}


def _with_headers(answer: Answer, headers: dict[str, str]) -> Answer:
    return Answer(answer.status, answer.body, {**answer.headers, **headers})
