"""Apply one answer in one transaction, or not at all: records, changes, the page's own state, and what to ask next.

Nothing here waits for the network. The lease is checked under a lock first, so that a second delivery is a no-op.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

import msgspec
from django.db.models import Subquery
from msgspec import Struct

from musicsync.identifiers import clean_text
from musicsync.models import KnownPage, Rejection, Run
from musicsync.records import KINDS, Kind, Page, Record, RejectedItem, Request
from musicsync.sync import catalogue, drift, fetches, linking, sources, sql
from musicsync.sync.catalogue import Cause, Touched
from musicsync.sync.fetches import Lease
from musicsync.sync.pages import Known
from musicsync.sync.sources import LINKS, SEEN, TABLES, Delta, SourceRow

_PAGE = KnownPage._meta.db_table
_PAGE_COLUMNS = {
    "provider_id": "bigint",
    "scope_id": "bigint",
    "key": "text",
    "etag": "text",
    "digest": "text",
    "parser_version": "int",
    "rejected": "int",
    "total": "int",
    "follow_ups": "jsonb",
    "watermark": "text",
    "missing_since_run_id": "bigint",
    **dict.fromkeys(SEEN.values(), "bigint[]"),
}
_HELD = {"rejected", *SEEN.values()}
"""What a page held, besides the fields of its records and what it led to."""

P = ParamSpec("P")


class _Kept(Struct):
    """What the page was before: how many of its items were rejected, and whether it held anything else than now."""

    rejected: int = 0
    differed: bool = False


class _Written(Struct):
    """What came of a page's records: counts such as "track.created", source rows by kind, what was refused, learnt."""

    counts: dict[str, int]
    seen: dict[Kind, list[int]]
    rejected: list[RejectedItem]
    lesson: drift.Lesson | None

    @property
    def changed(self) -> bool:
        """Tell whether a record was not as it was known."""
        return any(number for name, number in self.counts.items() if not name.endswith(".unchanged"))


def _by_key(function: Callable[P, None]) -> Callable[P, None]:
    """Run the function in a transaction in which rows are looked up by key.

    Two pages may describe the same artist for the first time at the same moment: one of them runs again, and finds what
    the other wrote.
    """

    @sql.in_one_transaction
    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        # A table that has just grown has no statistics, and by its guesses the planner would read all of it for each
        # page, or start workers or a compiler.
        sql.query(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), "
            "set_config('max_parallel_workers_per_gather', '0', true)"
        )
        return function(*args, **kwargs)

    return wrapped


@_by_key
def page(lease: Lease, page: Page, etag: str | None, parser_version: int, digest: str | None = None) -> None:
    """Apply a page that was read and sifted; ``etag`` and ``digest`` are what it will be known by if it stays the same.

    Raises:
        Drifted: it holds far less than such pages did, and is held.
    """
    if not fetches.hold(lease):
        return
    written = _write_records(lease, page, parser_version)
    rejected = [*page.rejected, *written.rejected]
    # What was refused here may be accepted once its release is known: such a page is to be read again.
    same = (None, None) if written.rejected else (etag, digest)
    before = _keep_page(lease, page, same, parser_version, written, len(rejected))
    if rejected or before.rejected:
        _keep_rejections(lease, rejected)
    fetches.owe(lease.run_id, lease.provider_id, lease.mode, lease.scope_id, page.requests)
    _look_again(lease, page.total)
    changed = {"changed": 1} if before.differed else {}
    fetches.close(lease, "page", written.counts | {"rejected": len(rejected)} | changed)
    if written.lesson:
        drift.keep(lease, written.lesson)


@_by_key
def not_modified(lease: Lease, known: Known, etag: str | None) -> None:
    """Apply the answer that a page is as it was, with the validator that it has now."""
    if not fetches.hold(lease):
        return
    if etag != known.etag:
        KnownPage.objects.filter(pk=known.id).update(etag=etag)
    if known.scope_id != lease.scope_id:
        _adopt(known.id, lease)
    if known.missing_since_run_id is not None:
        _found_again(known.id)
    fetches.owe(lease.run_id, lease.provider_id, lease.mode, lease.scope_id, known.follow_ups)
    seen = {f"{kind}.unchanged": number for kind, number in known.mentioned.items()}
    fetches.close(lease, "not_modified", seen | {"rejected": known.rejected})


@_by_key
def gone(lease: Lease, reason: str) -> None:
    """Apply the answer that something is not there.

    One such answer proves nothing: what the page was for is "missing", and each run that is told so goes on by what the
    page held when it was last read, so that it comes by the pages behind it. The page is dropped when a later run is
    told the same, and what no page mentions then is gone (``removal``). A page of a list may be gone because the list
    is shorter now.
    """
    if not fetches.hold(lease):
        return
    counts = {"gone": 1}
    _look_again(lease, None)
    known = KnownPage.objects.filter(provider_id=lease.provider_id, key=lease.key).first()
    if known is not None and _confirms(lease, known.missing_since_run_id):
        known.delete()
    elif known is not None:
        if known.missing_since_run_id is None:
            counts["changed"] = 1
            KnownPage.objects.filter(pk=known.pk).update(missing_since_run=lease.run_id)
            _mark_missing(lease)
        follow_ups = msgspec.convert(known.follow_ups, list[Request])
        fetches.owe(lease.run_id, lease.provider_id, lease.mode, lease.scope_id, follow_ups)
    fetches.close(lease, "gone", counts, reason)


def _look_again(lease: Lease, total: int | None) -> None:
    """Owe the page before the leased one a second time where their list has changed in between (ADR 16).

    What is taken out of a list moves all that stands behind it up, and what would have begun this page ends the one
    that was read already. It shows in the ``total`` of the two; ``None`` where there is no such page any more.
    """
    before = lease.request.before
    if before is not None and before.total != total:
        again = msgspec.structs.replace(before.request, again=True)
        fetches.owe(lease.run_id, lease.provider_id, lease.mode, lease.scope_id, [again])


def _write_records(lease: Lease, page: Page, parser_version: int) -> _Written:
    """Write what the page says: source rows, their links, and the catalogue rows that they change."""
    records: dict[Kind, list[Record]] = {kind: [] for kind in KINDS}
    for record in page.records:
        records[record.kind].append(record)
    deltas = {kind: sources.compare(lease.provider_id, kind, records[kind]) for kind in KINDS}
    lesson = drift.check(lease, parser_version, records, deltas, page.form)
    merged = {kind: {item.old: item.new for item in page.merged if item.kind == kind} for kind in KINDS}
    touched = Touched()
    rejected = _write_sources(lease, deltas, merged, touched)
    counts = {f"{kind}.merged": _merge(lease, kind, merged[kind], touched) for kind in KINDS if merged[kind]}
    if page.merged:
        # An id that was merged away says nothing any more, so what is said is read once all is written.
        touched.new.clear()
    catalogue.refresh(touched, Cause(lease.provider_id, lease.provider, lease.run_id))
    for kind, delta in deltas.items():
        found = {"created": len(delta.new), "updated": len(delta.changed), "unchanged": len(delta.unchanged)}
        counts |= {f"{kind}.{what}": number for what, number in found.items() if number}
    return _Written(counts, {kind: delta.seen for kind, delta in deltas.items()}, rejected, lesson)


def _write_sources(
    lease: Lease, deltas: Mapping[Kind, Delta], merged: Mapping[Kind, Mapping[str, str]], touched: Touched
) -> list[RejectedItem]:
    """Link and write the source rows, and note what they touch; return the tracks whose release is not known."""
    for delta in deltas.values():
        touched.add([row.links for row in delta.changed])
    artists = linking.link_artists(lease.provider_id, deltas["artist"].rows, merged["artist"])
    moved, releases = linking.link_releases(lease.provider_id, deltas["release"].rows, merged["release"])
    relinked = _tracks_to_relink(lease, moved, deltas["track"])
    touched.add([row.links for row in relinked])
    known = _releases_named(lease, deltas, relinked)
    rejected = _reject(deltas["track"], known)
    rows = [*deltas["track"].rows, *relinked]
    touched.places, tracks = linking.link_tracks(rows, known, releases.new)
    recordings = linking.link_recordings(lease.provider_id, rows, tracks.new)
    touched.track.update(linking.absorb(recordings.absorbed))
    touched.recording.update(recordings.absorbed.keys(), recordings.absorbed.values())
    for kind, delta in deltas.items():
        sources.write(lease.provider_id, lease.run_id, kind, delta)
        touched.add([row.links for row in delta.rows])
    sources.write(lease.provider_id, lease.run_id, "track", Delta(changed=relinked))
    touched.add([row.links for row in relinked])
    touched.merged |= {"release": releases.absorbed, "recording": recordings.absorbed}
    touched.new |= {"artist": artists.new, "release": releases.new, "recording": recordings.new, "track": tracks.new}
    artist_ids = deltas["artist"].entities("artist_id")
    touched.artists = {(lease.provider_id, external_id): artist for external_id, artist in artist_ids.items()}
    return rejected


def _tracks_to_relink(lease: Lease, moved: Sequence[str], delta: Delta) -> list[SourceRow]:
    """Return the tracks that stand on a release which is another catalogue row now, but are as they were themselves."""
    if not moved:
        return []
    changed = {row.id for row in delta.changed}
    return [row for row in sources.stored_tracks_of(lease.provider_id, moved) if row.id not in changed]


def _releases_named(lease: Lease, deltas: Mapping[Kind, Delta], relinked: Sequence[SourceRow]) -> dict[str, int]:
    """Return the catalogue's release of each id that the tracks name, where it is known."""
    found = deltas["release"].entities("release_id")
    named = {
        name for row in (*deltas["track"].rows, *relinked) if (name := row.fields.get("release_id"))
    } - found.keys()
    return found | sources.entities_of(lease.provider_id, "release", named)


def _reject(delta: Delta, releases: Mapping[str, int]) -> list[RejectedItem]:
    """Take the tracks out of the delta whose release is not known, and return them."""
    known = {None, *releases}
    unknown = {row.id: row for row in delta.rows if row.fields.get("release_id") not in known}
    if unknown:
        delta.new = [row for row in delta.new if row.id not in unknown]
        delta.changed = [row for row in delta.changed if row.id not in unknown]
    return [
        RejectedItem(
            path=f"track {row.external_id}",
            reason=f"its release {row.fields['release_id']} is not known: that was rejected, or not read",
            excerpt=row.fields["title"],
        )
        for row in unknown.values()
    ]


def _merge(lease: Lease, kind: Kind, merged: Mapping[str, str], touched: Touched) -> int:
    """Mark the source rows whose id was merged into another; return how many were not known to be."""
    links = ", ".join(f"t.{column}" for column in LINKS[kind])
    pairs: list[sql.Row] = [{"old": old, "new": new} for old, new in sorted(merged.items())]
    found = sql.query(
        f"UPDATE {TABLES[kind]} t SET state = 'merged', merged_into = r.new, changed_at = now() "  # noqa: S608
        "FROM jsonb_to_recordset(%s::jsonb) AS r(old text, new text) "
        "WHERE t.provider_id = %s AND t.external_id = r.old AND t.state <> 'merged' "
        f"RETURNING t.merged_into, {links}",
        [msgspec.json.encode(pairs).decode(), lease.provider_id],
    )
    into = {
        row.pop("external_id"): row
        for row in sql.query(
            f"SELECT t.external_id, {links} FROM {TABLES[kind]} t "  # noqa: S608
            "WHERE t.provider_id = %s AND t.external_id = ANY(%s::text[])",
            [lease.provider_id, list(merged.values())],
        )
    }
    for old in found:
        new = into.get(old.pop("merged_into"), {})
        touched.add([old])
        touched.merge(old, new)
    return len(found)


def _keep_page(
    lease: Lease,
    page: Page,
    same: tuple[str | None, str | None],
    parser_version: int,
    written: _Written,
    rejected: int,
) -> _Kept:
    """Keep what the page held; write only what differs. Returns what it was before."""
    wanted = {
        "scope_id": lease.scope_id,
        "etag": same[0],
        "digest": same[1],
        "parser_version": parser_version,
        "rejected": rejected,
        "total": page.total,
        "follow_ups": msgspec.json.decode(msgspec.json.encode(page.requests)),  # lists, as the database gives them
        "watermark": page.watermark,
        "missing_since_run_id": None,
        **{SEEN[kind]: ids for kind, ids in written.seen.items()},
    }
    stored = sql.query(
        f"SELECT id, {', '.join(wanted)} FROM {_PAGE} WHERE provider_id = %s AND key = %s",  # noqa: S608
        [lease.provider_id, lease.key],
    )
    if not stored:
        new = wanted | {"provider_id": lease.provider_id, "key": lease.key}
        sql.copy(_PAGE, _PAGE_COLUMNS, [tuple(new[name] for name in _PAGE_COLUMNS)])
        return _Kept()
    known = stored[0]
    differing = {name: value for name, value in wanted.items() if known[name] != value}
    if lease.mode == "lookup":
        # It stays with the scope whose runs lead to it, which tell when it is there no more.
        differing.pop("scope_id", None)
    if differing:
        KnownPage.objects.filter(pk=known["id"]).update(**differing)
    leads_elsewhere = "follow_ups" in differing and _keys(known["follow_ups"]) != _keys(wanted["follow_ups"])
    differed = leads_elsewhere or written.changed or bool(_HELD & differing.keys())
    # What another parser reads out of the same answer is no change of the provider's.
    return _Kept(known["rejected"], differed and known["parser_version"] == parser_version)


def _keys(follow_ups: Any) -> set[str]:
    """Return what is asked next, in no order: a list that is sorted by its listeners says the same in any."""
    return {request.key for request in msgspec.convert(follow_ups, list[Request])}


def _keep_rejections(lease: Lease, rejected: Sequence[RejectedItem]) -> None:
    """Keep the rejections of the page as it is now; those of before that stand go on as they are."""
    known = KnownPage.objects.only("pk").get(provider_id=lease.provider_id, key=lease.key)
    stored = {(row.path, row.reason): row.pk for row in Rejection.objects.filter(page=known)}
    wanted = {(item.path, item.reason): item for item in rejected}
    solved = [pk for key, pk in stored.items() if key not in wanted]
    if solved:
        Rejection.objects.filter(pk__in=solved).delete()
    Rejection.objects.bulk_create(
        Rejection(
            page=known,
            provider_id=lease.provider_id,
            run_id=lease.run_id,
            path=item.path,
            reason=item.reason,
            excerpt=clean_text(item.excerpt),
        )
        for key, item in wanted.items()
        if key not in stored
    )


def _confirms(lease: Lease, first_run_id: int | None) -> bool:
    """Tell whether an answer proves that a page is not there, as another run was told first.

    A run that began before that one had ended proves nothing, nor does a lookup: either may ask within seconds of it.
    """
    if first_run_id is None or lease.mode == "lookup":
        return False
    this = Run.objects.filter(pk=lease.run_id).values("started_at")
    return Run.objects.filter(pk=first_run_id, finished_at__lt=Subquery(this)).exists()


def _mark_missing(lease: Lease) -> None:
    if lease.request.refreshes is None:
        return
    kind, external_id = lease.request.refreshes
    sql.execute(
        f"UPDATE {TABLES[kind]} SET state = 'missing' "  # noqa: S608
        "WHERE provider_id = %s AND external_id = %s AND state = 'present'",
        [lease.provider_id, external_id],
    )


def _adopt(page_id: int, lease: Lease) -> None:
    """Let a page that belongs to a scope which is not followed, such as that of a lookup, belong to the lease's."""
    if lease.mode != "lookup":
        KnownPage.objects.filter(pk=page_id, scope__active=False).update(scope=lease.scope_id)


def _found_again(page_id: int) -> None:
    """Take back that the page, and what it mentions, was missing."""
    KnownPage.objects.filter(pk=page_id).update(missing_since_run=None)
    for kind, table in TABLES.items():
        sql.execute(
            f"UPDATE {table} SET state = 'present' "  # noqa: S608
            f"WHERE id = ANY(SELECT unnest({SEEN[kind]}) FROM {_PAGE} WHERE id = %s) AND state = 'missing'",
            [page_id],
        )
