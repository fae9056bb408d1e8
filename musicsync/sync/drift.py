"""The drift guard: a page that holds far less than the provider's answers of this form ever did is not applied.

A provider that renames a field or gives its ids another form answers 200 with well-formed pages. Applied, they would
withdraw that field from the whole catalogue, or bring every track a second time. ``profiles`` says what is suspicious;
here its numbers are kept, and a page is held: its fetch is dead with the reason until an operator has looked.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from musicsync.models import Profile, Provider, Scope
from musicsync.records import Kind, Permanent, Record
from musicsync.sync import profiles, sql
from musicsync.sync.fetches import Lease
from musicsync.sync.profiles import History
from musicsync.sync.sources import Delta

HELD = "the page is held"
"""What the error of such a fetch says, and of no other."""

_PROFILE, _SCOPE = Profile._meta.db_table, Scope._meta.db_table


class Drifted(Permanent):
    """The page is held: its provider's answers have changed."""


class Lesson(Struct, frozen=True):
    """What is to be kept of a page that is applied, and the profile that it is kept in where there is one."""

    shape: str
    profile_id: int | None
    histories: dict[Kind, History]


def check(
    lease: Lease,
    parser_version: int,
    records: Mapping[Kind, Sequence[Record]],
    deltas: Mapping[Kind, Delta],
    form: str = "",
) -> Lesson | None:
    """Compare what is new in a page with the past; return what it teaches, ``None`` where nothing in it is new.

    ``form`` is ``Page.form``.

    Raises:
        Drifted: a field or the form of an id has collapsed; the text says which, and what to do.
    """
    if not any(delta.rows for delta in deltas.values()):
        return None
    shape = profiles.shape_of(lease.request, parser_version, form)
    row = sql.query(
        f"SELECT p.id, p.statistics, s.kind FROM {_SCOPE} s "  # noqa: S608
        f"LEFT JOIN {_PROFILE} p ON p.provider_id = %s AND p.shape = %s WHERE s.id = %s",
        [lease.provider_id, shape, lease.scope_id],
    )[0]
    histories = msgspec.convert(row["statistics"] or {}, dict[Kind, History])
    sample = row["kind"] == Scope.Kind.FEED
    reasons: list[str] = []
    for kind, delta in deltas.items():
        if not delta.rows:
            continue
        lost = profiles.count_lost(kind, ((changed.before, changed.fields) for changed in delta.changed))
        page = profiles.measure(kind, records[kind], lost, lease.scope_id)
        history = histories.get(kind, History())
        reasons += profiles.collapses(kind, history, page, sample=sample)
        histories[kind] = profiles.learn(history, page, sample=sample)
    if reasons:
        raise Drifted(_advice(lease.provider_id, reasons))
    return Lesson(shape, row["id"], histories)


def keep(lease: Lease, lesson: Lesson) -> None:
    """Keep what an applied page teaches, as the last thing of its transaction.

    Where another page is about to, this one teaches nothing: pages never wait for each other here.
    """
    statistics = msgspec.json.encode(lesson.histories).decode()
    if lesson.profile_id is None:
        sql.execute(
            f"INSERT INTO {_PROFILE} (provider_id, shape, statistics, updated_at) "  # noqa: S608
            "VALUES (%s, %s, %s::jsonb, clock_timestamp()) ON CONFLICT DO NOTHING",
            [lease.provider_id, lesson.shape, statistics],
        )
        return
    sql.execute(
        f"UPDATE {_PROFILE} SET statistics = %s::jsonb, updated_at = clock_timestamp() "  # noqa: S608
        f"WHERE id = (SELECT id FROM {_PROFILE} WHERE id = %s FOR UPDATE SKIP LOCKED)",
        [statistics, lesson.profile_id],
    )


def accept(provider: Provider) -> int:
    """Forget how the provider's answers were, so that what they are now is learnt; return how many forms those were."""
    return provider.profiles.all().delete()[0]


def _advice(provider_id: int, reasons: Sequence[str]) -> str:
    slug = Provider.objects.values_list("slug", flat=True).get(pk=provider_id)
    return (
        f"{'; '.join(reasons)}: {HELD}; look at the answers of {slug}, and if they are right, "
        f"`manage.py provider accept-drift {slug}`, then replay"
    )
