"""A provider simulator: one made-up music catalogue of any size, served in the dialects of real providers.

    python -m sandbox --tracks 10000 --seed 1 --port 8100

**World.** The catalogue is a row of blocks of 100 tracks. A block is a pure function of (seed, generation, number), so
that nothing is stored and every run, on every machine, serves the same catalogue. Names, durations, release sizes,
scripts and gaps follow measured catalogues (``figures.py``). Deezer and iTunes serve blocks [0.4 B, 1.4 B), Spotify
[0.2 B, 1.2 B), TIDAL [0.6 B, 1.6 B), the others [0, B): with a track count that is a multiple of 500, exactly 60 % of
MusicBrainz and Deezer each is in both.

**Generations.** ``POST /control/evolve`` moves the world one generation on. In each, 2 % of the tracks are edited,
0.5 % removed, 1 % added and some artists merged into others. There are 100 generations at most.

**Dialects.** All compress bodies over 1 kB where the client accepts gzip, and enforce their limit in their own way.

``/musicbrainz/ws/2/``
    lookups, browse and barcode search, ``inc``, weak ETags, 503 over the limit, 301 for merged ids
``/deezer/``
    ``index``/``limit``/``next``, errors inside HTTP 200, volatile ranks, merged ids answered in place
``/jamendo/v3.0/``
    ``offset``/``limit``/``headers.next``, errors in the head of a 200, signed links, optional ``client_id``
``/lastfm/2.0/``
    all by ``?method=``, names for ids, one object for a list of one, errors inside HTTP 200, optional ``api_key``
``/feed/tracks``
    a bulk feed: cursor, ``since``, strong ETags, 429 with Retry-After, optional Bearer token
``/spotify/v1/``
    ``limit``/``offset``/``next``, 429 with Retry-After, volatile popularity and order of markets, Bearer token;
    ``/spotify/token`` gives tokens to the client ``sandbox-client:sandbox-secret``
``/tidal/v2/``
    JSON:API, cursors, 20 items a page, 429 with Retry-After, Bearer token, which ``/tidal/token`` gives
``/discogs/``
    ``page``/``per_page``, masters, tracks without ids, counters of a moving minute, 429, a search that wants a token
``/itunes/``
    ``lookup`` without pages, booklets and videos among songs, 403 over the limit, an empty answer for unknown ids

**Control** is never limited and never faulty.

``POST /control/evolve``
    body optional: ``{"generations": 1, "expected": true}``; answers as ``expected`` does
``GET /control/expected?from=0&to=1``
    per dialect: tracks, edited, removed, added, merged_artists; counted by comparing what is served
``GET /control/scopes?provider=deezer``
    per scope kind the keys that reach every track, with the ids of generation 0
``GET /control/state``
    seed, tracks, generation; per dialect the requests served and refused, and the most within 1 and 5 seconds
``/control/tokens``
    per dialect the tokens given and refused; ``DELETE`` revokes all of them
``/control/faults``
    ``POST`` sets a list of rules, ``GET`` shows them with their hits, ``DELETE`` clears them

``/control/shifts``
    ``POST`` sets a list of rules by which lists change while they are read, ``GET`` shows them

Such a rule, of which only ``kind`` is required::

    {"kind": "remove", "dialect": "deezer", "path": "/albums", "after": 1}

The first item of a list goes (``remove``) or comes (``insert``) once the list was asked for ``after`` times; until then
it is there, or is not. ``path`` is a regular expression searched in the path and those query parameters that tell lists
apart.

A fault rule, of which only ``kind`` is required::

    {"kind": "status", "status": 503, "retry_after": 2, "dialect": "musicbrainz", "path": "^release", "share": 0.1}

``path`` is a regular expression searched in the path below the dialect's root; ``share`` (0 to 1) or ``every`` (each
n-th) choose among the matching requests by counting, not by chance; ``count`` is how often the rule acts at most.

Another answer, worded as the dialect does:

``status``
    ``status`` (401, 403, 404, 429, 500, 502, 503, 504); ``retry_after`` is sent as it is, a number or any text;
    ``retry_in`` is sent as the HTTP date so many seconds from now, which may be negative; ``headers`` are sent besides
``shed``
    MusicBrainz' other 503, for a load of its own: ``X-RateLimit-Who: search-shed`` and ``Retry-After: 0``
``deezer_code``, ``false_404``
    Deezer's error ``code`` inside a 200; "not there" about what is there
``headers``
    the right answer with these ``headers`` besides, such as ``X-RateLimit-Remaining: 0``

A body with status 200 that is not as it should be:

``malformed``, ``half``, ``empty``, ``html``
    a stray comma; the first half, announced as if it were all; nothing; a page for people
``wrong_type``, ``nul``, ``nan``, ``duplicate_key``, ``deep``
    one item of the page: its title is an object, holds NUL and a lone surrogate, is NaN, stands there twice, or is
    10,000 lists deep
``blank``, ``reformat``
    every ``field`` of this name, at any depth, is empty, or its value has ``urn:`` before it

A connection that fails, with the right answer on it (``huge``, ``endless`` and ``gzip_bomb``: ``size`` bytes of space):

``latency``, ``hang``
    the answer comes ``ms`` late; it never comes
``slow``, ``slow_headers``
    ``bytes_per_second`` of the body, or of everything from the first byte on
``truncated``, ``reset``
    the connection ends after half of the announced body; it is reset ``at`` the ``request``, in the ``headers``
    or in the ``body``
``huge``, ``endless``, ``gzip_bomb``
    a body of 10 GB that is announced, that comes in chunks, or that is 10 MB until it is unpacked
"""
