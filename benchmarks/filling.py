"""A catalogue of any size, made by SQL in the time that writing it takes, to be read from.

Two providers were imported one after the other and share a fifth of their tracks; a tenth of what they brought was
updated since. Each has had twenty runs, every fifth a full one, and is in the middle of another full one.
"""

# ruff: noqa: S608 (what is put into statements stands in this file)
from django.db import connection
from msgspec import Struct

from musicsync.models import Artist, Budget, Provider, Recording, Release, Run, Track, Worker
from musicsync.sync import tallies

ENDED_RUNS = 40


class Size(Struct, frozen=True):
    """How many rows there are of each kind; of sources, changes and fetches there are about as many as tracks."""

    tracks: int
    releases: int
    artists: int

    @property
    def recordings(self) -> int:
        """Return how many sounds there are: a fifth of the tracks are on a second release."""
        return self.tracks * 4 // 5


def of(tracks: int) -> Size:
    """Return the size of a catalogue with ten tracks a release, and an artist for every twenty."""
    return Size(tracks, max(1, tracks // 10), max(1, tracks // 20))


def fill(size: Size) -> None:
    """Fill the empty database, let it count what there is, as its autovacuum does, and tally runs, as a sweep does."""
    first, second = (_provider(slug, trust) for trust, slug in enumerate(("musicbrainz", "deezer"), start=1))
    for number in range(1, ENDED_RUNS + 3):
        provider = first if number % 2 else second
        status = "running" if number > ENDED_RUNS else "done"
        mode = "full" if _is_full(number) else "incremental"
        summary = {} if status == "running" else {"requests": 10, "track.unchanged": 100}
        Run.objects.create(pk=number, provider=provider, mode=mode, trigger="schedule", status=status, summary=summary)
    Worker.objects.bulk_create(Worker(name=f"celery@host-{number}") for number in range(4))
    numbers = {
        "tracks": size.tracks,
        "releases": size.releases,
        "artists": size.artists,
        "recordings": size.recordings,
        "first": first.pk,
        "second": second.pk,
    }
    with connection.cursor() as cursor:
        for statement in (*_CATALOGUE, *_SOURCES, *_LEDGER, *_CHANGES):
            cursor.execute(statement, numbers)
        for model in (Artist, Release, Recording, Track, Run):
            table = model._meta.db_table
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        cursor.execute("ANALYZE")
    for run in Run.objects.filter(status=Run.Status.RUNNING):
        tallies.carry_on(run.pk)


def _provider(slug: str, trust: int) -> Provider:
    budget = Budget.objects.create(name=slug, rate=10, burst=5)
    address = f"http://127.0.0.1:9/{slug}"
    return Provider.objects.create(
        slug=slug, adapter=slug, base_url=address, allow_private=True, budget=budget, trust=trust, enabled=False
    )


def _is_full(number: int) -> bool:
    return number > ENDED_RUNS or (number - 1) % 10 < 2  # noqa: PLR2004 - one of each provider's five


_WORDS = """ARRAY['Love', 'Night', 'Blue', 'Time', 'Heart', 'Dance', 'River', 'Home', 'Light', 'Dream', 'Fire', 'Rain',
    'Summer', 'Golden', 'Electric', 'Silver', 'Morning', 'Paper', 'Hollow', 'Velvet', 'Ocean', 'Winter', 'Stone',
    'Lonely', 'Crystal', 'Broken', 'Northern', 'Quiet', 'Amber', 'Quixotic']"""


def _word(number: str, factor: int) -> str:
    """Return the SQL of a word for the number; the first of them come up more often, as words do."""
    share = f"mod({number} * {factor}::bigint, 1000003) / 1000003::float8"
    return f"({_WORDS})[1 + floor(30 * power({share}, 2))::int]"


def _title(number: str) -> str:
    """Return the SQL of a title; one of 200 is "Intro"."""
    words = f"{_word(number, 7919)} || ' ' || {_word(number, 104729)} || ' ' || to_hex({number})"
    return f"CASE WHEN mod({number}, 200) = 0 THEN 'Intro' ELSE {words} END"


_STATE = "CASE WHEN mod(n, 1000) = 1 AND n < %(tracks)s / 2 THEN 'gone' ELSE 'present' END"
_ARTIST = "1 + mod({0} * 31::bigint, %(artists)s)"
_RECORDING = "CASE WHEN n <= %(recordings)s THEN n ELSE 1 + mod(n * 7::bigint, %(recordings)s) END"
_RELEASE = "1 + (n - 1) * %(releases)s::bigint / %(tracks)s"
_GTIN = "lpad({0}::text, 14, '0')"

_CATALOGUE = (
    f"""
    INSERT INTO musicsync_artist (id, name, sort_name, type, country, state, provenance)
    SELECT n, 'The ' || {_title("n")}, {_title("n")}, 'group', 'DE', {_STATE}, '{{"name": "musicbrainz"}}'
    FROM generate_series(1, %(artists)s) n
    """,
    f"""
    INSERT INTO musicsync_release
        (id, title, gtin, type, released, label, track_count, artist_credit, state, provenance)
    SELECT n, {_title("n")}, {_GTIN.format("n")}, 'album', '1987-07-13', 'Label ' || mod(n, 500), 10,
        'The ' || {_title("n")}, {_STATE}, '{{"title": "musicbrainz", "label": "deezer"}}'
    FROM generate_series(1, %(releases)s) n
    """,
    f"""
    INSERT INTO musicsync_recording (id, title, duration_ms, explicit, artist_credit, state, provenance)
    SELECT n, {_title("n")}, 187000 + mod(n, 90000), false, 'The ' || {_title("n")}, {_STATE},
        '{{"title": "musicbrainz", "duration_ms": "deezer"}}'
    FROM generate_series(1, %(recordings)s) n
    """,
    """
    INSERT INTO musicsync_isrc (code, recording_id)
    SELECT 'USRC' || lpad(n::text, 8, '0'), n FROM generate_series(1, %(recordings)s) n WHERE mod(n, 20) > 0
    UNION ALL
    SELECT 'GBAY' || lpad(n::text, 8, '0'), n FROM generate_series(1, %(recordings)s) n WHERE mod(n, 30) = 1
    """,
    f"""
    INSERT INTO musicsync_track
        (id, release_id, disc, position, recording_id, title, number, duration_ms, state, provenance)
    SELECT n, {_RELEASE}, 1, row_number() OVER (PARTITION BY {_RELEASE} ORDER BY n), {_RECORDING}, {_title("n")},
        mod(n, 10)::text, 187000 + mod(n, 90000), {_STATE}, '{{"title": "musicbrainz"}}'
    FROM generate_series(1, %(tracks)s) n
    """,
    f"""
    INSERT INTO musicsync_releasecredit (release_id, position, name, join_phrase, artist_id)
    SELECT n, 0, 'The ' || {_title("n")}, '', {_ARTIST.format("n")} FROM generate_series(1, %(releases)s) n
    """,
    f"""
    INSERT INTO musicsync_recordingcredit (recording_id, position, name, join_phrase, artist_id)
    SELECT n, p, 'The ' || {_title("n")}, '', {_ARTIST.format("(n + p)")}
    FROM generate_series(1, %(recordings)s) n, generate_series(0, CASE WHEN mod(n, 7) = 0 THEN 1 ELSE 0 END) p
    """,
)


def _said(fields: str, *, extra: str = "") -> str:
    return f"jsonb_build_object({fields}, 'genres', NULL, 'links', ARRAY['https://provider.example/' || n]{extra})"


def _sources(provider: str, low: str, high: str) -> tuple[str, ...]:
    """Return what brings one provider's word on a part of the catalogue, both ends given as a share of it."""
    columns = "provider_id, external_id, fields, fingerprint, flags, changed_run_id, state"
    run = f"CASE WHEN mod(n, 10) = 0 THEN {ENDED_RUNS - 1} ELSE 1 END"
    state = "CASE WHEN mod(n, 1000) = 1 AND n < %(tracks)s / 2 THEN 'gone' ELSE 'present' END"
    same = "decode(md5(n::text), 'hex'), CASE WHEN mod(n, 900) = 0 THEN '{invalid_isrc}' ELSE '{}' END::text[]"

    def some(what: str) -> str:
        return f"FROM generate_series(1 + ({low} * %({what})s)::int, ({high} * %({what})s)::int) n"

    name = "'name', 'The ' || " + _title("n")
    title = "'title', " + _title("n")
    credit = f", 'credits', jsonb_build_array(jsonb_build_object({name}, 'artist_id', 'a' || n, 'join_phrase', ''))"
    isrcs = ", 'isrcs', ARRAY['USRC' || lpad(n::text, 8, '0')], 'position', 1, 'disc', 1, 'duration_ms', 187000"
    scope = f"(SELECT min(id) FROM musicsync_scope WHERE provider_id = %({provider})s)"
    return (
        f"""
        INSERT INTO musicsync_sourceartist ({columns}, artist_id)
        SELECT %({provider})s, 'a' || n, {_said(name)}, {same}, {run}, {state}, n {some("artists")}
        """,
        f"""
        INSERT INTO musicsync_sourcerelease ({columns}, release_id)
        SELECT %({provider})s, 'r' || n, {_said(title, extra=credit)}, {same}, {run}, {state}, n {some("releases")}
        """,
        f"""
        INSERT INTO musicsync_sourcetrack ({columns}, release_key, recording_key, recording_id, track_id)
        SELECT %({provider})s, 't' || n, {_said(title, extra=credit + isrcs)}, {same}, {run}, {state},
            'r' || ({_RELEASE}), 'g' || ({_RECORDING}), {_RECORDING}, n {some("tracks")}
        """,
        f"""
        INSERT INTO musicsync_scope (provider_id, kind, key, active)
        SELECT %({provider})s, 'artist', 'a' || n, true {some("artists")}
        """,
        f"""
        INSERT INTO musicsync_knownpage
            (provider_id, scope_id, key, etag, digest, parser_version, artists, releases, tracks, rejected, follow_ups)
        SELECT %({provider})s, {scope}, 'album/r' || n, 'W/' || md5(n::text), md5(n::text), 1, ARRAY[n], ARRAY[n],
            ARRAY(SELECT generate_series(n * 10, n * 10 + 9)), 0, '[]' {some("releases")}
        """,
    )


_SOURCES = (*_sources("first", "0", "0.6"), *_sources("second", "0.4", "1"))

_LEDGER = (
    """
    INSERT INTO musicsync_fetch (run_id, scope_id, key, request, status, outcome, attempts, started_at, finished_at,
        error, traceback, excerpt, counts)
    SELECT r.id, r.scope, 'album/r' || n, jsonb_build_object('path', 'album/r' || n, 'params', jsonb_build_object()),
        f.status, CASE f.status WHEN 'applied' THEN CASE WHEN mod(n, 5000) = 7 AND r.id = 1 THEN 'gone'
            WHEN r.id > 2 AND mod(n, 3) > 0 THEN 'not_modified' ELSE 'page' END END,
        1, now() - interval '1 day', now() - interval '1 day',
        CASE f.status WHEN 'dead' THEN 'ServerError: 503 from the provider, request ' || n ELSE '' END,
        CASE f.status WHEN 'dead' THEN repeat('  File "work.py", line 12, in work' || chr(10), 40) ELSE '' END,
        CASE f.status WHEN 'dead' THEN repeat('<html>', 200) ELSE '' END,
        CASE f.status WHEN 'applied' THEN jsonb_build_object('track.unchanged', mod(n, 20), 'release.unchanged', 1,
            'artist.unchanged', 1 + mod(n, 3), 'rejected', 0) ELSE '{}' END
    FROM (
        SELECT r.id, r.status, s.scope,
            generate_series(1, CASE WHEN r.mode = 'full' THEN %(tracks)s * 12 / 100 ELSE %(tracks)s / 500 END) AS n
        FROM musicsync_run r
        JOIN (SELECT provider_id, min(id) AS scope FROM musicsync_scope GROUP BY 1) s USING (provider_id)
    ) r JOIN LATERAL (SELECT CASE WHEN mod(n, 997) = 1 THEN 'dead' WHEN r.status = 'done' THEN 'applied'
        WHEN n < %(tracks)s * 6 / 100 THEN 'applied' WHEN n < %(tracks)s * 6 / 100 + 20 THEN 'queued'
        ELSE 'pending' END AS status) f ON true
    ORDER BY r.id, n
    """,
    """
    INSERT INTO musicsync_rejection (page_id, provider_id, run_id, path, reason, excerpt)
    SELECT k.id, k.provider_id, 1, '$[' || mod(k.id, 10) || ']', 'no title ' || k.id, repeat('{"id": 1}', 20)
    FROM musicsync_knownpage k WHERE mod(k.id, 20) = 0
    """,
    f"""
    INSERT INTO musicsync_failure (kind, task, task_id, arguments, error, traceback, worker, run_id)
    SELECT CASE WHEN mod(n, 100) = 0 THEN 'worker_lost' ELSE 'retry' END, 'musicsync.tasks.work_fetch', md5(n::text),
        '[' || n || ']', 'Timeout: no answer', repeat('  File "work.py"' || chr(10), 40), 'celery@host-1',
        1 + mod(n, {ENDED_RUNS})
    FROM generate_series(1, %(tracks)s / 50) n
    """,
    """
    INSERT INTO musicsync_alert (key, subject, body, occurrences)
    SELECT 'run-errors:' || n, 'A run has errors', repeat('text ', 50), 1 FROM generate_series(1, %(tracks)s / 1000) n
    """,
)

_CHANGE = "INSERT INTO musicsync_change (entity, entity_id, action, before, after, provider_id, run_id, transaction)"
_PER_TRANSACTION = "1 + {0} * 400::bigint / %(tracks)s"
"""Less than the number of any transaction of the database that is filled: a later one would be held back."""
_NEW = "jsonb_build_object('title', {0}, 'state', 'present', 'duration_ms', 187000, 'artist_credit', 'The ' || {0})"


def _created(provider: str, low: str, high: str, run: int) -> str:
    """Return what tells of the new rows of one import, release by release."""
    title = _title("n")
    return f"""
    {_CHANGE}
    SELECT c.entity, c.id, 'created', '{{}}', {_NEW.format(title)}, %({provider})s, {run},
        {_PER_TRANSACTION.format("n")}
    FROM generate_series(1 + ({low} * %(tracks)s)::int, ({high} * %(tracks)s)::int) n,
    LATERAL (VALUES ('track', n, true), ('recording', n, n <= %(recordings)s),
        ('release', n * %(releases)s::bigint / %(tracks)s,
            n * %(releases)s::bigint / %(tracks)s > (n - 1) * %(releases)s::bigint / %(tracks)s),
        ('artist', n * %(artists)s::bigint / %(tracks)s,
            n * %(artists)s::bigint / %(tracks)s > (n - 1) * %(artists)s::bigint / %(tracks)s))
        AS c(entity, id, is_new)
    WHERE c.is_new
    """


_CHANGES = (
    _created("first", "0", "0.6", 1),
    _created("second", "0.6", "1", 2),
    f"""
    {_CHANGE}
    SELECT (ARRAY['track', 'recording'])[1 + mod(n, 2)], n, 'updated', '{{"duration_ms": 186000}}',
        '{{"duration_ms": 187000}}', %(second)s, 3 + mod(n, {ENDED_RUNS} - 2), 402 + mod(n, {ENDED_RUNS} - 2)
    FROM generate_series(1, %(tracks)s / 10) n ORDER BY 3 + mod(n, {ENDED_RUNS} - 2)
    """,
    f"""
    {_CHANGE}
    SELECT 'track', n, 'removed', '{{"state": "present"}}', '{{"state": "gone"}}', %(first)s, 11, 410
    FROM generate_series(1, %(tracks)s / 2, 1000) n
    """,
)
