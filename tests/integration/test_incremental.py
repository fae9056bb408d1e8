"""Incremental runs: what is new, for few requests."""

import pytest

from musicsync.models import Fetch, KnownPage, Run, SourceTrack
from tests.integration.driving import control, follow, make_lists_due, sync


def asked(run: Run) -> set[str]:
    return set(Fetch.objects.filter(run=run).values_list("key", flat=True))


def served(base: str, adapter: str) -> int:
    return control(base, "state")["requests"][adapter]["served"]


def test_details_that_are_known_are_not_asked_for_again(small: str) -> None:
    provider = follow(small, "deezer")
    sync(provider)
    make_lists_due()
    before = served(small, "deezer")

    run = sync(provider, "incremental")

    artists = provider.scopes.count()
    assert served(small, "deezer") - before == 2 * artists
    assert {key.split("/")[0] for key in asked(run)} == {"artist"}
    assert run.summary["requests"] == 2 * artists


def test_details_of_what_is_new_are_asked_for(base: str) -> None:
    provider = follow(base, "deezer")
    sync(provider)
    before = set(SourceTrack.objects.values_list("external_id", flat=True))
    albums = set(KnownPage.objects.filter(key__startswith="album/").values_list("key", flat=True))
    control(base, "evolve", json={"generations": 2, "expected": False})
    make_lists_due()

    run = sync(provider, "incremental")

    new = {key for key in asked(run) if key.startswith("album/")}
    assert new
    assert not new & albums
    assert set(SourceTrack.objects.values_list("external_id", flat=True)) - before
    assert "track.removed" not in run.summary


def test_a_page_that_is_missing_behind_a_known_one_is_found(small: str) -> None:
    provider = follow(small, "deezer")
    sync(provider)
    lost = KnownPage.objects.filter(key__startswith="album/", key__contains="/tracks").order_by("pk")[:2]
    keys = {page.key for page in lost}
    KnownPage.objects.filter(key__in=keys).delete()
    make_lists_due()

    run = sync(provider, "incremental")

    assert {key for key in asked(run) if key.startswith("album/")} == keys


def test_a_feed_goes_on_at_its_watermark(base: str) -> None:
    provider = follow(base, "feed")
    sync(provider)
    assert provider.scopes.get().watermark == "g0"
    expected = control(base, "evolve", json={})["feed"]

    run = sync(provider, "incremental")

    assert asked(run) == {"feed/tracks?limit=1000&since=g0"}
    assert run.summary["track.created"] == expected["added"]
    assert run.summary["track.updated"] == expected["edited"]
    assert provider.scopes.get().watermark == "g1"
    assert sync(provider, "incremental").summary["distinct_tracks"] == 0


@pytest.mark.usefixtures("no_pauses")
def test_a_run_with_a_dead_fetch_does_not_move_the_watermark(small: str) -> None:
    provider = follow(small, "feed")
    control(small, "faults", json=[{"kind": "deep"}])
    assert sync(provider).status == "failed"
    assert provider.scopes.get().watermark is None
