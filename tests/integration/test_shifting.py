"""Lists that change between two of their pages: what was there all the time is neither missed, removed nor doubled."""

from typing import Any

import pytest

from musicsync.models import Fetch, KnownPage, Provider, Scope, SourceRelease, SourceTrack, Track
from musicsync.providers import deezer, discogs, jamendo, musicbrainz, spotify
from musicsync.providers.collect import page_after
from musicsync.records import Page, Request
from musicsync.sync import apply, fetches, pages
from sandbox import lastfm as lastfm_dialect
from sandbox import musicbrainz as musicbrainz_dialect
from sandbox import tidal as tidal_dialect
from tests.integration.cataloguing import forget_all_but_providers
from tests.integration.driving import TOKENS, control, follow, sync
from tests.integration.paging import lease, open_run, provider

NEVER = 1_000_000
PAGES_BEHIND = r"(offset|index)=[1-9]|page=[2-9]|cursor"
LISTS = {
    "deezer": "/albums$",
    "spotify": "/albums&",
    "musicbrainz": "^release&artist",
    "jamendo": "artist_id",
    "discogs": "/releases$",
    "lastfm": "getTopAlbums",
    "tidal": "relationships/albums",
}


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every list have several pages."""
    for module, name in (
        (deezer, "_PAGE"),
        (spotify, "_SEARCH_PAGE"),
        (musicbrainz, "_PAGE"),
        (jamendo, "_PAGE"),
        (discogs, "_PAGE"),
        (lastfm_dialect, "_PAGE"),
        (tidal_dialect, "_PAGE"),
    ):
        monkeypatch.setattr(module, name, 2)


def shift(base: str, adapter: str, kind: str, after: int) -> None:
    control(base, "shifts", json=[{"kind": kind, "dialect": adapter, "path": LISTS[adapter], "after": after}])


def held() -> set[tuple[str, str]]:
    """Return what is present of the provider, by kind and id."""
    return {
        (model.__name__, external_id)
        for model in (SourceRelease, SourceTrack)
        for external_id in model.objects.filter(state="present").values_list("external_id", flat=True)
    }


@pytest.fixture(params=sorted(LISTS))
def followed(request: pytest.FixtureRequest, small: str, short_pages: None, settings: Any) -> Provider:
    settings.MUSICSYNC_CREDENTIALS |= {
        f"MUSICSYNC_CREDENTIAL_{name.upper()}": "sandbox-client:sandbox-secret" for name in TOKENS
    }
    return follow(small, request.param)


@pytest.fixture
def there_all_the_time(small: str, followed: Provider) -> set[tuple[str, str]]:
    shift(small, followed.adapter, "insert", NEVER)
    assert sync(followed).status == "done"
    found = held()
    assert KnownPage.objects.filter(key__regex=PAGES_BEHIND).exists()
    forget_all_but_providers()
    return found


@pytest.mark.parametrize("kind", ["insert", "remove"])
def test_a_first_import_misses_nothing(
    small: str, followed: Provider, there_all_the_time: set[tuple[str, str]], kind: str
) -> None:
    shift(small, followed.adapter, kind, 1)
    run = sync(followed)
    assert run.status == "done"
    assert there_all_the_time - held() == set()


@pytest.mark.parametrize("kind", ["insert", "remove"])
def test_a_full_run_removes_nothing_that_is_there(
    small: str, followed: Provider, there_all_the_time: set[tuple[str, str]], kind: str
) -> None:
    shift(small, followed.adapter, "insert", NEVER if kind == "insert" else 0)
    sync(followed)
    tracks = Track.objects.filter(state="present").count()
    shift(small, followed.adapter, kind, 1)
    run = sync(followed)
    assert run.status == "done"
    assert there_all_the_time - held() == set()
    assert Track.objects.filter(state="present").count() >= tracks


@pytest.mark.parametrize("tracks", [12, 16, 24])
def test_a_page_that_is_cut_by_its_tracks_is_looked_at_where_it_ends(
    small: str, monkeypatch: pytest.MonkeyPatch, tracks: int
) -> None:
    monkeypatch.setattr(musicbrainz_dialect, "_TRACKS_PER_BROWSE", tracks)
    followed = follow(small, "musicbrainz")
    shift(small, "musicbrainz", "insert", NEVER)
    sync(followed)
    there = held()
    assert KnownPage.objects.filter(key__contains="offset=").exists()
    forget_all_but_providers()
    shift(small, "musicbrainz", "remove", 1)
    run = sync(followed)
    assert Fetch.objects.filter(run=run, key__endswith="#again").exists()
    assert there - held() == set()


JSON_FEEDS: dict[str, dict[str, Any]] = {
    "jamendo": {
        "path": "tracks/",
        "params": {"limit": "20", "fullcount": "true"},
        "auth": {"in": "query", "name": "client_id"},
        "paging": {"style": "offset", "total": "headers.results_fullcount"},
        "items": "results",
        "track": {"id": "id", "title": "name", "artists": "artist_name"},
        "artist": {"name": "@"},
    },
    "lastfm": {
        "path": "2.0/",
        "params": {"method": "artist.getTopAlbums", "format": "json"},
        "auth": {"in": "query", "name": "api_key"},
        "paging": {"style": "page", "total": 'topalbums."@attr".total', "pages": 'topalbums."@attr".totalPages'},
        "items": "topalbums.album[?name] || [topalbums.album]",
        "track": {"id": "name", "title": "name"},
    },
}


@pytest.mark.parametrize("kind", ["insert", "remove"])
@pytest.mark.parametrize("dialect", sorted(JSON_FEEDS))
@pytest.mark.usefixtures("short_pages")
def test_a_json_feed_misses_nothing_either(small: str, dialect: str, kind: str) -> None:
    followed = follow(small, dialect)
    options = JSON_FEEDS[dialect]
    if dialect == "lastfm":
        options["params"]["mbid"] = followed.scopes.first().key
    Provider.objects.filter(pk=followed.pk).update(adapter="json-feed", options=options)
    Scope.objects.all().delete()
    followed = Provider.objects.get()
    Scope.objects.create(provider=followed, kind="feed")
    control(small, "shifts", json=[{"kind": "insert", "dialect": dialect, "after": NEVER}])
    assert sync(followed).status == "done"
    there = held()
    assert KnownPage.objects.count() > 1
    forget_all_but_providers()
    for _ in ("the first import", "a full run"):
        control(small, "shifts", json=[{"kind": kind, "dialect": dialect, "after": 1}])
        assert sync(followed).status == "done"
        assert there - held() == set()
        control(small, "shifts", json=[{"kind": kind, "dialect": dialect, "after": NEVER}])
        sync(followed)


FIRST = Request(path="list", params={"page": "1"})
SECOND = page_after(FIRST, {"page": "2"}, 3)


def owed_after(answer: Page | None, request: Request = SECOND) -> list[str]:
    """Return what a run owes once the request was answered so; ``None``: it does not exist."""
    followed = provider("one")
    run = open_run(followed)
    fetches.owe(run.pk, followed.pk, "full", followed.scopes.get().pk, [request])
    held = lease(run, request.key)
    if answer is None:
        apply.gone(held, "GET /list: 404")
    else:
        apply.page(held, answer, None, 1)
    return list(Fetch.objects.filter(run=run, status="pending").values_list("key", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "owed"),
    [
        (Page(total=3), []),
        (Page(total=2), ["list?page=1#again"]),
        (Page(total=4), ["list?page=1#again"]),
        (None, ["list?page=1#again"]),
    ],
)
def test_the_page_before_is_asked_once_more_where_the_total_is_another(answer: Page | None, owed: list[str]) -> None:
    assert owed_after(answer) == owed


@pytest.mark.django_db
def test_a_list_that_states_no_total_ends_where_it_ends() -> None:
    assert owed_after(None, page_after(FIRST, {"page": "2"}, None)) == []


@pytest.mark.django_db
def test_a_page_that_was_known_under_another_total_is_read_again() -> None:
    followed = provider("one")
    run = open_run(followed)
    fetches.owe(run.pk, followed.pk, "full", followed.scopes.get().pk, [SECOND])
    apply.page(lease(run, SECOND.key), Page(total=3), '"e"', 1)
    assert pages.known(followed.pk, SECOND, 1) is not None
    assert pages.known(followed.pk, page_after(FIRST, {"page": "2"}, 4), 1) is None
    assert pages.known(followed.pk, page_after(FIRST, {"page": "2"}, None), 1) is not None


def test_a_page_that_is_asked_once_more_leads_on_to_details_alone() -> None:
    details = Request(path="album/1", refreshes=("release", "1"))
    page = Page(follow_ups=(details, SECOND), following=page_after(FIRST, {"page": "3"}, 3))
    assert page.without_next().requests == (details,)
