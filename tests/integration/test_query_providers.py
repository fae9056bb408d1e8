"""Providers whose credential travels in the query: Jamendo and Last.fm, whole runs against the sandbox."""

import pytest
from django.conf import settings
from django.core.management import call_command

from musicsync.models import Budget, Fetch, KnownPage, Profile, Provider, SourceRelease, SourceTrack
from musicsync.records import MusicsyncError, Refused
from musicsync.sync.asking import ask_once
from sandbox.catalogue import World
from tests.integration.conftest import SEED, TRACKS
from tests.integration.driving import control, follow, make_lists_due, sync
from tests.integration.test_secrecy import rows_of_every_table
from tests.unit.sandbox.serving import serve

ADAPTERS = ("jamendo", "lastfm")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_catalogue_gets_what_the_sandbox_holds_and_no_key(base: str, adapter: str) -> None:
    run = sync(follow(base, adapter))
    assert (run.status, run.summary["rejected"], run.summary["distinct_tracks"]) == ("done", 0, TRACKS)
    world = World(TRACKS, SEED)
    tracks = [track for number in world.musicbrainz().numbers for track in world.block(number).tracks.values()]
    titles = sorted(f"{track.title} ({track.version})" if track.version else track.title for track in tracks)
    assert sorted(SourceTrack.objects.values_list("fields__title", flat=True)) == titles
    genres = {genre for row in SourceRelease.objects.all() for genre in row.fields["genres"]}
    blocks = [world.block(number) for number in world.musicbrainz().numbers]
    assert genres == {release.genre.lower() for block in blocks for release in block.releases.values()}
    key = settings.MUSICSYNC_CREDENTIALS[f"MUSICSYNC_CREDENTIAL_{adapter.upper()}"]
    assert key not in rows_of_every_table()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_second_run_finds_nothing_new_whatever_is_counted_or_signed_anew(small: str, adapter: str) -> None:
    provider = follow(small, adapter)
    sync(provider)
    again = sync(provider)
    assert again.status == "done"
    assert not any(what.split(".")[-1] in ("created", "updated", "removed") for what in again.summary)


def test_last_fm_is_not_asked_again_for_what_is_known(small: str) -> None:
    provider = follow(small, "lastfm")
    sync(provider)
    make_lists_due()
    run = sync(provider, "incremental")
    keys = Fetch.objects.filter(run=run).values_list("key", flat=True)
    methods = {key.partition("method=")[2].partition("&")[0] for key in keys}
    assert methods == {"artist.getInfo", "artist.getTopAlbums"}
    assert KnownPage.objects.filter(key__contains="album.getInfo").exists()


def test_answers_of_one_address_are_compared_by_their_method(small: str) -> None:
    sync(follow(small, "lastfm"))
    shapes = [shape.split("?")[1] for shape in Profile.objects.order_by("shape").values_list("shape", flat=True)]
    assert shapes == [
        "album&artist&format&method album.getInfo v2",
        "artist&format&method&page artist.getTopAlbums v2",
        "format&mbid&method artist.getInfo v2",
    ]


def test_a_feed_goes_on_at_the_newest_release_date(small: str) -> None:
    provider = follow(small, "jamendo")
    provider.scopes.all().delete()
    provider.scopes.create(kind="feed")
    assert sync(provider).status == "done"
    newest = max(release.date for release in World(100, SEED).block(0).releases.values() if len(release.date) == 10)
    assert provider.scopes.get().watermark >= newest
    control(small, "evolve", json={"generations": 4, "expected": False})
    run = sync(provider, "incremental")
    assert Fetch.objects.filter(run=run).count() == 2
    assert run.summary["track.created"] > 0


@pytest.mark.parametrize(("adapter", "answered"), [("jamendo", "Invalid Client Id"), ("lastfm", "Invalid API key")])
def test_a_credential_that_is_missing_or_wrong_is_said_with_its_setting(
    db: None, adapter: str, answered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MUSICSYNC_CREDENTIALS", {})
    with serve(100, SEED, keys={adapter: "the-right-key"}) as url:
        provider = follow(url, adapter)
        with pytest.raises(MusicsyncError, match=f"{provider.credential_setting} is not set"):
            ask_once(provider)
        settings.MUSICSYNC_CREDENTIALS[provider.credential_setting] = "the-wrong-key"
        with pytest.raises(Refused, match=f"{answered}.* {adapter} takes it from {provider.credential_setting}"):
            ask_once(provider)
        settings.MUSICSYNC_CREDENTIALS[provider.credential_setting] = "the-right-key"
        assert ask_once(provider).response.status == 200


def test_a_new_budget_has_the_quota_of_the_month(db: None) -> None:
    call_command("provider", "add", "jamendo", "--adapter", "jamendo", verbosity=0)
    assert Budget.objects.get(name="jamendo").per_month == 35_000
    call_command("provider", "add", "lastfm", "--adapter", "lastfm", verbosity=0)
    assert Provider.objects.get(slug="lastfm").budget.per_month is None
