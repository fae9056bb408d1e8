"""Faults on demand: rules say which requests go wrong and how. What a rule may say is in the package's docstring."""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct

from sandbox.deezer import error_answer
from sandbox.wire import Answer, Dialect

Kind = Literal[
    "latency", "status", "deezer_code", "truncated", "malformed", "wrong_type", "reset", "false_404", "nul", "slow"
]
_LISTS = ("items", "data", "releases", "recordings", "tracks")
_MOST_MS = 120_000


class BadRule(ValueError):
    """A rule cannot be used; the text is one line that says why."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of fault and the requests that it befalls."""

    kind: Kind
    dialect: Literal["musicbrainz", "deezer", "feed"] | None = None
    path: str = ""
    share: float = 1.0
    every: int = 1
    count: int | None = None
    ms: int = 0
    status: Literal[429, 500, 502, 503] = 503
    retry_after: int | None = None
    code: int = 4
    bytes_per_second: int = 100

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from None
        if not 0 <= self.share <= 1:
            raise ValueError("share must be between 0 and 1")
        if self.every < 1 or self.bytes_per_second < 1 or not 0 <= self.ms <= _MOST_MS:
            raise ValueError(f"every and bytes_per_second must be 1 or more, ms between 0 and {_MOST_MS}")


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
            answer = dialect.failure(rule.status)
            retry = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
            return Answer(answer.status, answer.body, {**answer.headers, **retry})
        case "deezer_code":
            return error_answer(rule.code)
        case "false_404":
            return dialect.not_found()
        case _:
            return None


def spoil(rule: Rule, answer: Answer) -> Answer:
    """Return the answer with its body damaged as the rule says; one without a body stays as it is."""
    damage = _DAMAGES.get(rule.kind)
    if damage is None or answer.status != HTTPStatus.OK:
        return answer
    return Answer(200, damage(answer.body), {k: v for k, v in answer.headers.items() if k != "ETag"})


def _malformed(body: bytes) -> bytes:
    return body[:-1] + b",}" + body[-1:]


def _wrong_type(body: bytes) -> bytes:
    return _change_title(body, lambda title: {"unexpected": title})


def _nul(body: bytes) -> bytes:
    return _change_title(body, lambda title: f"{title}\x00\ud800")


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {"malformed": _malformed, "wrong_type": _wrong_type, "nul": _nul}


def _change_title(body: bytes, change: Callable[[str], Any]) -> bytes:
    """Change the title, or else the name, of the middle item of the first list, or of the document itself."""
    document = json.loads(body)
    items = next((document[name] for name in _LISTS if isinstance(document.get(name), list) and document[name]), None)
    item = items[len(items) // 2] if items else document
    field = "title" if "title" in item else "name"
    if field in item:
        item[field] = change(item[field])
    return json.dumps(document).encode()
