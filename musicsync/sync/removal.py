"""What a provider has no more.

Removal needs evidence. The pages of a provider, as they were last read, say what it has (``KnownPage``). After a full
run that read every page of its scopes, pages that neither it, nor a lookup since it began, nor a later run came by are
dropped, and what no page mentions any more is gone. A single "not found" is no evidence: its page stays until a later
run is told the same (``apply.gone``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db.models import Q
from msgspec import Struct

from musicsync.models import Fetch, KnownPage, Rejection, Run
from musicsync.records import KINDS, Kind
from musicsync.sync import catalogue, checks, fetches, sql
from musicsync.sync.catalogue import Cause, Touched
from musicsync.sync.sources import LINKS, LIVE, SEEN, TABLES

_PAGE, _FETCH, _REJECTION = (model._meta.db_table for model in (KnownPage, Fetch, Rejection))
_STALE = f"""
    k.provider_id = %s
    AND k.scope_id IN (SELECT f.scope_id FROM {_FETCH} f WHERE f.run_id = %s)
    AND NOT EXISTS (SELECT 1 FROM {_FETCH} f WHERE f.run_id = ANY(%s::bigint[]) AND f.key = k.key)
"""  # noqa: S608
"""Pages of the run's scopes that none of the runs that are evidence came by."""


class Unmentioned(Struct, frozen=True):
    """The live source rows of a provider that no page mentions, by kind, and how many live tracks it has in all."""

    ids: Mapping[Kind, list[int]]
    tracks_in_all: int

    @property
    def share(self) -> float:
        """Return the share of the provider's tracks that would be removed."""
        return len(self.ids["track"]) / self.tracks_in_all if self.tracks_in_all else 0.0


def find(run: Run) -> Unmentioned:
    """Return what is gone by the evidence of a full run in which every fetch was applied. Changes nothing.

    What lookups have read since the run began, and what later runs did, is evidence too. Until the end of the caller's
    transaction lookups apply no more pages: a row that one of them comes by meanwhile would be removed all the same.
    """
    fetches.stop_lookups(run.provider_id)
    with _set_against_set():
        unmentioned = {kind: _unmentioned(run, kind) for kind in KINDS}
    tracks_in_all = sql.query(
        f"SELECT count(*) AS n FROM {TABLES['track']} WHERE provider_id = %s AND state = ANY(%s)",  # noqa: S608
        [run.provider_id, list(LIVE)],
    )[0]["n"]
    return Unmentioned(unmentioned, tracks_in_all)


def remove(run: Run, unmentioned: Unmentioned) -> dict[str, int]:
    """Mark the rows as gone, and the catalogue rows that no provider has any more; return "track.removed" and so on.

    Runs in the caller's transaction.
    """
    evidence = _evidence(run)
    stale = [run.provider_id, run.pk, evidence]
    touched = Touched()
    with _set_against_set():
        sql.execute(
            f"DELETE FROM {_REJECTION} WHERE page_id IN (SELECT k.id FROM {_PAGE} k WHERE {_STALE})",  # noqa: S608
            stale,
        )
        sql.execute(f"DELETE FROM {_PAGE} k WHERE {_STALE}", stale)  # noqa: S608
        checks.forget_unknown(run.provider_id, evidence)
        for kind, ids in unmentioned.ids.items():
            rows = sql.query(
                f"UPDATE {TABLES[kind]} SET state = 'gone', changed_at = now(), changed_run_id = %s "  # noqa: S608
                f"WHERE id = ANY(%s::bigint[]) AND state = ANY(%s) RETURNING {', '.join(LINKS[kind])}",
                [run.pk, ids, list(LIVE)],
            )
            touched.add(rows)
        catalogue.refresh(touched, Cause(run.provider_id, run.provider.slug, run.pk))
    return {f"{kind}.removed": len(ids) for kind, ids in unmentioned.ids.items() if ids}


@contextmanager
def _set_against_set() -> Iterator[None]:
    """Let the caller's transaction join without nested loops within the block.

    These are sets of everything against everything; before a new table has statistics, the planner takes them for few
    rows and would go over them one by one (1.1 s for 10,000 tracks, against 0.03 s). What else the transaction does
    looks things up by key.
    """
    sql.execute("SET LOCAL enable_nestloop = off")
    yield
    sql.execute("SET LOCAL enable_nestloop TO DEFAULT")


def _evidence(run: Run) -> list[int]:
    """Return the runs whose pages say what the provider has: this one, the lookups since it began, and all later ones.

    What a later run read before it was cancelled is as true as the rest.
    """
    lookup_since = Q(mode=Run.Mode.LOOKUP) & ~Q(finished_at__lt=run.started_at)
    others = Run.objects.filter(Q(pk__gt=run.pk) | lookup_since, provider=run.provider_id)
    return [run.pk, *others.values_list("pk", flat=True)]


def _unmentioned(run: Run, kind: Kind) -> list[int]:
    rows = sql.query(
        f"""
        SELECT s.id FROM {TABLES[kind]} s
        WHERE s.provider_id = %s AND s.state = ANY(%s) AND NOT EXISTS (
            SELECT 1 FROM (
                SELECT unnest(k.{SEEN[kind]}) AS id FROM {_PAGE} k
                WHERE k.provider_id = %s AND NOT ({_STALE})
            ) seen WHERE seen.id = s.id)
        ORDER BY s.id
        """,  # noqa: S608
        [run.provider_id, list(LIVE), run.provider_id, run.provider_id, run.pk, _evidence(run)],
    )
    return [row["id"] for row in rows]
