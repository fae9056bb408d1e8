"""What the migrations do to rows of a release before."""

import importlib

import pytest
from django.apps import apps
from django.db import connection

from musicsync.models import Budget, Provider, SourceTrack
from tests.integration.paging import credit, provider, release, say, track

STAY = [
    "http://127.0.0.1:8100/deezer",
    "https://localhost",
    "http://10.0.0.7/ws/2",
    "http://[::1]:9",
    "http://[fd00::1]",
]
OTHERS = ["https://api.deezer.com", "http://8.8.8.8", "http://feed.internal"]


@pytest.mark.django_db
def test_a_provider_that_is_in_a_private_network_may_stay_there() -> None:
    for number, url in enumerate((*STAY, *OTHERS)):
        budget = Budget.objects.create(name=f"b{number}", rate=1)
        Provider.objects.create(slug=f"p{number}", adapter="feed", base_url=url, budget=budget)
    importlib.import_module("musicsync.migrations.0005_allow_private").allow(apps, None)
    assert set(Provider.objects.filter(allow_private=True).values_list("base_url", flat=True)) == set(STAY)


@pytest.mark.django_db
def test_the_one_artist_that_a_list_of_deezer_named_is_the_main_one() -> None:
    main, whole = credit(("Nina", "a1", "")), credit(("Nina", "a1", " feat. "), ("Miles", "a2", ""))
    for name in ("deezer", "other"):
        tracks = track("t1", 1, credits=main), track("t2", 2, credits=whole), track("t3", 3)
        say(provider(name), release(), *tracks)
    Provider.objects.filter(slug="deezer").update(adapter="deezer")
    with connection.cursor() as cursor:
        cursor.execute(
            importlib.import_module("musicsync.migrations.0022_main_artists").MOVE.format(table="musicsync_sourcetrack")
        )
    found = {
        (row.provider.slug, row.external_id): sorted({"credits", "main_artists"} & row.fields.keys())
        for row in SourceTrack.objects.select_related("provider")
    }
    assert {key for key, named in found.items() if named == ["main_artists"]} == {("deezer", "t1")}
    assert {key for key, named in found.items() if not named} == {("deezer", "t3"), ("other", "t3")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("migration", "name"), [("0021_closed_fetches", "fetch_closed"), ("0024_few_changes", "change_few")]
)
def test_an_index_whose_building_was_interrupted_is_built_again_and_one_that_is_whole_stays(
    migration: str, name: str
) -> None:
    building = importlib.import_module(f"musicsync.migrations.{migration}").Migration.operations[0]

    def built() -> tuple[int, bool]:
        with connection.cursor() as cursor:
            for statement in building.database_operations[0].sql:
                cursor.execute(statement)
            cursor.execute("SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [name])
            return cursor.fetchone()

    whole, is_valid = built()
    assert is_valid
    assert built() == (whole, True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s", [whole])
    again, is_valid = built()
    assert is_valid
    assert again != whole
