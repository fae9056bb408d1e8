"""What a provider has no more.

Removal needs evidence. The pages of a provider, as they were last read, say what it has (``KnownPage``). After a full
run that read every page of its scopes, pages that neither it nor a lookup since it began came by are dropped, and what
no page mentions any more is gone. A single "not found" is no evidence: its page stays until a later run is told the
same (``apply.gone``).
"""

from collections.abc import Mapping

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

    What lookups have read since the run began is evidence too. Until the end of the caller's transaction they apply no
    more pages: a row that one of them comes by meanwhile would be removed all the same.
    """
    fetches.stop_lookups(run.provider_id)
    # These are sets of everything against everything; before a new table has statistics, the planner takes them for few
    # rows and would go over them one by one (1.1 s for 10,000 tracks, against 0.03 s).
    sql.execute("SET LOCAL enable_nestloop = off")
    return Unmentioned(
        {kind: _unmentioned(run, kind) for kind in KINDS},
        sql.query(
            f"SELECT count(*) AS n FROM {TABLES['track']} WHERE provider_id = %s AND state = ANY(%s)",  # noqa: S608
            [run.provider_id, list(LIVE)],
        )[0]["n"],
    )


def remove(run: Run, unmentioned: Unmentioned) -> dict[str, int]:
    """Mark the rows as gone, and the catalogue rows that no provider has any more; return "track.removed" and so on.

    Runs in the caller's transaction.
    """
    sql.execute(
        f"DELETE FROM {_REJECTION} WHERE page_id IN (SELECT k.id FROM {_PAGE} k WHERE {_STALE})",  # noqa: S608
        _stale_parameters(run),
    )
    sql.execute(f"DELETE FROM {_PAGE} k WHERE {_STALE}", _stale_parameters(run))  # noqa: S608
    checks.forget_unknown(run.provider_id)
    touched = Touched()
    for kind, ids in unmentioned.ids.items():
        rows = sql.query(
            f"UPDATE {TABLES[kind]} SET state = 'gone', changed_at = now(), changed_run_id = %s "  # noqa: S608
            f"WHERE id = ANY(%s::bigint[]) AND state = ANY(%s) RETURNING {', '.join(LINKS[kind])}",
            [run.pk, ids, list(LIVE)],
        )
        touched.add(rows)
    catalogue.refresh(touched, Cause(run.provider_id, run.provider.slug, run.pk))
    return {f"{kind}.removed": len(ids) for kind, ids in unmentioned.ids.items() if ids}


def _stale_parameters(run: Run) -> list[int | list[int]]:
    lookups = Run.objects.filter(provider=run.provider_id, mode=Run.Mode.LOOKUP)
    since = lookups.exclude(finished_at__lt=run.started_at).values_list("pk", flat=True)
    return [run.provider_id, run.pk, [run.pk, *since]]


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
        [run.provider_id, list(LIVE), run.provider_id, *_stale_parameters(run)],
    )
    return [row["id"] for row in rows]
