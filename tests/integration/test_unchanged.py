"""A page that is as it was costs its download at most, whether its provider gives a validator or none."""

from typing import Any

import pytest
from django.db.models.sql.compiler import SQLCompiler

from musicsync.models import Fetch, KnownPage, Provider, Run
from musicsync.sync import fetches, runs
from musicsync.sync.work import work
from tests.integration.cataloguing import row_versions
from tests.integration.driving import control, follow, sync

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def feed(base: str) -> Provider:
    followed = follow(base, "feed")
    sync(followed)
    KnownPage.objects.update(etag=None)
    return followed


def outcomes(run: Run) -> set[str | None]:
    return set(Fetch.objects.filter(run=run).values_list("outcome", flat=True))


def test_without_a_validator_the_answer_itself_shows_that_it_is_the_same(feed: Provider) -> None:
    first = Run.objects.get()
    again = sync(feed)
    assert outcomes(again) == {"not_modified"}
    assert again.summary["track.unchanged"] == again.summary["distinct_tracks"] == first.summary["distinct_tracks"]


def test_the_validator_of_an_answer_that_is_the_same_is_kept(feed: Provider) -> None:
    sync(feed)
    assert not KnownPage.objects.filter(etag=None).exists()
    before = row_versions()
    sync(feed)
    assert row_versions() == before


def test_an_answer_that_differs_is_read(base: str, feed: Provider) -> None:
    expected = control(base, "evolve", json={})["feed"]
    changed = sync(feed)
    assert outcomes(changed) == {"page"}
    assert changed.summary["track.updated"] == expected["edited"]


def test_an_answer_is_read_again_once_its_parser_has_changed(feed: Provider) -> None:
    KnownPage.objects.update(parser_version=0)
    assert outcomes(sync(feed)) == {"page"}


def test_a_page_that_went_missing_is_found_again_by_the_same_answer(base: str, feed: Provider) -> None:
    control(base, "faults", json=[{"kind": "false_404", "count": 1}])
    sync(feed)
    assert KnownPage.objects.exclude(missing_since_run=None).exists()
    assert outcomes(sync(feed)) == {"not_modified"}
    assert not KnownPage.objects.exclude(missing_since_run=None).exists()


@pytest.mark.parametrize("runs_before", [0, 1])
def test_no_statement_of_a_page_is_composed_anew(base: str, monkeypatch: pytest.MonkeyPatch, runs_before: int) -> None:
    """Django takes longer to compose a statement than PostgreSQL to run it: half the CPU of an unchanged page."""
    followed = follow(base, "deezer")
    for _ in range(runs_before):
        sync(followed)
    (first, *_) = fetches.fill_window(runs.open_run(followed, "full", "cli").pk, followed.window)
    composed: list[str] = []
    execute_sql = SQLCompiler.execute_sql

    def counting(compiler: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        composed.append(str(compiler.query))
        return execute_sql(compiler, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "execute_sql", counting)
    assert work(first).send
    assert composed == []
