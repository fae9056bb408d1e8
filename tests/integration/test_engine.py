"""Whole runs of the engine on a real PostgreSQL, against the sandbox over HTTP."""

from typing import Any

import pytest
from django.db.models import QuerySet

from musicsync.identifiers import is_gtin, normalise_gtin
from musicsync.models import (
    Artist,
    Change,
    Fetch,
    Isrc,
    Provider,
    Recording,
    Rejection,
    Release,
    Run,
    SourceTrack,
    Track,
)
from musicsync.sync import circuit
from sandbox.catalogue import World
from sandbox.world import Release as SandboxRelease
from tests.integration.cataloguing import catalogue, forget_all_but_providers, row_versions
from tests.integration.conftest import SEED, TRACKS
from tests.integration.driving import control, follow, in_threads, sync
from tests.unit.providers.server import answer, serving

DIALECTS = ("musicbrainz", "deezer", "feed")
EVERY_DIALECT = (*DIALECTS, "jamendo", "lastfm")


def in_order(base: str, *adapters: str) -> list[Provider]:
    """Follow the adapters, the first the most trusted."""
    return [follow(base, adapter, trust=trust) for trust, adapter in enumerate(adapters, start=1)]


def outcomes(run: Run) -> set[str | None]:
    return set(Fetch.objects.filter(run=run).values_list("outcome", flat=True))


def test_two_providers_make_one_catalogue(base: str) -> None:
    for provider in in_order(base, "musicbrainz", "deezer"):
        assert sync(provider).status == "done"
    world = World(TRACKS, SEED)
    here, there = ([world.block(n) for n in part.numbers] for part in (world.musicbrainz(), world.deezer()))
    both = [block for block in here if block in there]
    tied = {index for block in both for index, release in block.releases.items() if has_gtin(release)}
    releases = [release for block in here + there for release in block.releases.values()]
    tracks = [track for block in here + there for track in block.tracks.values()]
    isrcs = {track.isrc for track in tracks if track.isrc}
    without = [track for track in tracks if not track.isrc]

    assert len(tied) > 0 < len(without)
    assert present(Release).count() == len(releases) - len(tied)
    assert present(Track).count() == len(tracks) - sum(track.release in tied for track in tracks) // 2
    assert set(Isrc.objects.values_list("code", flat=True)) == isrcs
    assert Isrc.objects.values("recording").distinct().count() == len(isrcs)
    alone = sum(track.release not in tied for track in without) + sum(track.release in tied for track in without) // 2
    assert present(Recording).filter(isrcs=None).count() == alone
    assert set(Track.objects.filter(release__in=shared()).values_list("provenance__title", flat=True)) == {
        "musicbrainz"
    }


def present(model: type[Any]) -> QuerySet[Any]:
    return model.objects.filter(state="present")


def has_gtin(release: SandboxRelease) -> bool:
    return is_gtin(normalise_gtin(release.barcode or ""))


def shared() -> QuerySet[Release]:
    return Release.objects.filter(sources__provider__slug="musicbrainz").filter(sources__provider__slug="deezer")


def test_a_second_run_writes_no_row(base: str) -> None:
    providers = in_order(base, *DIALECTS)
    for provider in providers:
        assert sync(provider).status == "done"
    before, changes = row_versions(), Change.objects.count()

    again = [sync(provider) for provider in providers]

    assert Change.objects.count() == changes
    assert row_versions() == before
    assert [outcomes(run) for run in again] == [{"not_modified"}, {"page"}, {"not_modified"}]
    for run in again:
        assert run.summary["distinct_tracks"] == TRACKS
        assert not any("created" in what or "updated" in what or "removed" in what for what in run.summary)


def test_any_number_of_workers_makes_the_same_catalogue(base: str) -> None:
    providers = in_order(base, *DIALECTS)
    for provider in providers:
        sync(provider)
    alone = catalogue()
    forget_all_but_providers()

    ended = in_threads(*(lambda provider=provider: sync(provider, threads=4) for provider in providers))

    assert [run.status for run in ended] == ["done"] * 3
    assert catalogue() == alone


@pytest.mark.parametrize("adapter", [*EVERY_DIALECT, "discogs", "itunes"])
def test_what_the_sandbox_changes_is_what_changes(base: str, adapter: str) -> None:
    provider = follow(base, adapter)
    sync(provider)
    expected = control(base, "evolve", json={})[adapter]
    before = {row.external_id: row.fields for row in SourceTrack.objects.all()}

    run = sync(provider)

    assert run.status == "done", run.error
    found = {row.external_id: row for row in SourceTrack.objects.all()}
    assert sum(row.state == "present" for row in found.values()) == expected["tracks"]
    assert sum(row.state == "gone" for row in found.values()) == expected["removed"]
    assert len(found.keys() - before.keys()) == expected["added"]
    edited = [name for name, row in found.items() if name in before and row.fields != before[name]]
    assert len(edited) == expected["edited"]
    assert run.summary["track.removed"] == expected["removed"]
    merged = Change.objects.filter(run=run, entity="artist", action="merged")
    assert merged.count() == (
        expected["merged_artists"] if adapter in ("musicbrainz", "discogs") else 0
    )  # the feed has nobody to ask, Deezer none to merge, Jamendo no trace of one
    for change in merged:
        assert Artist.objects.get(pk=change.after["merged_into"]).state == "present"
    for change in Change.objects.filter(run=run).exclude(action="created"):
        assert change.before != change.after
        assert change.before.keys() <= change.after.keys()
    gone = Track.objects.filter(sources__state="gone")
    assert set(gone.values_list("state", flat=True)) == {"gone"}


FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "ms": 50, "every": 5},
    {"kind": "status", "status": 503, "every": 3, "count": 8},
    {"kind": "status", "status": 429, "retry_after": 1, "every": 3, "count": 3},
    {"kind": "status", "status": 500, "every": 3, "count": 8},
    {"kind": "deezer_code", "code": 4, "dialect": "deezer", "every": 5, "count": 6},
    {"kind": "deezer_code", "code": 700, "dialect": "deezer", "every": 5, "count": 6},
    {"kind": "truncated", "every": 3, "count": 8},
    {"kind": "malformed", "every": 3, "count": 8},
    {"kind": "reset", "every": 3, "count": 8},
    {"kind": "slow", "bytes_per_second": 40_000, "every": 10, "count": 3},
]


@pytest.mark.usefixtures("no_pauses")
def test_faults_that_pass_leave_no_trace_in_the_catalogue(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody sweeps here, so nobody would close a circuit that some failures in a row have opened.
    monkeypatch.setattr(circuit, "MOST_FAILURES", 100)
    providers = in_order(small, *DIALECTS)
    for provider in providers:
        sync(provider)
    without = catalogue()
    for fault in FAULTS:
        forget_all_but_providers()
        control(small, "faults", json=[fault])
        ended = in_threads(*(lambda provider=provider: sync(provider, threads=2) for provider in providers))
        assert [(run.status, run.error) for run in ended] == [("done", "")] * 3, fault
        assert catalogue() == without, fault
        assert hits(small) > 0, fault


@pytest.mark.parametrize("adapter", EVERY_DIALECT[:-1])  # Last.fm's lists are a field of something else
def test_one_wrong_item_is_refused_with_path_and_reason_and_its_page_goes_on(small: str, adapter: str) -> None:
    provider = follow(small, adapter)
    path = {"musicbrainz": "^release", "deezer": "tracks$", "feed": "", "jamendo": "^tracks"}.get(adapter, "")
    control(small, "faults", json=[{"kind": "wrong_type", "path": path, "count": 1}])

    run = sync(provider)

    assert (run.status, run.summary["rejected"]) == ("done", 1)
    refused = Rejection.objects.get()
    assert refused.path.startswith("$.")
    assert "str" in refused.reason or "text" in refused.reason
    assert 0 < SourceTrack.objects.count() < 100
    assert sync(provider).summary["rejected"] == 0
    assert SourceTrack.objects.count() == 100
    assert not Rejection.objects.exists()


@pytest.mark.parametrize("adapter", EVERY_DIALECT)
def test_text_that_no_database_takes_is_cleaned(small: str, adapter: str) -> None:
    provider = follow(small, adapter)
    sync(provider)
    before = catalogue()
    forget_all_but_providers()
    control(small, "faults", json=[{"kind": "nul"}])
    assert sync(provider).status == "done"
    assert catalogue() == before


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("adapter", DIALECTS)
def test_false_answers_of_not_found_remove_nothing(small: str, adapter: str, share: float) -> None:
    provider = follow(small, adapter)
    provider.removal_limit = 1.0
    provider.save()
    sync(provider)
    before = catalogue()
    control(small, "faults", json=[{"kind": "false_404", "share": share}])

    run = sync(provider)

    control(small, "faults", json=[])
    states = set(SourceTrack.objects.values_list("state", flat=True))
    assert (run.status, states <= {"present", "missing"}) == ("done", True)
    assert set(Track.objects.values_list("state", flat=True)) == {"present"}
    assert sync(provider).status == "done"
    assert catalogue() == before


def test_an_empty_feed_does_not_empty_the_catalogue(small: str) -> None:
    provider = follow(small, "feed")
    sync(provider)
    before = catalogue()
    with serving(answer(b'{"items": []}')) as empty:
        provider.base_url = empty.url
        provider.save()
        run = sync(provider)
    assert run.status == "held"
    assert "100 of 100 tracks (100%) would be removed" in run.error
    assert f"run approve {run.pk}" in run.error
    assert catalogue() == before


def hits(base: str) -> int:
    return sum(rule["hits"] for rule in control(base, "faults"))
