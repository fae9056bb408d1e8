"""Provider JSON decoded into typed structs, where one wrong item does not cost its page.

A body is brought into its form whole: that is the fast path. Only when that fails is it gone over item by item, and
the items that have not the form of one are taken out with their path and reason.

JSON leaves open what a key means that an object states twice, and decoders silently take one of the two. So each body
is looked through for such keys, and an object that has one is taken for no object at all.

What is not JSON (an empty body, a page of HTML from a proxy, half an answer) may be whole when asked again. JSON of
another form stays what it is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from musicsync.identifiers import clean_text, normalise_date, normalise_gtin, normalise_isrc
from musicsync.providers.base import one_line
from musicsync.records import Permanent, RejectedItem, Transient
from musicsync.redaction import redacted
from musicsync.words import counted

T = TypeVar("T")

_EXCERPT = 300
_START = 80
_JSON = msgspec.json.Encoder()
_MOST_DIGITS = 300
_TWICE = "states a key twice"
_AMBIGUOUS = f"an object that {_TWICE}: "
_VISIBLE = r"[^\s\x00\ud800-\udfff]"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
_ASCII = r"^[!-~]+\Z"
_DIGITS = r"^[0-9]{0,9}\Z"
_KEY = r"^[1-9][0-9]{0,17}\Z"
_WORDS = {
    f"`str` matching regex {pattern!r}": words
    for pattern, words in (
        (_VISIBLE, "a text"),
        (_UUID, "a UUID"),
        (_ASCII, "visible ASCII characters"),
        (_DIGITS, "digits"),
        (_KEY, "digits"),
    )
}

LARGEST = 2**31 - 1
"""The largest number that the catalogue's integer columns hold."""
Text = Annotated[str, Meta(pattern=_VISIBLE)]
"""Text in which something can be seen once ``clean_text`` has been over it."""
Uuid = Annotated[str, Meta(pattern=_UUID)]
Token = Annotated[str, Meta(pattern=_ASCII)]
"""A text that goes back to the provider as it came, such as a cursor."""
Number = Annotated[int, Meta(ge=0, le=LARGEST)]
"""A count, a place or a duration."""
Whole = Number | Annotated[str, Meta(pattern=_DIGITS)]
"""A ``Number`` of a provider that also writes it as text, empty for none; ``whole`` reads it."""
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Key = Id | Annotated[str, Meta(pattern=_KEY)]
"""An ``Id`` of a provider that also writes it as text."""


class Each(Struct, frozen=True):
    """The form that each item of a list has, and the lists within an item that are read item by item too.

    A list that stands within objects is named by its whole way: "album.tracks.track".
    """

    form: Any
    within: Mapping[str, "Each"] = {}


Lists = Mapping[str, Each]


def decode(body: bytes, form: type[T], lists: Lists | None = None) -> tuple[T, list[RejectedItem]]:
    """Return the body in its form, and what had to be taken out of the named lists for that.

    Raises:
        Transient: the body is not JSON, as when it was cut off.
        Permanent: it is JSON of another form.
    """
    data = load(body)
    try:
        return msgspec.convert(data, form), []
    except msgspec.ValidationError:
        return shape(data, form, lists)


def try_decode(body: bytes, form: type[T]) -> T | None:
    """Return the body of an error in its form, ``None`` where it has another: what it says helps, and is no must."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def load(body: bytes) -> Any:
    """Return the body as plain lists, dicts and values, for a provider whose answers are told apart by looking.

    An object that states a key twice comes out as something that no form takes.

    Raises:
        Transient: the body is not JSON, as when it was cut off.
        Permanent: it is nested too deeply, or is as a whole an object that states a key twice.
    """
    try:
        data = msgspec.json.decode(body)
        is_sound = _states_each_key_once(body, data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        is_sound = False
    return data if is_sound else _load_leniently(body)


def _load_leniently(body: bytes) -> Any:
    # The standard library reads what msgspec refuses in a whole page for the sake of one item: NaN, lone surrogates and
    # numbers of any length. The way there and back leaves the surrogates out, which no later step could take.
    try:
        data = json.loads(body, object_pairs_hook=_object, parse_int=_number)
        if _is_ambiguous(data):
            raise Permanent(one_line(f"the answer {_TWICE}: {data[0][0]}"))
        return json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "ignore"), parse_int=_number)
    except RecursionError:
        raise Permanent("the answer is nested too deeply to be one of this provider") from None
    except ValueError as error:
        raise _no_json(body, error) from error


def _no_json(body: bytes, error: ValueError) -> Transient:
    if not (start := one_line(body[:_START].decode("utf-8", "replace"))):
        return Transient("the answer is empty")
    return Transient(
        f"the answer is not JSON, or was cut off after {counted(len(body), 'byte')}: {error}; it begins with {start}"
    )


def _number(digits: str) -> int | float:
    # Numbers that Python takes too long to read are none of a provider's: they end as infinity.
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    stated = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_text(value)}" for name, value in pairs)
    # No form has a list in a list, so whatever is expected here, this is not taken for it.
    return [[f"{_AMBIGUOUS}{{{stated}}}"[:_EXCERPT]]]


def _is_ambiguous(node: Any) -> bool:
    match node:
        case [[str(text)]]:
            return text.startswith(_AMBIGUOUS)
    return False


def _states_each_key_once(body: bytes, data: Any) -> bool:
    """Tell whether none of the body's objects states a key twice; ``data`` is what was read of it.

    A key that is stated twice is read once. So it shows in the number of texts, which keys are too, before and after.
    """
    written = _JSON.encode(data)
    # Many a body has no white space, and comes out as it came.
    return written == body or _count_quotes(written) == _count_quotes(body)


def _count_quotes(body: bytes) -> int:
    """Return how many quotes of a JSON begin or end a text: all but those within one, where a backslash is before."""
    if b"\\" not in body:
        return body.count(b'"')
    bare = body.replace(b"\\\\", b"")
    return bare.count(b'"') - bare.count(b'\\"')


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
        raise Permanent(f"the answer is not of a form that this adapter knows: {in_words(str(error), data)}") from error


def _take_out_wrong_items(node: Any, lists: Lists, path: str, rejected: list[RejectedItem]) -> None:
    for name, each in lists.items():
        *way, last = name.split(".")
        holder = within(node, way)
        items = holder.get(last)
        if not isinstance(items, list):
            continue
        sound = []
        for index, item in enumerate(items):
            place = f"{path}.{name}[{index}]"
            _take_out_wrong_items(item, each.within, place, rejected)
            try:
                msgspec.convert(item, each.form)
            except msgspec.ValidationError as error:
                rejected.append(RejectedItem(path=place, reason=in_words(str(error), item), excerpt=excerpt(item)))
            else:
                sound.append(item)
        holder[last] = sound


def within(node: Any, way: Iterable[str]) -> dict[str, Any]:
    """Return the object that the way leads to; one that nothing is kept of where there is none."""
    for name in way:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def in_words(reason: str, item: object) -> str:
    """Return in words that people read why an item is none, by the reason that its decoding gave."""
    if _is_ambiguous(item):
        return _TWICE
    for pattern, words in _WORDS.items():
        reason = reason.replace(pattern, words)
    return clean_text(f"{reason}; an object in it {_TWICE}" if _AMBIGUOUS in _text(item) else reason)


def excerpt(item: object) -> str:
    """Return the start of an item as JSON, fit to be stored: at most 300 characters."""
    return clean_text(redacted(_text(item))[:_EXCERPT])


def _text(item: object) -> str:
    try:
        return redacted(json.dumps(item, ensure_ascii=False))
    except RecursionError:
        return "(nested too deeply to be shown)"


def optional_text(text: str | UnsetType | None) -> str | UnsetType | None:
    """Return the text cleaned; ``None`` for none or an empty one; unset stays unset."""
    return clean_text(text) or None if isinstance(text, str) else text


def optional_lower(text: str | UnsetType | None) -> str | UnsetType | None:
    """Return a word of a provider's, such as the type of a release, cleaned and in lower case; unset stays unset."""
    cleaned = optional_text(text)
    return cleaned.lower() if isinstance(cleaned, str) else cleaned


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
    said: UnsetType | None = UNSET
    for value in given:
        if value:
            return value * unit
        if not isinstance(value, UnsetType):
            said = None
    return said


def whole(given: int | str | UnsetType | None) -> int | UnsetType | None:
    """Return a ``Whole`` as a number, ``None`` for an empty text; unset stays unset."""
    return (int(given) if given else None) if isinstance(given, str) else given


def code_of(given: int | str | None) -> int | None:
    """Return the code of an error, which may come as text; ``None`` for what is no number of at most nine digits."""
    text = str(given).strip()
    return int(text) if re.fullmatch(_DIGITS, text) and text else None


def optional_isrcs(texts: list[str] | str | UnsetType | None) -> tuple[str, ...] | UnsetType:
    """Return ISRCs normalised where valid, as given otherwise, each once; none for null or empty text."""
    if isinstance(texts, UnsetType):
        return UNSET
    if isinstance(texts, str):
        isrc = normalise_isrc(texts)
        return (isrc,) if isrc else ()
    given = texts or ()
    return tuple(dict.fromkeys(filter(None, map(normalise_isrc, given))))


def territories(countries: list[str] | UnsetType | None) -> tuple[str, ...] | UnsetType | None:
    """Return countries in sorted order, each once: that of the answer says nothing. No list is not an empty one."""
    if isinstance(countries, UnsetType) or countries is None:
        return countries
    return _in_order(",".join(countries))


@lru_cache(maxsize=4096)
def _in_order(countries: str) -> tuple[str, ...]:
    # Nearly all tracks have one of a few lists of 180 countries: sorting each anew would take longer than all the rest.
    return tuple(sorted({clean_text(country) for country in countries.split(",")} - {""}))
