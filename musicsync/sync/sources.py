"""What a provider said before and what it says now: which records are new, changed, or as they were."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec import Struct

from musicsync.identifiers import is_gtin, is_isrc
from musicsync.models import SourceArtist, SourceRelease, SourceTrack
from musicsync.providers.collect import complete
from musicsync.records import Kind, Record
from musicsync.sync import sql

TABLES: dict[Kind, str] = {
    "artist": SourceArtist._meta.db_table,
    "release": SourceRelease._meta.db_table,
    "track": SourceTrack._meta.db_table,
}
LINKS: dict[Kind, tuple[str, ...]] = {
    "artist": ("artist_id",),
    "release": ("release_id",),
    "track": ("recording_id", "track_id"),
}
SEEN: dict[Kind, str] = {"artist": "artists", "release": "releases", "track": "tracks"}
"""The column of ``KnownPage`` that has the ids of the source rows of each kind."""
PRESENT = SourceTrack.State.PRESENT.value
LIVE = (PRESENT, SourceTrack.State.MISSING.value)
"""The states of a source row whose word counts."""

_COLUMNS = {
    "id": "bigint",
    "fields": "jsonb",
    "fingerprint": "bytea",
    "flags": "text[]",
    "changed_run_id": "bigint",
}
_TRACK_COLUMNS = {"release_key": "text", "recording_key": "text"}
_NEW_COLUMNS = {"provider_id": "bigint", "external_id": "text"}


class SourceRow(Struct):
    """One source row to be written: what the provider says now, and the catalogue rows that it speaks of, by column.

    ``linking`` fills the links in. ``before`` is what it said until now, empty where it is new.
    """

    id: int
    external_id: str
    fields: dict[str, Any]
    fingerprint: bytes
    links: dict[str, int | None]
    before: dict[str, Any] = {}


class Delta(Struct):
    """A page's records of one kind, against what was known: rows to write, and ids of those that stay.

    ``linked`` has the artist or release of each record that was known, by the provider's id.
    """

    new: list[SourceRow] = []
    changed: list[SourceRow] = []
    unchanged: list[int] = []
    linked: dict[str, int] = {}

    @property
    def rows(self) -> list[SourceRow]:
        """Return all that is to be written."""
        return self.new + self.changed

    def entities(self, link: Literal["artist_id", "release_id"]) -> dict[str, int]:
        """Return the artist or release of each of the provider's ids that the page mentions, once all are linked."""
        return self.linked | {row.external_id: entity for row in self.rows if (entity := row.links[link])}

    @property
    def seen(self) -> list[int]:
        """Return the ids of all rows that the page mentions, sorted."""
        return sorted([row.id for row in self.rows] + self.unchanged)


def compare(provider_id: int, kind: Kind, records: list[Record]) -> Delta:
    """Return what the records change.

    A fingerprint settles most of them with one query. Where it differs, the fields decide: another form of answer
    (an artist's stub in a credit) may carry less of a record without contradicting it.
    """
    if not records:
        return Delta()
    said = {external_id: msgspec.json.encode(record) for external_id, record in _one_each(records).items()}
    known = _known(provider_id, kind, list(said))
    fingerprints = {external_id: fingerprint(text) for external_id, text in said.items()}
    same = {
        external_id
        for external_id, row in known.items()
        if row["fingerprint"] == fingerprints[external_id] and row["state"] == PRESENT
    }
    now = {external_id: fields_of(text) for external_id, text in said.items() if external_id not in same}
    before = _stored(kind, [row["id"] for external_id, row in known.items() if external_id in now])
    differing = (row["id"] for name, row in known.items() if name in now and _differs(before[row["id"]], now[name]))
    # Locked, what is about to be changed is read again: of two pages that say the same news, one brings it.
    before |= _stored(kind, list(differing), "ORDER BY id FOR UPDATE")
    new_ids = iter(sql.new_ids(TABLES[kind], len(said) - len(known)))
    delta = Delta(
        unchanged=[known[external_id]["id"] for external_id in same],
        linked={external_id: row[LINKS[kind][0]] for external_id, row in known.items()},
    )
    for external_id, fields in now.items():
        row = known.get(external_id)
        if row is None:
            unlinked: dict[str, int | None] = dict.fromkeys(LINKS[kind])
            delta.new.append(SourceRow(next(new_ids), external_id, fields, fingerprints[external_id], unlinked))
            continue
        stored = before[row["id"]]
        if not _differs(stored, fields):
            delta.unchanged.append(row["id"])
            continue
        links = {column: stored[column] for column in LINKS[kind]}
        was = stored["fields"]
        delta.changed.append(SourceRow(row["id"], external_id, was | fields, fingerprints[external_id], links, was))
    return delta


def write(provider_id: int, run_id: int, kind: Kind, delta: Delta) -> None:
    """Write the new and the changed rows of one kind, their links filled in.

    Raises:
        IntegrityError: another transaction has just written one of the new rows; apply the page once more.
    """
    columns = _columns(kind)
    new = [(provider_id, row.external_id, *_values(row, kind, run_id)) for row in delta.new]
    sql.copy(TABLES[kind], _NEW_COLUMNS | columns, new)
    changed = [
        dict(zip(columns, _values(row, kind, run_id), strict=True))
        for row in sorted(delta.changed, key=attrgetter("id"))
    ]
    sql.update(TABLES[kind], columns, changed, ", state = 'present', merged_into = NULL, changed_at = now()")


def fields_of(text: bytes) -> dict[str, Any]:
    """Return what a record says, as it is stored: a field that is unset is not there, and a tuple is a list."""
    fields: dict[str, Any] = msgspec.json.decode(text)
    del fields["external_id"]
    return fields


def fingerprint(text: bytes) -> bytes:
    """Return 16 bytes that differ whenever two records, written as JSON, do."""
    return blake2b(text, digest_size=16).digest()


def entities_of(provider_id: int, kind: Literal["artist", "release"], external_ids: Iterable[str]) -> dict[str, int]:
    """Return the catalogue row of each of the provider's ids that is known."""
    named = sorted(external_ids)
    if not named:
        return {}
    (link,) = LINKS[kind]
    found = sql.query(
        f"SELECT external_id, {link} AS entity_id FROM {TABLES[kind]} "  # noqa: S608
        "WHERE provider_id = %s AND external_id = ANY(%s::text[])",
        [provider_id, named],
    )
    return {row["external_id"]: row["entity_id"] for row in found}


def stored_tracks_of(provider_id: int, release_keys: Sequence[str]) -> list[SourceRow]:
    """Lock the live tracks that stand on these releases of the provider, and return them as they are."""
    found = sql.query(
        f"SELECT id, external_id, fields, fingerprint, recording_id, track_id FROM {TABLES['track']} "  # noqa: S608
        "WHERE provider_id = %s AND release_key = ANY(%s::text[]) AND state = ANY(%s) "
        "ORDER BY id FOR UPDATE",
        [provider_id, list(release_keys), list(LIVE)],
    )
    return [
        SourceRow(
            id=row["id"],
            external_id=row["external_id"],
            fields=row["fields"],
            fingerprint=bytes(row["fingerprint"]),
            links={"recording_id": row["recording_id"], "track_id": row["track_id"]},
        )
        for row in found
    ]


def _one_each(records: list[Record]) -> dict[str, Record]:
    """Return one record an id, sorted by id so that transactions that share rows take them in the same order.

    Where a page says more than one thing of an id (an artist in full and in a credit), the first to state a field has
    the word.
    """
    found: dict[str, Record] = {}
    for record in records:
        earlier = found.get(record.external_id)
        found[record.external_id] = record if earlier is None else complete(earlier, record)
    return dict(sorted(found.items()))


def _known(provider_id: int, kind: Kind, external_ids: list[str]) -> dict[str, sql.Row]:
    found = sql.query(
        f"SELECT external_id, id, fingerprint, state, {LINKS[kind][0]} FROM {TABLES[kind]} "  # noqa: S608
        "WHERE provider_id = %s AND external_id = ANY(%s::text[])",
        [provider_id, external_ids],
    )
    return {row["external_id"]: row for row in found}


def _stored(kind: Kind, ids: list[int], lock: str = "") -> dict[int, sql.Row]:
    if not ids:
        return {}
    found = sql.query(
        f"SELECT id, fields, state, {', '.join(LINKS[kind])} FROM {TABLES[kind]} "  # noqa: S608
        f"WHERE id = ANY(%s::bigint[]) {lock}",
        [ids],
    )
    return {row["id"]: row for row in found}


def _differs(stored: sql.Row, fields: dict[str, Any]) -> bool:
    """Tell whether a record with these fields says something that is not stored yet."""
    was: dict[str, Any] = stored["fields"]
    return was | fields != was or stored["state"] != PRESENT


def _columns(kind: Kind) -> dict[str, str]:
    """Return the columns of all sources, the links, and what tracks have besides, with their types."""
    return _COLUMNS | dict.fromkeys(LINKS[kind], "bigint") | (_TRACK_COLUMNS if kind == "track" else {})


def _values(row: SourceRow, kind: Kind, run_id: int) -> sql.Values:
    """Return what the columns hold that ``_columns`` names, in that order."""
    fields = row.fields
    values: sql.Values = (row.id, fields, f"\\x{row.fingerprint.hex()}", _flags(fields), run_id)
    values += tuple(row.links[column] for column in LINKS[kind])
    return (*values, fields.get("release_id"), fields.get("recording_id")) if kind == "track" else values


def _flags(fields: dict[str, Any]) -> list[str]:
    flags = []
    if not all(map(is_isrc, fields.get("isrcs", ()))):
        flags.append("invalid_isrc")
    if fields.get("gtin") and not is_gtin(fields["gtin"]):
        flags.append("invalid_gtin")
    return flags
