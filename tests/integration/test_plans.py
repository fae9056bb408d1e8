"""What people read costs what it shows, however large the catalogue: the plans of its statements, and how many."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from pytest_django import DjangoDbBlocker

from benchmarks import filling, readings
from musicsync.models import (
    Artist,
    Change,
    Fetch,
    Isrc,
    PageCheck,
    Recording,
    RecordingCredit,
    Release,
    ReleaseCredit,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)

SIZE = filling.Size(tracks=20_000, releases=20_000, artists=20_000)
BIG = {
    model._meta.db_table
    for model in (
        *(Artist, Release, Recording, Track, Isrc, ReleaseCredit, RecordingCredit),
        *(SourceArtist, SourceRelease, SourceTrack, Change, Fetch, PageCheck),
    )
}
MOST_STATEMENTS = {
    "overview": 22,
    "pages of one row": 13,
    "progress and forecast of a run": 5,
    "who said what": 4,
    "change feed": 1,
    "commands": 10,
}
MOST_OF_A_LIST = 11
FEW_ROWS = 100  # two pages, or all runs
FROM_FETCH = f'FROM "{Fetch._meta.db_table}"'
MOST_ROWS_PASSED_OVER = 12_000  # of 20,000: one of 200 is an "Intro", and a page shows 50
CLUSTERED = (
    ("changes: filters", "provider__id__exact"),
    ("scopes: filters", "active__exact=0"),
    ("", "frequent prefix, gone"),
)
"""Readings, by how group and name begin, of rows that were written together: those written since are passed over."""

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def captured(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[tuple[str, str], list[str]]]:
    """The statements of each reading, in the transaction that has what was read."""
    with django_db_blocker.unblock(), transaction.atomic():
        with connection.cursor() as cursor:
            # What earlier tests wrote and took back still lies in the tables, and would count when they are planned.
            cursor.execute(f"TRUNCATE {', '.join(sorted(BIG))} CASCADE")
        filling.fill(SIZE)
        operator = User.objects.create_superuser("operator")
        found = {}
        for reading in readings.readings(lambda address: answer(operator, address)):
            with CaptureQueriesContext(connection) as context:
                reading.read()
            found[reading.group, reading.name] = [query["sql"] for query in context.captured_queries]
        yield found
        transaction.set_rollback(True)


def answer(user: User, address: str) -> HttpResponse:
    """Return what a view answers; a list's page is not rendered, which takes longer than to read it."""
    request = RequestFactory().get(address)
    request.user, request.session = user, SessionBase()
    match = resolve(urlsplit(address).path)
    response = match.func(request, *match.args, **match.kwargs)
    if "cl" not in response.context_data:
        response.render()
    return response


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def offences(statement: str, most: int = MOST_ROWS_PASSED_OVER) -> list[str]:
    """Return what a statement does that takes longer the larger a big table is."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    found = []
    for node in nodes(plan[0]["Plan"]):
        if node.get("Relation Name") in BIG and node["Node Type"] == "Seq Scan":
            found.append(f"scans {node['Relation Name']}")
        if node.get("Rows Removed by Filter", 0) * node["Actual Loops"] > most:
            found.append(f"passes over {node['Rows Removed by Filter']} rows")
    return found


def plan(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_no_reading_goes_through_a_big_table(captured: dict[tuple[str, str], list[str]]) -> None:
    """By a Seq Scan, or along a key until enough rows are found."""
    found = {
        (reading, statement): wrong
        for reading, statements in captured.items()
        if not any(reading[0].startswith(group) and reading[1].startswith(name) for group, name in CLUSTERED)
        for statement in statements
        if statement.lstrip().startswith("SELECT") and (wrong := offences(statement))
    }
    assert found == {}


def test_the_fetches_of_a_run_of_long_ago_go_by_their_index(captured: dict[tuple[str, str], list[str]]) -> None:
    """Newest first, those of all later runs would be passed over; how many those are, the tables here do not show."""
    oldest = min(int(name[4:]) for group, name in captured if group == "fetches: filters" and name.startswith("run="))
    page = next(found for found in captured["fetches: filters", f"run={oldest}"] if "LIMIT 51" in found)
    assert "Index Scan Backward using fetch_closed" in plan(page)


def test_the_fetches_of_a_provider_are_found_beside_a_later_run_of_another(
    captured: dict[tuple[str, str], list[str]],
) -> None:
    filters = [name for group, name in captured if group == "fetches: filters" and name.startswith("provider=")]
    assert len(filters) == 2
    for name in filters:
        read = [found for found in captured["fetches: filters", name] if FROM_FETCH in found and "EXPLAIN" not in found]
        assert {offence for statement in read for offence in offences(statement, most=FEW_ROWS)} == set()
        assert not any('"run_id" IN' in statement for statement in read)


def test_the_changes_of_artists_and_releases_are_found_between_those_of_tracks(
    captured: dict[tuple[str, str], list[str]],
) -> None:
    for entity in ("artist", "release"):
        page = next(found for found in captured["changes: filters", f"entity__exact={entity}"] if "LIMIT 51" in found)
        assert offences(page, most=FEW_ROWS) == []


def test_the_rows_that_have_a_text_in_them_are_followed_along_the_key(
    captured: dict[tuple[str, str], list[str]],
) -> None:
    """Most have it, which the planner knows of a pattern: not all are read and sorted for the first page."""
    for reading, index in (
        (("rejections: searches", "reason"), "musicsync_rejection_pkey"),
        (("fetches: searches", "error"), "fetch_status"),
    ):
        page = next(found for found in captured[reading] if "LIMIT 51" in found)
        assert f"Index Scan Backward using {index}" in plan(page)


def test_no_page_asks_twice(captured: dict[tuple[str, str], list[str]]) -> None:
    """But for how many providers there are, which Django counts as those found and as all."""
    found = {
        (reading, statement)
        for reading, statements in captured.items()
        for statement in statements
        if statements.count(statement) > 1 and reading != ("providers: pages", "newest")
    }
    assert found == set()


def test_a_page_takes_few_statements(captured: dict[tuple[str, str], list[str]]) -> None:
    found = {
        (group, name): len(statements)
        for (group, name), statements in captured.items()
        if len(statements) > MOST_STATEMENTS.get(group, MOST_OF_A_LIST)
    }
    assert found == {}


def test_the_statements_of_a_request_are_planned_for_their_values(client: Client) -> None:
    """One plan for all values could use neither the prefix of a title nor an index of a part of a table."""
    client.force_login(User.objects.create_user("reader"))
    client.get("/admin/")
    assert connection.connection.prepare_threshold is None
