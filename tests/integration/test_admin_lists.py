"""How lists are paged and made: one provider's rows by its own ids, and cells that are Unfold's to the letter."""

import re
from itertools import cycle
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from unfold.templatetags.unfold_list import items_for_result

from musicsync.admin import runs
from musicsync.admin.base import BrowseAdmin, PanelAdmin
from musicsync.admin.show import Table, link, link_address, list_url
from musicsync.models import (
    Artist,
    Circuit,
    Fetch,
    Isrc,
    KnownPage,
    PageCheck,
    Provider,
    Rejection,
    Run,
    Scope,
    SourceArtist,
    Track,
    Worker,
)
from tests.integration.admin_rows import HOSTILE, make_provider, make_run, make_world

OURS = [model for model, found in admin.site._registry.items() if isinstance(found, PanelAdmin)]

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


def parts(answer: Any) -> list[str]:
    """Return the tags and texts of a page, the classes of each tag in order; what differs each time is left out."""
    page = re.sub(r"(name=.csrfmiddlewaretoken. value=.)\w+", r"\1", answer.content.decode())
    in_order = re.sub(r'class="([^"]*)"', lambda found: f'class="{" ".join(sorted(found[1].split()))}"', page)
    return [" ".join(part.split()).replace(" >", ">") for part in re.split(r"(<[^>]*>)", in_order) if part.strip()]


def one_line(page: str) -> str:
    return re.sub(r"\s*([<>])\s*", r"\1", " ".join(page.split()))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_page_of_a_row_is_unfold_s(client: Client, model: type[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(make_world(HOSTILE).provider, "running")
    for address in (link_address(model.objects.order_by("pk")[0]), list_url(model) + "add/"):
        ours = client.get(address)
        with monkeypatch.context() as patch:
            patch.setattr(PanelAdmin, "change_form_template", None)
            expected = client.get(address)
        assert ours.status_code == expected.status_code
        assert parts(ours) == parts(expected)


def test_a_form_that_is_refused_says_why_as_unfold_does(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link_address(make_world().provider)
    ours = client.post(address, {"trust": "x"})
    with monkeypatch.context() as patch:
        patch.setattr(PanelAdmin, "change_form_template", None)
        expected = client.post(address, {"trust": "x"})
    assert "Enter a whole number" in ours.content.decode()
    assert parts(ours) == parts(expected)


def test_a_table_below_the_fields_is_unfold_s() -> None:
    world = make_world(HOSTILE)
    tables = [
        Table("Of <b>", ("One", "the other"), [(link(world.artist, HOSTILE), 7), (HOSTILE, None)], "further"),
        Table("Of nothing", ("One",), []),
    ]
    ours = render_to_string("musicsync/panels.html", {"panels": tables})
    for table in tables:
        expected = render_to_string("unfold/components/table.html", {"title": table.title, "table": table})
        assert one_line(expected) in one_line(ours)
    assert "further" in ours


def test_a_list_reads_no_more_than_it_shows(client: Client) -> None:
    make_world()
    with CaptureQueriesContext(connection) as captured:
        listed(client, Fetch)
    (read,) = (query["sql"] for query in captured.captured_queries if 'SELECT "musicsync_fetch"."id"' in query["sql"])
    assert '"musicsync_fetch"."error"' in read
    assert '"musicsync_provider"."slug"' in read
    for left_out in ('"musicsync_fetch"."traceback"', '"musicsync_run"."summary"', '"musicsync_provider"."options"'):
        assert left_out not in read


def test_one_provider_s_fetches_come_newest_first_whatever_run_owes_them(client: Client) -> None:
    """They are read run by run: of runs that went on beside each other, and of which one owes much and one little."""
    assert sorted(status for statuses in runs._IN_ORDER for status in statuses) == sorted(Fetch.Status.values)
    one, other = make_provider(), make_provider("other")
    full, ended, lookup, foreign = (
        make_run(provider, status)
        for provider, status in ((one, "running"), (one, "done"), (one, "done"), (other, "done"))
    )
    owed_by = [*[full] * 60, *[ended] * 30, *[full, lookup, foreign] * 20, lookup, *[foreign] * 60]
    scopes = {provider.pk: provider.scopes.get() for provider in (one, other)}
    statuses = cycle(Fetch.Status.values)
    Fetch.objects.bulk_create(
        Fetch(run=run, scope=scopes[run.provider_id], key=f"{at}", request={}, status=next(statuses))
        for at, run in enumerate(owed_by)
    )
    expected = list(Fetch.objects.filter(run__provider=one).order_by("-pk").values_list("pk", flat=True))
    assert len(expected) == 131

    def keys(changes: Any) -> list[int]:
        return [row.pk for row in changes.result_list]

    first = listed(client, Fetch, provider=one.pk)
    second = listed(client, Fetch, first.paginator.after)
    last = listed(client, Fetch, second.paginator.after)
    assert [*keys(first), *keys(second), *keys(last)] == expected
    assert last.paginator.after is None
    assert keys(listed(client, Fetch, last.paginator.before)) == keys(second)
    assert keys(listed(client, Fetch, second.paginator.before)) == keys(first)
    assert keys(listed(client, Fetch, provider=one.pk, status__exact="dead")) == list(
        Fetch.objects.filter(run__provider=one, status="dead").order_by("-pk").values_list("pk", flat=True)
    )
    assert keys(listed(client, Fetch, provider=make_provider("third").pk)) == []


@pytest.mark.parametrize("term", ["no id 100% (of 1_000)", "NO ID 100%", "(of 1_000) [a.b]\\*", "1_000"])
def test_what_is_searched_for_is_a_text_and_no_pattern(client: Client, term: str) -> None:
    world = make_world()
    Rejection.objects.update(reason="No id 100% (of 1_000) [a.b]\\*")
    Fetch.objects.update(error="No id 100% (of 1_000) [a.b]\\*")
    like_it = {"page": KnownPage.objects.get(), "provider": world.provider, "path": "$"}
    Rejection.objects.create(reason="No id 100 of 12000 aab", **like_it)
    make_run(world.provider, dead=1)
    assert len(listed(client, Rejection, q=term).result_list) == 1
    assert len(listed(client, Fetch, q=term).result_list) == 1


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
        (lambda world: world.provider, PageCheck),
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
