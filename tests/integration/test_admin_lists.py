"""How lists are paged and made: one provider's rows by its own ids, and cells that are Unfold's to the letter."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from unfold.templatetags.unfold_list import items_for_result

from musicsync.admin.base import BrowseAdmin
from musicsync.admin.show import link_address, list_url
from musicsync.models import Artist, Circuit, Fetch, Isrc, Provider, Run, Scope, SourceArtist, Track, Worker
from tests.integration.admin_rows import HOSTILE, make_provider, make_run, make_world

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


def listed(client: Client, model: type[Model], query: str = "", **filters: object) -> Any:
    return client.get(list_url(model, **filters) + query).context["cl"]


def ids(changes: Any) -> list[str]:
    return [row.external_id for row in changes.result_list]


def sources(of: Provider, *, first: int = 1, number: int = 120) -> list[str]:
    """Make source rows whose ids go down while their keys go up; return the ids in their order."""
    artist = Artist.objects.create(name="Nina")
    names = [f"a{2000 - at}" for at in range(number)]
    SourceArtist.objects.bulk_create(
        SourceArtist(pk=first + at, provider=of, external_id=name, artist=artist, fields={}, fingerprint=b"")
        for at, name in enumerate(names)
    )
    return sorted(names)


def test_one_provider_s_sources_are_paged_by_its_ids(client: Client) -> None:
    one = make_provider()
    expected = sources(one)
    sources(make_provider("other"), first=1000)
    chosen: dict[str, object] = {"provider__id__exact": one.pk}

    first = listed(client, SourceArtist, **chosen)
    assert ids(first) == expected[:50]
    assert (first.paginator.first, first.paginator.before) == (None, None)
    second = listed(client, SourceArtist, first.paginator.after)
    assert ids(second) == expected[50:100]
    last = listed(client, SourceArtist, second.paginator.after)
    assert ids(last) == expected[100:]
    assert (last.paginator.after, last.paginator.names) == (None, ("First", "Previous", "Next"))
    back = listed(client, SourceArtist, last.paginator.before)
    assert ids(back) == expected[50:100]
    start = listed(client, SourceArtist, back.paginator.before)
    assert (ids(start), start.paginator.before) == (expected[:50], None)


def test_a_page_may_end_with_the_first_row_of_all(client: Client) -> None:
    """Its key is 1, as the number of the first page is."""
    one = make_provider()
    expected = sources(one, number=49)
    artist = Artist.objects.get()
    for key, name in ((500, "a0"), (501, "b0")):
        SourceArtist.objects.create(pk=key, provider=one, external_id=name, artist=artist, fields={}, fingerprint=b"")
    first = listed(client, SourceArtist, provider__id__exact=one.pk)
    assert (first.result_list[-1].pk, ids(first)) == (1, ["a0", *expected])
    assert ids(listed(client, SourceArtist, first.paginator.after)) == ["b0"]


def test_of_all_providers_the_newest_come_first(client: Client) -> None:
    sources(make_provider(), number=3)
    assert [row.pk for row in listed(client, SourceArtist).result_list] == [3, 2, 1]
    assert listed(client, SourceArtist).paginator.names == ("Newest", "Newer", "Older")


def test_the_fetches_of_a_run_are_listed_whether_it_has_ended_or_not(client: Client) -> None:
    one = make_provider()
    run = make_run(one, "running", dead=3)
    run.fetches.filter(key="tracks?cursor=0").update(status="pending")
    make_run(one, "done", dead=1)
    assert len(listed(client, Fetch, run=run.pk).result_list) == 3
    Run.objects.filter(pk=run.pk).update(status="cancelled")
    run.fetches.filter(status="pending").update(status="cancelled")
    assert len(listed(client, Fetch, run=run.pk).result_list) == 3


def test_every_cell_is_unfold_s(client: Client) -> None:
    world = make_world(HOSTILE)
    Scope.objects.create(provider=world.provider, kind="artist", key=HOSTILE, active=False)
    make_run(world.provider, "running")
    lists = [model for model, found in admin.site._registry.items() if isinstance(found, BrowseAdmin)]
    assert len(lists) > 15
    for model in lists:
        for query in ({}, {"p": "x"}):
            changes = listed(client, model, **query)
            assert changes.result_list, model
            for cells, row in zip(changes.table_rows(), changes.result_list, strict=True):
                expected = "".join(items_for_result(changes, row, None))
                assert cells.replace('" >', '">') == expected.replace('" >', '">'), model


def test_a_list_without_rows_says_so(client: Client) -> None:
    assert "No results found" in client.get(list_url(Track)).content.decode()


def test_a_row_chosen_in_a_window_of_its_own_tells_the_page_that_opened_it(client: Client) -> None:
    artist = make_world().artist
    assert f'data-popup-opener="{artist.pk}"' in client.get(list_url(Artist, _popup=1)).content.decode()


@pytest.mark.parametrize(
    ("page", "model"),
    [
        (lambda world: make_run(world.provider, "running"), Circuit),
        (lambda world: world.provider, Circuit),
        (lambda world: world.provider, Scope),
        (lambda world: world.track, Isrc),
        (lambda world: world.run.fetches.get(), Worker),
    ],
)
def test_a_page_asks_once_for_what_it_shows_once(client: Client, page: Any, model: type[Model]) -> None:
    world = make_world()
    Fetch.objects.update(worker=Worker.objects.get())
    address = link_address(page(world))
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    asked = [query["sql"] for query in captured.captured_queries if f'FROM "{model._meta.db_table}"' in query["sql"]]
    assert len(set(asked)) == len(asked) > 0
