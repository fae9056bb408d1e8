"""Bring catalogue rows in line with what their sources say, and record every change.

The rows are locked first, in the order of their ids, and their sources are read after that: of two pages that speak of
the same recording at the same time, the second sees what the first wrote. The lock (NO KEY UPDATE) lets foreign keys
pass, so that writers of sources do not wait for it.

Of a row that is new nobody else can know: all that is said of it is in the page at hand, and nothing is read for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, cast

from msgspec import Struct, field

from musicsync.models import (
    Artist,
    Change,
    Isrc,
    Provider,
    Recording,
    RecordingCredit,
    Release,
    ReleaseCredit,
    Track,
)
from musicsync.sync import sql
from musicsync.sync.matching import isrcs_of
from musicsync.sync.merging import POLICY, Canonical, Entity, Said, canonical
from musicsync.sync.sources import LIVE, TABLES, SourceRow, entities_of

Place = tuple[int, int, int]
"""Release, disc and position: where a track stands."""
Artists = Mapping[tuple[int | None, str | None], int]
"""The catalogue's artist of a provider and its id of the artist."""

_LOCK_ORDER: tuple[Entity, ...] = ("recording", "artist", "release", "track")
"""Recordings first: ``linking`` has locked some of them by then."""
_PRESENT, _GONE = Artist.State.PRESENT.value, Artist.State.GONE.value
_PLACE_COLUMNS = {"release_id": "bigint", "disc": "int", "position": "int"}
_NOTHING: dict[str, Any] = {}
_ISRC, _CHANGE = Isrc._meta.db_table, Change._meta.db_table
_ISRC_COLUMNS = {"code": "text", "recording_id": "bigint"}
_CREDIT_COLUMNS = {"position": "int", "artist_id": "bigint", "name": "text", "join_phrase": "text"}
_CHANGE_COLUMNS = {
    "entity": "text",
    "entity_id": "bigint",
    "action": "text",
    "before": "jsonb",
    "after": "jsonb",
    "provider_id": "bigint",
    "run_id": "bigint",
}


class _Shape(Struct, frozen=True):
    """Where an entity stands: its table, the types of its columns, where its sources and credits are."""

    table: str
    columns: Mapping[str, str]
    sources: str
    link: str
    credits: str | None = None


_SHAPES: dict[Entity, _Shape] = {
    "artist": _Shape(
        table=Artist._meta.db_table,
        columns=dict.fromkeys(POLICY["artist"], "text"),
        sources=TABLES["artist"],
        link="artist_id",
    ),
    "release": _Shape(
        table=Release._meta.db_table,
        columns=dict.fromkeys(POLICY["release"], "text")
        | {"explicit": "bool", "track_count": "int", "genres": "text[]", "artist_credit": "text"},
        sources=TABLES["release"],
        link="release_id",
        credits=ReleaseCredit._meta.db_table,
    ),
    "recording": _Shape(
        table=Recording._meta.db_table,
        columns=dict.fromkeys(POLICY["recording"], "text")
        | {"explicit": "bool", "duration_ms": "bigint", "artist_credit": "text"},
        sources=TABLES["track"],
        link="recording_id",
        credits=RecordingCredit._meta.db_table,
    ),
    "track": _Shape(
        table=Track._meta.db_table,
        columns=dict.fromkeys(POLICY["track"], "text")
        | {"duration_ms": "bigint", "recording_id": "bigint"}
        | _PLACE_COLUMNS,
        sources=TABLES["track"],
        link="track_id",
    ),
}


class Cause(Struct, frozen=True):
    """Whose answer, in which run, brings a change about; ``provider`` is the slug."""

    provider_id: int
    provider: str
    run_id: int


class Touched(Struct):
    """The catalogue rows whose sources have changed.

    ``places`` says where new tracks stand; ``merged`` which rows are another now, as {absorbed: kept}. ``new`` may have
    all that is said of rows that are new, and ``artists`` those that credits name: what is not there is read.
    """

    artist: set[int] = field(default_factory=set)
    release: set[int] = field(default_factory=set)
    recording: set[int] = field(default_factory=set)
    track: set[int] = field(default_factory=set)
    places: dict[int, Place] = field(default_factory=dict)
    merged: dict[Entity, dict[int, int]] = field(default_factory=dict)
    new: dict[Entity, Mapping[int, Sequence[SourceRow]]] = field(default_factory=dict)
    artists: Artists = field(default_factory=dict)

    def add(self, links: Sequence[Mapping[str, int | None]]) -> None:
        """Note the rows that source rows of one kind are or were linked to, by column ("artist_id")."""
        for column in links[0] if links else ():
            entities: set[int] = getattr(self, column.removesuffix("_id"))
            entities.update(entity_id for row in links if (entity_id := row[column]) is not None)

    def merge(self, old: Mapping[str, int | None], new: Mapping[str, int | None]) -> None:
        """Note that the rows of one source row's links are those of another's now, by column."""
        for column, entity_id in old.items():
            kept = new.get(column)
            if entity_id and kept and kept != entity_id:
                self.merged.setdefault(cast("Entity", column.removesuffix("_id")), {})[entity_id] = kept


class _Version(Struct):
    """All that is shown of one catalogue row: columns, state, credits and ISRCs, and whose value each field is."""

    values: dict[str, Any]
    provenance: Mapping[str, str]


def refresh(touched: Touched, cause: Cause) -> None:
    """Write the canonical values, credits, ISRCs and states of the touched rows, and a change for each that differs.

    Raises:
        IntegrityError: another transaction has just written a row with the same key; apply the page once more.
    """
    found = {entity: _refresh(entity, touched, cause) for entity in _LOCK_ORDER if getattr(touched, entity)}
    sql.copy(_CHANGE, _CHANGE_COLUMNS, [change for entity in POLICY for change in found.get(entity, [])])


def _refresh(entity: Entity, touched: Touched, cause: Cause) -> list[sql.Values]:
    """Bring the rows of one entity in line and return what changed."""
    ids: set[int] = getattr(touched, entity)
    new_rows = touched.new.get(entity, {})
    known = sorted(ids - new_rows.keys())
    stored = _stored(entity, known)
    wanted = _wanted(entity, _said(entity, known) | _said_now(new_rows, cause), touched.artists)
    merged = touched.merged.get(entity, {})
    versions: dict[int, _Version] = {}
    changes: list[sql.Values] = []
    for id_ in sorted(ids):
        old, new = stored.get(id_), wanted.get(id_)
        if new is not None and entity == "track":
            new.values |= _place(touched.places.get(id_), old)
        if new is None and old is not None:
            new = _Version(old.values | {"state": _GONE}, old.provenance)
        if new is None or new == old:
            continue
        versions[id_] = new
        if difference := _difference(old, new, merged.get(id_)):
            changes.append((entity, id_, *difference, cause.provider_id, cause.run_id))
    _write(entity, versions, stored)
    return changes


def _difference(
    old: _Version | None, new: _Version, merged_into: int | None
) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """Return action, before and after of two versions, or ``None`` where only the provenance moved."""
    if old is None:
        return "created", _NOTHING, new.values
    before = {name: value for name, value in old.values.items() if value != new.values[name]}
    if not before:
        return None
    after = {name: new.values[name] for name in before}
    action = "updated"
    if "state" in after:
        action = "restored" if after["state"] == _PRESENT else "removed"
    if merged_into is not None and action == "removed":
        action, after["merged_into"] = "merged", merged_into
    return action, before, after


def _stored(entity: Entity, ids: list[int]) -> dict[int, _Version]:
    """Lock the rows in the order of their ids and return them as they are."""
    if not ids:
        return {}
    shape = _SHAPES[entity]
    rows = sql.query(
        f"SELECT id, state, provenance, {', '.join(shape.columns)} FROM {shape.table} "  # noqa: S608
        "WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE",
        [ids],
    )
    known = [row["id"] for row in rows]
    lines, isrcs = _stored_credits(entity, known), _stored_isrcs(entity, known)
    versions = {}
    for row in rows:
        id_, provenance = row.pop("id"), row.pop("provenance")
        versions[id_] = _Version(row | _parts(entity, lines.get(id_, []), isrcs.get(id_, [])), provenance)
    return versions


def _said(entity: Entity, ids: list[int]) -> dict[int, list[Said]]:
    """Return what the live sources of the rows say, from the most to the least trusted; nothing where there is none."""
    if not ids:
        return {}
    shape = _SHAPES[entity]
    recording = "s.recording_id" if shape.sources == TABLES["track"] else "NULL"
    rows = sql.query(
        f"SELECT s.{shape.link} AS entity_id, s.provider_id, p.slug, s.fields, {recording} AS recording_id "  # noqa: S608
        f"FROM {shape.sources} s JOIN {Provider._meta.db_table} p ON p.id = s.provider_id "
        f"WHERE s.{shape.link} = ANY(%s::bigint[]) AND s.state = ANY(%s) "
        'ORDER BY p.trust, p.slug, s.external_id COLLATE "C"',
        [ids, list(LIVE)],
    )
    return {
        id_: [Said(row["slug"], row["provider_id"], row["fields"], row["recording_id"]) for row in group]
        for id_, group in sql.grouped(rows, "entity_id").items()
    }


def _said_now(new: Mapping[int, Sequence[SourceRow]], cause: Cause) -> dict[int, list[Said]]:
    """Return what the page at hand says of rows that are new, in the order of ``_said``."""
    return {
        id_: [
            Said(cause.provider, cause.provider_id, row.fields, row.links.get("recording_id"))
            for row in (rows if len(rows) == 1 else sorted(rows, key=attrgetter("external_id")))
        ]
        for id_, rows in new.items()
    }


def _wanted(entity: Entity, said: Mapping[int, Sequence[Said]], known_artists: Artists) -> dict[int, _Version]:
    """Return what the rows should be by what is said of them."""
    found = {id_: canonical(entity, sources) for id_, sources in said.items()}
    artists = _artists_of(found.values(), known_artists) if _SHAPES[entity].credits else {}
    versions = {}
    for id_, best in found.items():
        isrcs: set[str] = set()
        if entity == "recording":
            isrcs.update(*(isrcs_of(source.fields) for source in said[id_]))
        best.values["state"] = _PRESENT
        if _SHAPES[entity].credits:
            best.values.update(_parts(entity, _credit_lines(best, artists), sorted(isrcs)))
        versions[id_] = _Version(best.values, best.provenance)
    return versions


def _write(entity: Entity, versions: Mapping[int, _Version], stored: Mapping[int, _Version]) -> None:
    shape = _SHAPES[entity]
    columns = {"id": "bigint", "provenance": "jsonb", "state": "text", **shape.columns}
    values_of = itemgetter("state", *shape.columns)
    rows = [(id_, version.provenance, *values_of(version.values)) for id_, version in versions.items()]
    sql.copy(shape.table, columns, [row for row in rows if row[0] not in stored])
    changed = [dict(zip(columns, row, strict=True)) for row in rows if row[0] in stored]
    sql.update(shape.table, columns, changed, ", changed_at = now()")
    if shape.credits:
        _write_credits(entity, {id_: version.values["credits"] for id_, version in versions.items()}, stored)
    if entity == "recording":
        _write_isrcs({id_: version.values["isrcs"] for id_, version in versions.items()}, stored)


def _parts(entity: Entity, lines: list[sql.Row], isrcs: list[str]) -> dict[str, Any]:
    """Return what an entity has besides its own columns."""
    if not _SHAPES[entity].credits:
        return {}
    credit = "".join([line["name"] + line["join_phrase"] for line in lines])
    if entity != "recording":
        return {"credits": lines, "artist_credit": credit}
    return {"credits": lines, "artist_credit": credit, "isrcs": isrcs}


def _place(place: Place | None, stored: _Version | None) -> dict[str, Any]:
    if stored is not None:
        return {name: stored.values[name] for name in _PLACE_COLUMNS}
    if place is None:
        raise LookupError("a new track without a place on a release")
    return dict(zip(_PLACE_COLUMNS, place, strict=True))


def _credit_lines(best: Canonical, artists: Artists) -> list[sql.Row]:
    return [
        {
            "name": line["name"],
            "join_phrase": line["join_phrase"],
            "artist_id": artists.get((best.credits_provider_id, line["artist_id"])),
        }
        for line in best.credits
    ]


def _artists_of(found: Iterable[Canonical], known: Artists) -> Artists:
    """Return the artists that the credits name: those that are known, and what is read of the others."""
    named = {(best.credits_provider_id, line["artist_id"]) for best in found for line in best.credits}
    unknown: dict[int, list[str]] = {}
    for provider_id, external_id in named - known.keys():
        if provider_id is not None and external_id is not None:
            unknown.setdefault(provider_id, []).append(external_id)
    return {
        **known,
        **{
            (provider_id, external_id): artist
            for provider_id, external_ids in unknown.items()
            for external_id, artist in entities_of(provider_id, "artist", external_ids).items()
        },
    }


def _stored_credits(entity: Entity, ids: list[int]) -> dict[int, list[sql.Row]]:
    shape = _SHAPES[entity]
    if not shape.credits or not ids:
        return {}
    rows = sql.query(
        f"SELECT {shape.link} AS owner_id, name, join_phrase, artist_id FROM {shape.credits} "  # noqa: S608
        f"WHERE {shape.link} = ANY(%s::bigint[]) ORDER BY {shape.link}, position",
        [ids],
    )
    groups = sql.grouped(rows, "owner_id")
    for row in rows:
        del row["owner_id"]
    return groups


def _stored_isrcs(entity: Entity, ids: list[int]) -> dict[int, list[str]]:
    if entity != "recording" or not ids:
        return {}
    rows = sql.query(
        f"SELECT recording_id, code FROM {_ISRC} WHERE recording_id = ANY(%s::bigint[]) ORDER BY code",  # noqa: S608
        [ids],
    )
    return {id_: [row["code"] for row in group] for id_, group in sql.grouped(rows, "recording_id").items()}


def _write_credits(entity: Entity, lines: Mapping[int, list[sql.Row]], stored: Mapping[int, _Version]) -> None:
    shape = _SHAPES[entity]
    was = {id_: version.values["credits"] for id_, version in stored.items()}
    differing = [id_ for id_, wanted in lines.items() if wanted != was.get(id_, [])]
    if any(was.get(id_) for id_ in differing):
        sql.execute(f"DELETE FROM {shape.credits} WHERE {shape.link} = ANY(%s::bigint[])", [differing])  # noqa: S608
    sql.copy(
        str(shape.credits),
        {shape.link: "bigint"} | _CREDIT_COLUMNS,
        [
            (id_, position, line["artist_id"], line["name"], line["join_phrase"])
            for id_ in differing
            for position, line in enumerate(lines[id_])
        ],
    )


def _write_isrcs(isrcs: Mapping[int, list[str]], stored: Mapping[int, _Version]) -> None:
    was = {id_: version.values["isrcs"] for id_, version in stored.items()}
    dropped = [code for id_, codes in was.items() for code in codes if code not in isrcs.get(id_, codes)]
    if dropped:
        sql.execute(f"DELETE FROM {_ISRC} WHERE code = ANY(%s::text[])", [sorted(dropped)])  # noqa: S608
    new = [(code, id_) for id_, codes in isrcs.items() for code in codes if code not in was.get(id_, ())]
    sql.copy(_ISRC, _ISRC_COLUMNS, sorted(new))
