"""One value out of what several providers say. Pure: ``catalogue`` reads and writes, the policy is here."""

from collections.abc import Callable, Mapping, Sequence
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


def _field(name: str) -> Callable[[Said], Any]:
    return lambda said: said.fields.get(name)


_NAMES: dict[Entity, tuple[str, ...]] = {
    "artist": ("name", "sort_name", "disambiguation", "type", "country"),
    "release": (
        *("title", "version", "type", "released", "label"),
        *("catalog_number", "explicit", "track_count", "genres"),
    ),
    "recording": ("title", "version", "duration_ms", "explicit"),
    "track": ("title", "version", "number", "duration_ms"),
}

POLICY: dict[Entity, dict[str, Callable[[Said], Any]]] = {
    entity: {name: _field(name) for name in names} for entity, names in _NAMES.items()
}
POLICY["release"]["gtin"] = lambda said: gtin_of(said.fields)
POLICY["track"]["recording_id"] = lambda said: said.recording_id
"""How each canonical field is read from a source. The first source, by trust, that has a value gives it."""


def canonical(entity: Entity, said: Sequence[Said]) -> Canonical:
    """Return the canonical values of an entity, given its sources from the most to the least trusted."""
    values: dict[str, Any] = dict.fromkeys(POLICY[entity])
    provenance = {}
    for name, read in POLICY[entity].items():
        for source in said:
            value = read(source)
            if value is not None:
                values[name], provenance[name] = value, source.provider
                break
    credited = next((source for source in said if source.fields.get("credits")), None)
    if credited is None or entity not in ("release", "recording"):
        return Canonical(values, provenance, (), None)
    return Canonical(
        values, provenance | {"credits": credited.provider}, credited.fields["credits"], credited.provider_id
    )
