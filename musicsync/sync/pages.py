"""What is known of a page before it is asked for: by what it is known again, and what it holds, without the ids."""

import msgspec
from msgspec import Struct

from musicsync.models import KnownPage
from musicsync.records import KINDS, Kind, Request
from musicsync.sync import sql
from musicsync.sync.sources import SEEN

_PAGE = KnownPage._meta.db_table
_MENTIONED = ", ".join(f"cardinality({SEEN[kind]}) AS {kind}" for kind in KINDS)


class Known(Struct, frozen=True):
    """A page as it was when it was last read; ``mentioned`` says how many source rows of each kind it mentions."""

    id: int
    scope_id: int
    etag: str | None
    digest: str | None
    rejected: int
    follow_ups: list[Request]
    missing_since_run_id: int | None
    mentioned: dict[Kind, int]


def known(provider_id: int, request: Request, parser_version: int) -> Known | None:
    """Return what is known of a page that this version of the parser has read, ``None`` where there is nothing.

    What is known of one page of a list holds no more where the page before it found the list with another total: that
    it is still the same would hide that the list has changed (ADR 16).
    """
    before = request.before.total if request.before else None
    rows = sql.query(
        f"SELECT id, scope_id, etag, digest, rejected, follow_ups, missing_since_run_id, {_MENTIONED} "  # noqa: S608
        f"FROM {_PAGE} WHERE provider_id = %s AND key = %s AND parser_version = %s AND (%s::int IS NULL OR total = %s)",
        [provider_id, request.key, parser_version, before, before],
    )
    if not rows:
        return None
    row = rows[0]
    mentioned = {kind: row.pop(kind) for kind in KINDS}
    return Known(**row | {"follow_ups": msgspec.convert(row["follow_ups"], list[Request])}, mentioned=mentioned)
