"""The engine on a real PostgreSQL, fed by the sandbox over HTTP."""

from collections.abc import Iterator

import pytest

from musicsync.models import Change, Fetch, Run
from tests.integration.cataloguing import row_versions
from tests.integration.driving import follow, sync
from tests.unit.sandbox.serving import serve

pytestmark = pytest.mark.usefixtures("transactional_db")
TRACKS = 300


@pytest.fixture(autouse=True)
def contact(settings: object) -> None:
    settings.MUSICSYNC_CONTACT = "tests@localhost"


@pytest.fixture
def base() -> Iterator[str]:
    with serve(TRACKS) as url:
        yield url


def test_a_second_run_writes_no_row(base: str) -> None:
    providers = [follow(base, "musicbrainz", trust=1), follow(base, "deezer", trust=2), follow(base, "feed", trust=3)]
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


def outcomes(run: Run) -> set[str | None]:
    return set(Fetch.objects.filter(run=run).values_list("outcome", flat=True))
