"""Apply pages made by hand, each as the answer to a request of a run of its provider."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from musicsync.models import Budget, Fetch, Provider, Run, Scope
from musicsync.records import (
    ArtistRecord,
    Credit,
    MergedId,
    Mode,
    Page,
    Record,
    RejectedItem,
    ReleaseRecord,
    Request,
    TrackRecord,
)
from musicsync.sync import apply, fetches, runs

GTIN, OTHER_GTIN = "00724384960650", "04006381333931"
ISRC, OTHER_ISRC, THIRD_ISRC = "USRC17607839", "GBAYE0601498", "FRZ039800212"
_serial = count(1)


def provider(slug: str, trust: int = 1, **values: Any) -> Provider:
    budget = Budget.objects.create(name=slug, rate=10_000, burst=1000)
    made = Provider.objects.create(
        slug=slug,
        adapter="feed",
        base_url="http://127.0.0.1:9",
        allow_private=True,
        budget=budget,
        trust=trust,
        **values,
    )
    Scope.objects.create(provider=made, kind="feed")
    return made


def open_run(of: Provider, keys: Sequence[str] = (), mode: Mode = "full") -> Run:
    """Open a run that owes the requests with these keys and nothing else."""
    run = Run.objects.create(provider=of, mode=mode, trigger="cli")
    fetches.owe(run.pk, of.pk, "full", of.scopes.get(kind="feed").pk, [Request(path=key) for key in keys])
    return run


def lease(run: Run, key: str) -> fetches.Lease:
    found = fetches.claim(Fetch.objects.get(run=run, key=key).pk)
    assert isinstance(found, fetches.Lease), found
    return found


def say(
    of: Provider,
    *records: Record,
    key: str = "",
    merged: Sequence[MergedId] = (),
    rejected: Sequence[RejectedItem] = (),
) -> Run:
    """Let the provider say this on a page of its own, or on the page with this key, in a run that ends with it."""
    key = key or f"page/{next(_serial)}"
    run = open_run(of, [key], mode="lookup")
    apply.page(lease(run, key), Page(records=records, merged=tuple(merged), rejected=tuple(rejected)), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    return ended


def full_run(of: Provider, pages: dict[str, Sequence[Record] | None]) -> Run:
    """Let a full run of the provider read these pages; of those that are ``None`` it is told that they do not exist."""
    run = open_run(of, list(pages))
    for key, records in pages.items():
        if records is None:
            apply.gone(lease(run, key), f"GET /{key}: 404")
        else:
            apply.page(lease(run, key), Page(records=tuple(records)), None, 1)
    ended = runs.finish(run.pk)
    assert ended is not None
    return ended


def artist(external_id: str = "a1", name: str = "Nina", **values: Any) -> ArtistRecord:
    return ArtistRecord(external_id=external_id, name=name, **values)


def release(external_id: str = "r1", title: str = "Blue", **values: Any) -> ReleaseRecord:
    return ReleaseRecord(external_id=external_id, title=title, **values)


def track(external_id: str = "t1", position: int = 1, *isrcs: str, on: str = "r1", **values: Any) -> TrackRecord:
    """Return a track on disc 1; without ISRCs it says nothing of them."""
    known = {"isrcs": isrcs} if isrcs else {}
    given = {"title": "Song", "release_id": on, "disc": 1, "position": position} | known | values
    return TrackRecord(external_id=external_id, **given)


def recording(external_id: str, *isrcs: str, **values: Any) -> TrackRecord:
    """Return a recording by itself."""
    return TrackRecord(external_id=external_id, **({"title": "Song", "isrcs": isrcs} | values))


def credit(*names: tuple[str, str | None, str]) -> tuple[Credit, ...]:
    return tuple(Credit(name=name, artist_id=artist_id, join_phrase=join) for name, artist_id, join in names)
