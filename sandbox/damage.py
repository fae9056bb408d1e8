"""Bodies as no client expects them: what a fault makes of the right one. Pure: bytes and a field's name to bytes."""

import json
from collections.abc import Callable
from typing import Any

_LISTS = ("items", "data", "releases", "recordings", "tracks", "results")
_DEPTH = 10_000
_PLACEHOLDER = "to be replaced"
_PAGE_FOR_PEOPLE = (
    b"<!DOCTYPE html>\n<html><head><title>Be right back</title></head><body>Be right back</body></html>\n"
)

Document = dict[str, Any]


def _malformed(body: bytes, _field: str) -> bytes:
    return body[:-1] + b",}" + body[-1:]


def _half(body: bytes, _field: str) -> bytes:
    return body[: len(body) // 2]


def _empty(_body: bytes, _field: str) -> bytes:
    return b""


def _html(_body: bytes, _field: str) -> bytes:
    return _PAGE_FOR_PEOPLE


def _wrong_type(body: bytes, _field: str) -> bytes:
    return _with_title(body, lambda title: {"unexpected": title})


def _nul(body: bytes, _field: str) -> bytes:
    return _with_title(body, lambda title: f"{title}\x00\ud800")


def _nan(body: bytes, _field: str) -> bytes:
    return _with_title(body, lambda _title: float("nan"))


def _deep(body: bytes, _field: str) -> bytes:
    lists = b"[" * _DEPTH + b"]" * _DEPTH
    return _with_title(body, lambda _title: _PLACEHOLDER).replace(f'"{_PLACEHOLDER}"'.encode(), lists)


def _duplicate_key(body: bytes, _field: str) -> bytes:
    document = json.loads(body)
    item, name = _titled(document)
    if name:
        item[_PLACEHOLDER] = f"not {item[name]}"
    return json.dumps(document).replace(_PLACEHOLDER, name).encode()


def _blank(body: bytes, field: str) -> bytes:
    return _with_all(
        body, field, lambda value: "" if isinstance(value, str) else [] if isinstance(value, list) else None
    )


def _reformat(body: bytes, field: str) -> bytes:
    return _with_all(body, field, lambda value: f"urn:{value}" if isinstance(value, str | int) else value)


DAMAGES: dict[str, Callable[[bytes, str], bytes]] = {
    "malformed": _malformed,
    "half": _half,
    "empty": _empty,
    "html": _html,
    "wrong_type": _wrong_type,
    "nul": _nul,
    "nan": _nan,
    "deep": _deep,
    "duplicate_key": _duplicate_key,
    "blank": _blank,
    "reformat": _reformat,
}
"""By the kind of fault. The second argument is the field that a rule names, for those that are about one."""


def _with_title(body: bytes, change: Callable[[str], Any]) -> bytes:
    document = json.loads(body)
    item, name = _titled(document)
    if name:
        item[name] = change(item[name])
    return json.dumps(document).encode()


def _titled(document: Document) -> tuple[Document, str]:
    """Return the middle item of the first list, or the document itself, and what its title is called, if it has one."""
    items = next((document[name] for name in _LISTS if isinstance(document.get(name), list) and document[name]), None)
    item = items[len(items) // 2] if items else document
    return item, next((name for name in ("title", "name") if name in item), "")


def _with_all(body: bytes, field: str, change: Callable[[Any], Any]) -> bytes:
    """Change every value of this name, at any depth."""

    def changed(members: list[tuple[str, Any]]) -> Document:
        return {name: change(value) if name == field else value for name, value in members}

    return json.dumps(json.loads(body, object_pairs_hook=changed)).encode()
