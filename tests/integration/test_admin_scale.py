"""The admin on tables of the size that it is for: nothing is counted, scanned or sorted whole."""

import json
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from musicsync.admin.show import link_address, list_url
from musicsync.models import (
    Artist,
    Change,
    Fetch,
    Isrc,
    Recording,
    RecordingCredit,
    Release,
    ReleaseCredit,
    Run,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)
from tests.integration.admin_rows import make_provider, make_run

ROWS = 200_000
RELEASES = ROWS // 10
RUNS = 20
MOST_QUERIES = 20
BIG = {
    model._meta.db_table
    for model in (
        *(Artist, Release, Recording, Track, Isrc, ReleaseCredit, RecordingCredit),
        *(SourceArtist, SourceRelease, SourceTrack, Change, Fetch),
    )
}
FILL = f"""
INSERT INTO musicsync_artist (id, name, provenance) SELECT n, 'Artist ' || md5(n::text), '{{}}'
    FROM generate_series(1, {RELEASES}) n;
INSERT INTO musicsync_release (id, title, gtin, artist_credit, provenance)
    SELECT n, 'Album ' || md5(n::text), lpad(n::text, 14, '0'), 'x', '{{}}' FROM generate_series(1, {RELEASES}) n;
INSERT INTO musicsync_recording (id, title, artist_credit, provenance)
    SELECT n, 'Song ' || md5(n::text), 'x', '{{}}' FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_track (id, release_id, disc, position, recording_id, title, provenance)
    SELECT n, mod(n, {RELEASES}) + 1, 1, n / {RELEASES} + 1, n, 'Song ' || md5(n::text), '{{}}'
    FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_isrc (code, recording_id) SELECT 'USRC1' || lpad(n::text, 7, '0'), n
    FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_releasecredit (release_id, position, name, join_phrase, artist_id)
    SELECT n, 0, 'x', '', n FROM generate_series(1, {RELEASES}) n;
INSERT INTO musicsync_recordingcredit (recording_id, position, name, join_phrase, artist_id)
    SELECT n, 0, 'x', '', mod(n, {RELEASES}) + 1 FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_sourceartist (provider_id, external_id, fields, fingerprint, flags, artist_id)
    SELECT %(provider)s, 'a' || n, '{{}}', '', '{{}}', n FROM generate_series(1, {RELEASES}) n;
INSERT INTO musicsync_sourcerelease (provider_id, external_id, fields, fingerprint, flags, release_id)
    SELECT %(provider)s, 'r' || n, '{{}}', '', '{{}}', n FROM generate_series(1, {RELEASES}) n;
INSERT INTO musicsync_sourcetrack
    (provider_id, external_id, fields, fingerprint, flags, release_key, recording_key, recording_id, track_id)
    SELECT %(provider)s, 't' || n, '{{}}', '', '{{}}', 'r' || mod(n, {RELEASES}), 'g' || n, n, n
    FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_change (entity, entity_id, action, before, after, provider_id, run_id)
    SELECT 'track', n, 'created', '{{}}', '{{}}', %(provider)s, %(run)s - mod(n, {RUNS})
    FROM generate_series(1, {ROWS}) n;
INSERT INTO musicsync_fetch (run_id, scope_id, key, request, status, counts)
    SELECT %(run)s - mod(n, {RUNS}), %(scope)s, 'tracks?page=' || n, '{{}}',
    CASE WHEN mod(n, 5000) = 0 THEN 'dead' ELSE 'applied' END, '{{}}' FROM generate_series(1, {ROWS}) n;
ANALYZE;
"""
PAGES: list[tuple[type[Model], dict[str, object]]] = [
    *((model, {}) for model in (Artist, Release, Recording, Track, SourceArtist, SourceRelease, SourceTrack, Change)),
    (Fetch, {}),
    (Run, {}),
    *((model, {"p": RELEASES // 2}) for model in (Artist, Release, Recording, Track, SourceTrack, Change, Fetch)),
    (Track, {"p": -ROWS // 2}),
    *((model, {"q": "Song ab"}) for model in (Recording, Track)),
    *((model, {"q": "s"}) for model in (Recording, Track)),
    *((model, {"q": "USRC10000077"}) for model in (Recording, Track)),
    (Track, {"q": "t77"}),
    (Release, {"q": "album a"}),
    (Release, {"q": "4006381333931"}),
    (Artist, {"q": "artist ab"}),
    (Artist, {"q": "a77"}),
    (SourceTrack, {"q": "g77"}),
    (SourceRelease, {"q": "r77"}),
    (Change, {"q": "track 77"}),
    (Change, {"q": "77"}),
    (Fetch, {"q": "tracks?page=77"}),
    (Fetch, {"status__exact": "dead"}),
    (Fetch, {"status__exact": "applied"}),
    (Track, {"state__exact": "present"}),
    (SourceTrack, {"state__exact": "present"}),
    (Change, {"entity__exact": "track", "action__exact": "created"}),
]


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def full_tables(db: None) -> Run:
    provider = make_provider()
    run = [make_run(provider, "running" if number == RUNS - 1 else "done") for number in range(RUNS)][-1]
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"provider": provider.pk, "run": run.pk, "scope": provider.scopes.get().pk})
    return run


def offences(queries: list[dict[str, str]]) -> Iterator[str]:
    """Return the reads that count or scan a big table whole."""
    for query in queries:
        statement = query["sql"]
        if not statement.lstrip().startswith("SELECT"):
            continue
        if re.match(r"\s*SELECT COUNT\(\*\) AS \S+ FROM \S+$", statement):
            yield f"counts: {statement}"
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
            plan = cursor.fetchone()[0]
        scanned = set(scans(plan[0]["Plan"])) & BIG
        if scanned:
            yield f"scans {scanned}: {statement}"


def scans(plan: dict[str, object]) -> Iterator[str]:
    """Return the tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield str(plan["Relation Name"])
    for part in plan.get("Plans", ()):
        yield from scans(part)


def test_no_list_search_filter_or_page_reads_a_big_table_whole(client: Client, full_tables: Run) -> None:
    filtered = [(model, {"run": full_tables.pk}) for model in (Fetch, Change)]
    addresses = ["/admin/", *(list_url(model, **query) for model, query in [*PAGES, *filtered])]
    rows = (Artist, Release, Recording, Track, SourceArtist, SourceRelease, SourceTrack, Change, Fetch)
    addresses += [link_address(model.objects.order_by("pk")[77]) for model in rows]
    found = {}
    for address in addresses:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address)
        assert answer.status_code == 200, address
        assert len(captured) <= MOST_QUERIES, f"{address}: {json.dumps(captured.captured_queries, indent=1)}"
        found |= {(address, offence): None for offence in offences(captured.captured_queries)}
    assert not found
