"""Provider JSON decoded into typed structs, where one wrong item does not cost its page.

A body is decoded whole and typed: that is the fast path. Only when that fails is it read again item by item, and the
items that have not the form of one are taken out with their path and reason.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import UNSTORABLE, clean_text, normalise_date, normalise_gtin, normalise_isrc
from musicsync.records import Permanent, RejectedItem, Transient

T = TypeVar("T")

_EXCERPT = 300
_VISIBLE = r"[^\s\x00\ud800-\udfff]"
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_ASCII = r"^[!-~]+$"
_WORDS = {
    f"`str` matching regex {pattern!r}": words
    for pattern, words in ((_VISIBLE, "a text"), (_UUID, "a UUID"), (_ASCII, "visible ASCII characters"))
}

Text = Annotated[str, Meta(pattern=_VISIBLE)]
"""Text in which something can be seen once ``clean_text`` has been over it."""
Uuid = Annotated[str, Meta(pattern=_UUID)]
Token = Annotated[str, Meta(pattern=_ASCII)]
"""A text that goes back to the provider as it came, such as a cursor."""
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""A count, a place or a duration: what the catalogue's integer columns hold."""
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Each(Struct, frozen=True):
    """The form that each item of a list has, and the lists within an item that are read item by item too."""

    form: Any
    within: Mapping[str, "Each"] = {}


Lists = Mapping[str, Each]


def decode(body: bytes, form: type[T], lists: Lists | None = None) -> tuple[T, list[RejectedItem]]:
    """Return the body in its form, and what had to be taken out of the named lists for that.

    Raises:
        Transient: the body is not JSON, as when it was cut off.
        Permanent: it is JSON of another form.
    """
    try:
        return msgspec.json.decode(body, type=form), []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return shape(load(body), form, lists)


def load(body: bytes) -> Any:
    """Return the body as plain lists, dicts and values, for a provider whose answers are told apart by looking.

    Raises:
        Transient: the body is not JSON, as when it was cut off.
        Permanent: it is nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _load_leniently(body)


def _load_leniently(body: bytes) -> Any:
    # The standard library reads what msgspec refuses in a whole page for the sake of one item: NaN and lone surrogates.
    # The way there and back leaves the surrogates out, which no later step could take.
    try:
        return json.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "ignore"))
    except RecursionError:
        raise Permanent("the answer is nested too deeply to be one of this provider") from None
    except ValueError as error:
        raise Transient(f"the answer is not JSON, or was cut off after {len(body)} bytes: {error}") from error


def shape(data: Any, form: Any, lists: Lists | None = None, path: str = "$") -> tuple[Any, list[RejectedItem]]:
    """Return loaded data in its form, and what had to be taken out of the named lists for that.

    ``path`` is where the data stood in the answer.

    Raises:
        Permanent: it is of another form.
    """
    rejected: list[RejectedItem] = []
    _take_out_wrong_items(data, lists or {}, path, rejected)
    try:
        return msgspec.convert(data, form), rejected
    except msgspec.ValidationError as error:
        raise Permanent(f"the answer is not of a form that this adapter knows: {_in_words(error)}") from error


def _take_out_wrong_items(node: Any, lists: Lists, path: str, rejected: list[RejectedItem]) -> None:
    for name, each in lists.items():
        items = node.get(name) if isinstance(node, dict) else None
        if not isinstance(items, list):
            continue
        sound = []
        for index, item in enumerate(items):
            place = f"{path}.{name}[{index}]"
            _take_out_wrong_items(item, each.within, place, rejected)
            try:
                msgspec.convert(item, each.form)
            except msgspec.ValidationError as error:
                rejected.append(RejectedItem(path=place, reason=_in_words(error), excerpt=excerpt(item)))
            else:
                sound.append(item)
        node[name] = sound


def _in_words(error: msgspec.ValidationError) -> str:
    reason = str(error)
    for pattern, words in _WORDS.items():
        reason = reason.replace(pattern, words)
    return clean_text(reason)


def excerpt(item: object) -> str:
    """Return the start of an item as JSON, fit to be stored: at most 300 characters."""
    try:
        text = json.dumps(item, ensure_ascii=False)
    except RecursionError:
        text = "(nested too deeply to be shown)"
    return clean_text(text[:_EXCERPT])


def storable(text: str) -> str:
    """Return a text without what the database refuses, its outer white space kept: a join phrase lives by it."""
    return UNSTORABLE.sub("", text)


def optional_text(text: str | UnsetType | None) -> str | UnsetType | None:
    """Return the text cleaned; ``None`` for none or an empty one; unset stays unset."""
    return clean_text(text) or None if isinstance(text, str) else text


def optional_date(text: str | UnsetType | None) -> str | UnsetType | None:
    """Return a date as ``normalise_date`` gives it; unset stays unset."""
    return normalise_date(text) if isinstance(text, str) else text


def optional_gtin(text: str | UnsetType | None) -> str | UnsetType | None:
    """Return a UPC/EAN normalised where valid, as given otherwise; ``None`` for none or an empty one."""
    return normalise_gtin(text) or None if isinstance(text, str) else text


def duration(*given: int | UnsetType | None, unit: int = 1) -> int | UnsetType | None:
    """Return the first of the durations that is more than nothing, in milliseconds; ``unit`` is how many one of it is.

    ``None`` when those that are given say nothing (providers write null or 0), unset when none is given.
    """
    stated = [value for value in given if not isinstance(value, UnsetType)]
    return next((value * unit for value in stated if value), None) if stated else UNSET


def optional_isrcs(texts: list[str] | str | UnsetType | None) -> tuple[str, ...] | UnsetType:
    """Return ISRCs normalised where valid, as given otherwise, each once; none for null or empty text."""
    if isinstance(texts, UnsetType):
        return UNSET
    given = [texts] if isinstance(texts, str) else texts or []
    return tuple(dict.fromkeys(isrc for isrc in map(normalise_isrc, given) if isrc))
