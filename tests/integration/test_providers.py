"""Round trips: what the sandbox holds is exactly what the catalogue gets, in the words of each provider."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from musicsync.identifiers import is_gtin, normalise_date, normalise_gtin
from musicsync.models import (
    Artist,
    Change,
    Fetch,
    KnownPage,
    PageCheck,
    Provider,
    Release,
    SourceRelease,
    SourceTrack,
    Track,
)
from sandbox.catalogue import Catalogue, World
from sandbox.ids import encode_number
from sandbox.world import Credit
from sandbox.world import Release as SandboxRelease
from sandbox.world import Track as SandboxTrack
from tests.integration.cataloguing import catalogue, forget_all_but_providers, row_versions
from tests.integration.conftest import SEED, TRACKS
from tests.integration.driving import follow, make_lists_due, sync

WORLD = World(TRACKS, SEED)


def credit(credited: tuple[Credit, ...]) -> str:
    return "".join(one.artist.name + one.join for one in credited)


def valid(barcode: str | None) -> str | None:
    code = normalise_gtin(barcode or "")
    return code if is_gtin(code) else None


def title(track: SandboxTrack) -> str:
    return track.title if track.version is None else f"{track.title} ({track.version})"


def held(catalogue: Catalogue) -> list[tuple[SandboxRelease, SandboxTrack]]:
    blocks = [catalogue.world.block(number) for number in catalogue.numbers]
    return [(block.releases[track.release], track) for block in blocks for track in block.tracks.values()]


def test_what_discogs_holds_is_what_the_catalogue_gets(base: str) -> None:
    assert sync(follow(base, "discogs")).status == "done"
    world = held(WORLD.musicbrainz())

    expected = {
        (release.title, valid(release.barcode), track.disc, track.position): (
            *(title(track), credit(track.credits), [track.isrc] if track.isrc else []),
            *(None if track.untimed else track.duration_ms // 1000 * 1000, credit(release.credits), release.type),
            *(normalise_date(release.date), release.label and release.label.name),
            *(release.catalog_number, [release.genre]),
        )
        for release, track in world
    }
    assert len(expected) == TRACKS
    assert {
        (track.release.title, track.release.gtin, track.disc, track.position): (
            *(track.title, track.recording.artist_credit, [isrc.code for isrc in track.recording.isrcs.all()]),
            *(track.recording.duration_ms, track.release.artist_credit, track.release.type),
            *(track.release.released, track.release.label or None),
            *(track.release.catalog_number or None, track.release.genres),
        )
        for track in Track.objects.select_related("release", "recording").prefetch_related("recording__isrcs")
    } == expected
    names = {one.artist.name for release, track in world for one in (*release.credits, *track.credits)}
    assert set(Artist.objects.values_list("name", flat=True)) == names
    assert Release.objects.count() == len({release.index for release, _ in world})


def test_what_itunes_holds_is_what_the_catalogue_gets(base: str) -> None:
    assert sync(follow(base, "itunes")).status == "done"
    world = held(WORLD.deezer())

    songs = {
        str(encode_number("track", track.index)): (
            *(title(track), credit(track.credits), track.disc, track.position, track.explicit, ["US"]),
            *(None if track.untimed else track.duration_ms, str(encode_number("release", release.index))),
        )
        for release, track in world
    }
    assert {
        row.external_id: (
            *(row.fields["title"], printed(row), row.fields["disc"], row.fields["position"], row.fields["explicit"]),
            *(row.fields["territories"], row.fields.get("duration_ms"), row.fields["release_id"]),
        )
        for row in SourceTrack.objects.all()
    } == songs
    albums = {
        str(encode_number("release", release.index)): (
            *(release.title, release.type if release.type in ("single", "ep") else "album", credit(release.credits)),
            *(whole(release.date), [release.genre.title()], ["US"]),
        )
        for release, _ in world
    }
    assert {
        row.external_id: (
            *(row.fields["title"], row.fields["type"], printed(row)),
            *(row.fields["released"], row.fields["genres"], row.fields["territories"]),
        )
        for row in SourceRelease.objects.all()
    } == albums


def printed(row: SourceRelease | SourceTrack) -> str:
    return "".join(line["name"] + line["join_phrase"] for line in row.fields["credits"])


def whole(date: str) -> str | None:
    return date + "0000-01-01"[len(date) :] if date else None


ADAPTERS = ["discogs", "itunes"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_second_run_changes_nothing(base: str, adapter: str) -> None:
    provider = follow(base, adapter)
    sync(provider)
    before, changes = row_versions(), Change.objects.count()
    assert sync(provider).status == "done"
    assert (row_versions(), Change.objects.count()) == (before, changes)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_any_number_of_workers_makes_the_same_catalogue(base: str, adapter: str) -> None:
    provider = follow(base, adapter)
    sync(provider)
    alone = catalogue()
    forget_all_but_providers()
    assert sync(provider, threads=4).status == "done"
    assert catalogue() == alone


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_incremental_run_asks_for_no_release_that_it_knows(small: str, adapter: str) -> None:
    provider = follow(small, adapter)
    sync(provider)
    known = Fetch.objects.count()
    make_lists_due()
    sync(provider, "incremental")
    again = Fetch.objects.count() - known
    assert 0 < again <= known - Release.objects.count()


def test_another_country_is_asked_for_all_that_is_known_at_once(small: str, tmp_path: Path) -> None:
    provider = follow(small, "itunes")
    sync(provider)
    known = set(KnownPage.objects.values_list("key", flat=True))
    PageCheck.objects.update(check_at=timezone.now())
    options = tmp_path / "options.json"
    options.write_text('{"country": "GB"}')
    call_command("provider", "set", "itunes", "--options", str(options))
    provider = Provider.objects.get()
    asked = set(Fetch.objects.filter(run=sync(provider, "incremental")).values_list("key", flat=True))
    assert asked == {key.replace("country=us", "country=gb") for key in known}
    assert list(SourceRelease.objects.values_list("fields__territories", flat=True).distinct()) == [["GB"]]
