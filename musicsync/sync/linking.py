"""Link source rows to the artists, releases, recordings and tracks that they speak of.

Reads the keys of a page's rows set by set, lets ``matching`` decide, and gives ids to what is new. The new catalogue
rows themselves are written by ``catalogue`` once all that is said of them is stored; no foreign key is checked here
(ADR 10).
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from msgspec import Struct

from musicsync.models import Artist, Isrc, Recording, Release, Track
from musicsync.sync import sql
from musicsync.sync.catalogue import Place
from musicsync.sync.matching import Claim, gtin_of, isrcs_of, match
from musicsync.sync.sources import LINKS, LIVE, TABLES, SourceRow, entities_of

_ARTIST, _RELEASE, _RECORDING, _TRACK = (model._meta.db_table for model in (Artist, Release, Recording, Track))
_ISRC = Isrc._meta.db_table

Evidence = tuple[dict[str, int], dict[str, int], dict[int, int]]
"""The recordings of ISRCs, of the provider's own recording ids, and of the tracks at the same places."""


class Linked(Struct, frozen=True):
    """What came of linking rows of one kind.

    ``new`` has the rows under each catalogue row that is new, ``absorbed`` the catalogue rows that turned out to be
    another, as {absorbed: kept}.
    """

    new: dict[int, list[SourceRow]]
    absorbed: dict[int, int]


def link_artists(provider_id: int, rows: Sequence[SourceRow], merged: Mapping[str, str]) -> Linked:
    """Link each row to the artist it was linked to, or that its id was merged from, or to a new one."""
    linked = _linked(provider_id, "artist", rows, merged)
    claims = [Claim(linked=linked.get(row.external_id)) for row in rows]
    return _settle(_ARTIST, "artist_id", rows, claims)


def link_releases(provider_id: int, rows: Sequence[SourceRow], merged: Mapping[str, str]) -> tuple[list[str], Linked]:
    """Link each row by its GTIN, else as before.

    Returns also the ids of the releases that moved to another row, whose tracks have to be linked again.
    """
    linked = _linked(provider_id, "release", rows, merged)
    gtins = [gtin_of(row.fields) for row in rows]
    claims = [
        Claim(keys=frozenset({gtin} if gtin else ()), linked=linked.get(row.external_id))
        for row, gtin in zip(rows, gtins, strict=True)
    ]
    bare = _bare_releases(provider_id, rows, claims, merged)
    found = _settle(_RELEASE, "release_id", rows, claims, _by_gtin(sorted(set(filter(None, gtins)))), bare=bare)
    moved = [row.external_id for row in rows if linked.get(row.external_id) not in (None, row.links["release_id"])]
    return moved, found


def link_tracks(
    rows: Sequence[SourceRow], releases: Mapping[str, int], new_releases: Container[int]
) -> tuple[dict[int, Place], Linked]:
    """Link each row to the track at its release, disc and position; none where the record is a recording by itself.

    ``releases`` has the catalogue's release of each of the provider's release ids that the rows name; on those that
    are new there is nothing yet. Returns also where each of the linked tracks stands.
    """
    placed: dict[Place, list[SourceRow]] = {}
    for row in rows:
        row.links["track_id"] = None
        if place := _place(row.fields, releases):
            placed.setdefault(place, []).append(row)
    known = _tracks_at([place for place in placed if place[0] not in new_releases])
    missing = [place for place in placed if place not in known]
    new = dict(zip(missing, sql.new_ids(_TRACK, len(missing)), strict=True))
    tracks = known | new
    for place, there in placed.items():
        for row in there:
            row.links["track_id"] = tracks[place]
    found = Linked({id_: placed[place] for place, id_ in new.items()}, {})
    return {tracks[place]: place for place in placed}, found


def link_recordings(provider_id: int, rows: Sequence[SourceRow], new_tracks: Container[int]) -> Linked:
    """Link each track row to its recording: by ISRC, else as before, by the provider's own id, or by its place.

    The rows are linked to their tracks already; at those that are new there was no recording. A recording turns out
    to be another where some record names the ISRCs of both.
    """
    isrcs = [isrcs_of(row.fields) for row in rows]
    keys = sorted(frozenset().union(*isrcs))
    tracks = [track for row in rows if (track := row.links["track_id"]) and track not in new_tracks]
    own_keys = sorted({row.fields["recording_id"] for row in rows if row.fields.get("recording_id")})

    def read() -> Evidence:
        return _by_isrc(keys), _by_provider_key(provider_id, own_keys), _recordings_of(tracks)

    by_isrc, own, beside = _locked(read, [row.links["recording_id"] for row in rows if row.links["recording_id"]])
    claims = [
        Claim(
            keys=codes,
            provider_key=row.fields.get("recording_id"),
            linked=row.links["recording_id"],
            beside=beside.get(row.links["track_id"] or 0),
        )
        for row, codes in zip(rows, isrcs, strict=True)
    ]
    return _settle(
        _RECORDING, "recording_id", rows, claims, by_isrc, own, bare=_bare_recordings(rows, claims, own.values())
    )


def absorb(absorbed: Mapping[int, int]) -> list[int]:
    """Point what refers to the absorbed recordings to those that were kept; return the tracks that it touched."""
    if not absorbed:
        return []
    olds = sorted(absorbed)
    pairs = "(SELECT unnest(%s::bigint[]) AS old, unnest(%s::bigint[]) AS kept) r"
    parameters = [olds, [absorbed[old] for old in olds]]
    for table in (TABLES["track"], _ISRC):
        sql.execute(f"UPDATE {table} t SET recording_id = r.kept FROM {pairs} WHERE t.recording_id = r.old", parameters)  # noqa: S608
    touched = sql.query(
        f"UPDATE {_TRACK} t SET recording_id = r.kept FROM {pairs} WHERE t.recording_id = r.old RETURNING t.id",  # noqa: S608
        parameters,
    )
    return [row["id"] for row in touched]


def _settle(
    table: str,
    column: str,
    rows: Sequence[SourceRow],
    claims: Sequence[Claim],
    by_key: Mapping[Any, int] | None = None,
    by_provider_key: Mapping[str, int] | None = None,
    *,
    bare: AbstractSet[int] = frozenset(),
) -> Linked:
    """Write the verdict into the rows' links, with ids for what is new."""
    verdict = match(claims, by_key or {}, by_provider_key or {}, bare)
    numbers = sorted({target for target in verdict.targets if target < 0}, reverse=True)
    ids = dict(zip(numbers, sql.new_ids(table, len(numbers)), strict=True))
    new: dict[int, list[SourceRow]] = {id_: [] for id_ in ids.values()}
    for row, target in zip(rows, verdict.targets, strict=True):
        row.links[column] = id_ = ids.get(target, target)
        if target < 0:
            new[id_].append(row)
    return Linked(new, verdict.absorbed)


def _locked(read: Callable[[], Evidence], linked: Sequence[int]) -> Evidence:
    """Return what leads to recordings, those locked for the rest of the transaction.

    Another page may just be making one of them part of another. It is waited for, and what it did is read.
    """
    found = read()
    while named := set(linked).union(*(part.values() for part in found)):
        sql.execute(
            f"SELECT 1 FROM {_RECORDING} WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE",  # noqa: S608
            [sorted(named)],
        )
        again = read()
        if again == found:
            break
        found = again
    return found


def _linked(
    provider_id: int, kind: Literal["artist", "release"], rows: Sequence[SourceRow], merged: Mapping[str, str]
) -> dict[str, int]:
    """Return what the rows are linked to, by id. A new id that another was merged into inherits the other's link."""
    (column,) = LINKS[kind]
    linked = {row.external_id: entity for row in rows if (entity := row.links[column])}
    wanted = {row.external_id for row in rows}
    found = entities_of(provider_id, kind, (old for old, new in merged.items() if new in wanted))
    return {merged[old]: found[old] for old in sorted(found)} | linked


def _bare_releases(
    provider_id: int, rows: Sequence[SourceRow], claims: Sequence[Claim], merged: Mapping[str, str]
) -> set[int]:
    """Return the linked releases whose GTIN is told by no source other than the rows, and what is merged into them."""
    linked = {claim.linked for claim in claims if claim.linked}
    if not linked:
        return linked
    found = sql.query(
        f"SELECT s.release_id AS id FROM {TABLES['release']} s JOIN {_RELEASE} r ON r.id = s.release_id "  # noqa: S608
        "WHERE s.release_id = ANY(%s::bigint[]) AND s.state = ANY(%s) AND s.fields ->> 'gtin' = r.gtin "
        "AND s.id <> ALL(%s::bigint[]) AND NOT (s.provider_id = %s AND s.external_id = ANY(%s::text[]))",
        [sorted(linked), list(LIVE), [row.id for row in rows], provider_id, list(merged)],
    )
    return linked - {row["id"] for row in found}


def _bare_recordings(rows: Sequence[SourceRow], claims: Sequence[Claim], others: Iterable[int]) -> set[int]:
    """Return the recordings that the claims may join and whose ISRCs are told by no source other than the rows."""
    named = {recording for claim in claims for recording in (claim.linked, claim.beside) if recording} | set(others)
    if not named:
        return set()
    found = sql.query(
        f"SELECT s.recording_id AS id FROM {TABLES['track']} s JOIN {_ISRC} i ON i.recording_id = s.recording_id "  # noqa: S608
        "WHERE s.recording_id = ANY(%s::bigint[]) AND s.state = ANY(%s) AND s.fields -> 'isrcs' ? i.code "
        "AND s.id <> ALL(%s::bigint[])",
        [sorted(named), list(LIVE), [row.id for row in rows]],
    )
    return named - {row["id"] for row in found}


def _recordings_of(tracks: Sequence[int]) -> dict[int, int]:
    if not tracks:
        return {}
    found = sql.query(
        f"SELECT id, recording_id FROM {_TRACK} WHERE id = ANY(%s::bigint[]) AND state = 'present'",  # noqa: S608
        [list(tracks)],
    )
    return {row["id"]: row["recording_id"] for row in found}


def _by_gtin(keys: Sequence[str]) -> dict[str, int]:
    if not keys:
        return {}
    found = sql.query(f"SELECT gtin, id FROM {_RELEASE} WHERE gtin = ANY(%s::text[])", [list(keys)])  # noqa: S608
    return {row["gtin"]: row["id"] for row in found}


def _by_isrc(keys: Sequence[str]) -> dict[str, int]:
    if not keys:
        return {}
    found = sql.query(f"SELECT code, recording_id FROM {_ISRC} WHERE code = ANY(%s::text[])", [list(keys)])  # noqa: S608
    return {row["code"]: row["recording_id"] for row in found}


def _by_provider_key(provider_id: int, keys: Sequence[str]) -> dict[str, int]:
    if not keys:
        return {}
    found = sql.query(
        f"SELECT recording_key, min(recording_id) AS id FROM {TABLES['track']} "  # noqa: S608
        "WHERE provider_id = %s AND recording_key = ANY(%s::text[]) AND state = ANY(%s) GROUP BY 1",
        [provider_id, list(keys), list(LIVE)],
    )
    return {row["recording_key"]: row["id"] for row in found}


def _tracks_at(places: Sequence[Place]) -> dict[Place, int]:
    if not places:
        return {}
    found = sql.query(
        f"SELECT t.id, t.release_id, t.disc, t.position FROM {_TRACK} t "  # noqa: S608
        "JOIN unnest(%s::bigint[], %s::int[], %s::int[]) AS p(release_id, disc, position) "
        "USING (release_id, disc, position)",
        [list(part) for part in zip(*places, strict=True)],
    )
    return {(row["release_id"], row["disc"], row["position"]): row["id"] for row in found}


def _place(fields: Mapping[str, Any], releases: Mapping[str, int]) -> Place | None:
    release, position = releases.get(fields.get("release_id") or ""), fields.get("position")
    return (release, fields.get("disc") or 1, position) if release and position is not None else None
