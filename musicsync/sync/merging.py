"""One value out of what several providers say. Pure: ``catalogue`` reads and writes, the policy is here."""

from collections.abc import Mapping, Sequence
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
    """The values to show, the provider of each, and the credit of the first source that has one."""

    values: dict[str, Any]
    provenance: dict[str, str]
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


def canonical(entity: Entity, said: Sequence[Said]) -> Canonical:
    """Return the canonical values of an entity, given its sources from the most to the least trusted."""
    values: dict[str, Any] = dict.fromkeys(POLICY[entity])
    provenance: dict[str, str] = {}
    for source in reversed(said):
        given = _given(entity, source)
        values.update(given)
        provenance.update(dict.fromkeys(given, source.provider))
    if entity in ("release", "recording"):
        for source in said:
            if lines := source.fields.get("credits"):
                provenance["credits"] = source.provider
                return Canonical(values, provenance, lines, source.provider_id)
    return Canonical(values, provenance, (), None)


def _given(entity: Entity, source: Said) -> dict[str, Any]:
    """Return the canonical fields that a source has a value for."""
    fields = source.fields
    if entity == "release":
        fields = {**fields, "gtin": gtin_of(fields)}
    elif entity == "track":
        fields = {**fields, "recording_id": source.recording_id}
    return {name: value for name in POLICY[entity] if (value := fields.get(name)) is not None}
