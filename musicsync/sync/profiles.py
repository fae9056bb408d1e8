"""What answers of one form hold, and whether they hold far less than before. Pure: records in, numbers and reasons out.

For each kind of record there are two tallies: ``recent``, about the last 40 records, and ``past``, the thousands before
them. A field has collapsed where the past was sure of it and neither this page nor the recent ones have it. What is
natural must pass: an artist of the shellac age has no ISRCs, an editor withdraws those of an album, a label's codes are
invalid. So two things count as evidence, and single records count as little as they prove:

values that are lost
    Records that are known to have had a value come without. That is rare, whoever they are: 20 of them at once, or in
    the pages of late, will do.
values that never came
    New records come without. Those of one artist have much in common, so a page counts as 20 records at most, and they
    must be of three scopes; a page of a feed is a sample of everything, and speaks for itself.

An id that has another form than all ids before is no record's nature: five of them will do.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from musicsync.identifiers import is_gtin, is_isrc
from musicsync.records import ArtistRecord, Kind, Record, ReleaseRecord, Request, TrackRecord

PAST_RECORDS, RECENT_RECORDS = 4000, 40
"""How many records the tallies stand for at most; what came before fades."""
ENOUGH_BEFORE, ENOUGH_NOW = 100, 20
"""How many records there must be to judge by, and to be judged."""
SURE, KNOWN, COLLAPSED = 0.9, 0.3, 0.3
"""Shares of records with a value: in a past that is sure of it, in one that knows it at all, and too few now."""
ENOUGH_SCOPES = 3
ENOUGH_ODD_IDS = 5
ONE_FORM, MIXED_FORMS = 0.99, 0.5
"""Shares of ids of the most frequent form: in a past that has but one, and too few now."""

_MOST_IDS, _MOST_FORMS = 50, 4
_LONG_WORD = 16
_EMPTY: tuple[Any, ...] = (None, UNSET, "", ())
_IDS = ("external_id", "release_id", "recording_id")
_FIELDS: dict[Kind, tuple[str, ...]] = {
    record.kind: tuple(
        field for field in record.__struct_fields__ if field not in ("external_id", "release_id", "name", "title")
    )
    for record in (ArtistRecord, ReleaseRecord, TrackRecord)
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NUMBERED = re.compile(r"[A-Za-z]+[0-9]+", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]+", re.ASCII)


class Tally(Struct, frozen=True):
    """What a number of records of one kind held. Counts are floats: those of long ago count less.

    ``filled`` and ``lost`` are by field, ``forms`` by field and form; ``bare`` are the scopes by whose latest pages a
    field has collapsed.
    """

    seen: float = 0.0
    filled: dict[str, float] = {}
    lost: dict[str, float] = {}
    forms: dict[str, dict[str, float]] = {}
    bare: dict[str, list[int]] = {}

    def share(self, field: str) -> float:
        """Return the share of records that have a value."""
        return self.filled.get(field, 0.0) / self.seen if self.seen else 0.0

    def scaled(self, most: float) -> "Tally":
        """Return it as if it had been taken of ``most`` records, where it was of more."""
        return self if self.seen <= most else self.times(most / self.seen)

    def times(self, factor: float) -> "Tally":
        """Return it with all counts multiplied."""
        return Tally(
            self.seen * factor,
            _times(self.filled, factor),
            _times(self.lost, factor),
            {field: _times(forms, factor) for field, forms in self.forms.items()},
            self.bare,
        )

    def plus(self, other: "Tally") -> "Tally":
        """Return both together."""
        fields = self.forms.keys() | other.forms.keys()
        return Tally(
            self.seen + other.seen,
            _plus(self.filled, other.filled),
            _plus(self.lost, other.lost),
            {field: _plus(self.forms.get(field, {}), other.forms.get(field, {})) for field in fields},
            {
                field: list(dict.fromkeys(self.bare.get(field, []) + other.bare.get(field, [])))[-ENOUGH_SCOPES:]
                for field in self.bare.keys() | other.bare.keys()
            },
        )


class History(Struct, frozen=True):
    """What records of one kind held, of late and before."""

    past: Tally = Tally()
    recent: Tally = Tally()


def shape_of(request: Request, parser_version: int, form: str = "") -> str:
    """Return the form of a request: its path without ids, the names of its parameters, and who reads the answer.

    ``form`` is ``Page.form``, which tells apart what these do not.

    >>> shape_of(Request(path="artist/27/albums", params={"limit": "100", "index": "0"}), 1)
    'artist/*/albums?index&limit v1'
    """
    path = "/".join(_without_id(segment) for segment in request.path.split("/"))
    names = "&".join(sorted(request.params))
    shape = f"{path}?{names}" if names else path
    return f"{shape} {form} v{parser_version}" if form else f"{shape} v{parser_version}"


def measure(kind: Kind, records: Sequence[Record], lost: Mapping[str, float], scope_id: int) -> Tally:
    """Return what the records of a page hold; ``lost`` says how many known ones of them lost a value, by field."""
    columns = dict(
        zip(records[0].__struct_fields__, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True)
    )
    filled = {field: _count_filled(field, columns[field]) for field in _FIELDS[kind]}
    return Tally(
        seen=len(records),
        filled=filled,
        lost=dict(lost),
        forms={field: _forms(columns[field]) for field in _IDS if field in columns},
        bare={field: [scope_id] for field, number in filled.items() if number < COLLAPSED * len(records)},
    )


def count_lost(kind: Kind, pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, float]:
    """Return for each field how many records had a value before and have none now, of pairs of their stored fields."""
    lost: Counter[str] = Counter()
    for before, now in pairs:
        lost.update(
            field
            for field, value in before.items()
            if field in _FIELDS[kind] and _is_filled(field, value) and not _is_filled(field, now.get(field))
        )
    return {field: float(number) for field, number in lost.items()}


def collapses(kind: Kind, history: History, page: Tally, *, sample: bool) -> list[str]:
    """Return why the page is not to be believed, a reason for each field; none where all is well.

    ``sample`` says that the page is a sample of all that the provider has, not of one artist or release.
    """
    past = history.past
    reasons = [
        f"{field} filled in {page.filled[field]:.0f} of {page.seen:.0f} {kind}s, {past.share(field):.0%} before"
        for field in page.bare
        if past.seen >= ENOUGH_BEFORE
        and (_is_lost(field, history, page) or _never_comes(field, history, page, sample=sample))
    ]
    reasons += [
        f"{field} of {kind}s is of the form {now}, {before} before"
        for field, forms in page.forms.items()
        if (before := _one_form(past.forms.get(field, {})))
        and _is_odd(before, history.recent.forms.get(field, {}), forms)
        and (now := max(forms, key=lambda form: (form != before, forms[form])))
    ]
    return reasons


def learn(history: History, page: Tally, *, sample: bool) -> History:
    """Return the history with the page in it."""
    counted = page if sample else page.scaled(ENOUGH_NOW)
    recent = history.recent.plus(counted)
    # What the page holds above what it counts for, and what is recent no more, is past.
    spilt = recent.times(max(0.0, 1 - RECENT_RECORDS / recent.seen))
    left = page.times(1 - counted.seen / page.seen)
    kept = recent.scaled(RECENT_RECORDS)
    bare = {field: scopes for field, scopes in kept.bare.items() if kept.share(field) < SURE}
    past = history.past.plus(spilt).plus(left).scaled(PAST_RECORDS)
    forms = {field: dict(Counter(forms).most_common(_MOST_FORMS)) for field, forms in past.forms.items()}
    return History(
        past=msgspec.structs.replace(past, lost={}, bare={}, forms=forms),
        recent=msgspec.structs.replace(kept, bare=bare),
    )


def form_of(text: str) -> str:
    """Return the form that an id has in common with others of its provider.

    >>> [form_of(text) for text in ("3135556", "r512", "4uLU6hMCjMI75M1A2tKUQC", "TRA-12-ab")]
    ['digits', 'a9', 'alnum-22', 'a-9-a']
    """
    if text.isdigit():
        return "digits"
    if _UUID.fullmatch(text):
        return "uuid"
    if _WORD.fullmatch(text):
        if len(text) >= _LONG_WORD:
            return f"alnum-{len(text)}"
        # Not by length: ids that are counted up grow.
        return "a9" if _NUMBERED.fullmatch(text) else "alnum"
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))[:_LONG_WORD]


def _is_lost(field: str, history: History, page: Tally) -> bool:
    lost = page.lost.get(field, 0.0)
    return (
        history.past.share(field) >= KNOWN
        and history.recent.lost.get(field, 0.0) + lost >= ENOUGH_NOW
        and page.filled[field] < COLLAPSED * (page.filled[field] + lost)
    )


def _never_comes(field: str, history: History, page: Tally, *, sample: bool) -> bool:
    speaks_for_itself = sample and page.seen >= ENOUGH_NOW
    now = page if speaks_for_itself else history.recent.plus(page.scaled(ENOUGH_NOW))
    return (
        history.past.share(field) >= SURE
        and now.seen >= ENOUGH_NOW
        and now.share(field) < COLLAPSED
        and (sample or len(now.bare[field]) >= ENOUGH_SCOPES)
    )


def _one_form(forms: Mapping[str, float]) -> str:
    """Return the form that all these ids have; empty where there is none, or they are too few to tell."""
    total = sum(forms.values())
    if total < ENOUGH_BEFORE:
        return ""
    form = max(forms, key=lambda form: forms[form])
    return form if forms[form] >= ONE_FORM * total else ""


def _is_odd(form: str, recent: Mapping[str, float], now: Mapping[str, float]) -> bool:
    total, odd_before = sum(now.values()), sum(recent.values()) - recent.get(form, 0.0)
    odd = total - now.get(form, 0.0)
    return odd > (1 - MIXED_FORMS) * total and round(odd_before + odd) >= ENOUGH_ODD_IDS


def _forms(values: Sequence[Any]) -> dict[str, float]:
    """Return how many ids are of each form; of many, by a sample of them."""
    ids = [value for value in values if isinstance(value, str) and value]
    sample = ids[:: math.ceil(len(ids) / _MOST_IDS) or 1]
    return {form: number * len(ids) / len(sample) for form, number in Counter(map(form_of, sample)).items()}


def _count_filled(field: str, values: Sequence[Any]) -> float:
    if field in ("isrcs", "gtin"):
        return float(sum(_is_filled(field, value) for value in values))
    return float(len(values) - sum(map(values.count, _EMPTY)))


def _is_filled(field: str, value: Any) -> bool:
    """Tell whether there is a value; of standard codes, a valid one."""
    if value in _EMPTY or value == []:
        return False
    if field == "isrcs":
        return any(map(is_isrc, value))
    return is_gtin(value) if field == "gtin" else True


def _without_id(segment: str) -> str:
    name, colon, key = segment.rpartition(":")
    looks_like_id = len(key) >= _LONG_WORD or any(character.isdigit() for character in key)
    return f"{name}{colon}*" if looks_like_id else segment


def _times(counts: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: round(count * factor, 3) for name, count in counts.items()}


def _plus(some: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    return {name: some.get(name, 0.0) + others.get(name, 0.0) for name in some.keys() | others.keys()}
