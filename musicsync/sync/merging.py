"""One value out of what several providers say. Pure: ``catalogue`` reads and writes, the policy is here."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct

from musicsync.sync.matching import gtin_of

Entity = Literal["artist", "release", "recording", "track"]


class Said(Struct, frozen=True):
    """What one source says of an entity, with the columns of its row that are no fields."""

    provider: str
    provider_id: int
    fields: Mapping[str, Any]
    recording_id: int | None = None


class Canonical(Struct, frozen=True):
    """The values to show, the provider of each, and the credit, which is one source's as a whole.

    ``values`` are the caller's to add to; ``provenance`` is shared by many.
    """

    values: dict[str, Any]
    provenance: Mapping[str, str]
    credits: Sequence[Mapping[str, Any]]
    credits_provider_id: int | None


POLICY: dict[Entity, tuple[str, ...]] = {
    "artist": ("name", "sort_name", "disambiguation", "type", "country"),
    "release": (
        *("title", "version", "type", "released", "label"),
        *("catalog_number", "explicit", "track_count", "genres", "gtin"),
    ),
    "recording": ("title", "version", "duration_ms", "explicit"),
    "track": ("title", "version", "number", "duration_ms", "recording_id"),
}
"""The canonical fields. The first source, by trust, that has a value gives it."""
_CREDITED: tuple[Entity, ...] = ("release", "recording")


def canonical(entity: Entity, said: Sequence[Said]) -> Canonical:
    """Return the canonical values of an entity, given its sources, one at least, from the most to the least trusted."""
    first, values = said[0], _values(entity, said[0])
    credited, credit = _credit(said) if entity in _CREDITED else (None, ())
    names = [name for name, value in values.items() if value is not None]
    provenance = _of_one(first.provider, (*names, "credits") if credited is first else tuple(names))
    for source in said[1:]:
        given = {
            name: value for name, value in _values(entity, source).items() if value is not None and values[name] is None
        }
        values |= given
        provenance = {**provenance, **dict.fromkeys(given, source.provider)}
    if credited is None:
        return Canonical(values, provenance, (), None)
    if credited is not first:
        provenance = {**provenance, "credits": credited.provider}
    return Canonical(values, provenance, credit, credited.provider_id)


def _credit(said: Sequence[Said]) -> tuple[Said | None, Sequence[Mapping[str, Any]]]:
    """Return whose credit it is, and the credit. One that may leave artists out counts where there is no other."""
    for name in ("credits", "main_artists"):
        for source in said:
            if source.fields.get(name):
                return source, source.fields[name]
    return None, ()


def _values(entity: Entity, source: Said) -> dict[str, Any]:
    """Return what a source has for each canonical field, ``None`` where it has nothing."""
    values = {name: source.fields.get(name) for name in POLICY[entity]}
    if entity == "release":
        values["gtin"] = gtin_of(source.fields)
    elif entity == "track":
        values["recording_id"] = source.recording_id
    return values


@lru_cache(maxsize=1024)
def _of_one(provider: str, names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the provenance of fields that are all of one provider: the same object for many."""
    return dict.fromkeys(names, provider)
