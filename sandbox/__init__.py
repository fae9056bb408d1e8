"""A provider simulator: one made-up music catalogue of any size, served in the dialects of real providers.

    python -m sandbox --tracks 10000 --seed 1 --port 8100

**World.** The catalogue is a row of blocks of 100 tracks. A block is a pure function of (seed, generation, number), so
that nothing is stored and every run, on every machine, serves the same catalogue. Names, durations, release sizes,
scripts and gaps follow measured catalogues (``figures.py``). MusicBrainz and the feed serve blocks [0, B), Deezer
serves [0.4 B, 1.4 B): with a track count that is a multiple of 500, exactly 60 % of each is in both.

**Generations.** ``POST /control/evolve`` moves the world one generation on. In each, 2 % of the tracks are edited,
0.5 % removed, 1 % added and some artists merged into others. There are 100 generations at most.

**Dialects.** All compress bodies over 1 kB where the client accepts gzip, and enforce their limit in their own way.

``/musicbrainz/ws/2/``
    lookups, browse and barcode search, ``inc``, weak ETags, 503 over the limit, 301 for merged ids
``/deezer/``
    ``index``/``limit``/``next``, errors inside HTTP 200, volatile ranks, merged ids answered in place
``/feed/tracks``
    a bulk feed: cursor, ``since``, strong ETags, 429 with Retry-After, optional Bearer token

**Control** is never limited and never faulty.

``POST /control/evolve``
    body optional: ``{"generations": 1, "expected": true}``; answers as ``expected`` does
``GET /control/expected?from=0&to=1``
    per dialect: tracks, edited, removed, added, merged_artists; counted by comparing what is served
``GET /control/scopes?provider=deezer``
    per scope kind the keys that reach every track, with the ids of generation 0
``GET /control/state``
    seed, tracks, generation; per dialect the requests served and refused, and the most within 1 and 5 seconds
``/control/faults``
    ``POST`` sets a list of rules, ``GET`` shows them with their hits, ``DELETE`` clears them

A fault rule, of which only ``kind`` is required::

    {"kind": "status", "status": 503, "retry_after": 2, "dialect": "musicbrainz", "path": "^release", "share": 0.1}

``path`` is a regular expression searched in the path below the dialect's root; ``share`` (0 to 1) or ``every`` (each
n-th) choose among the matching requests by counting, not by chance; ``count`` is how often the rule acts at most.
Kinds: ``latency`` (ms), ``status`` (status, retry_after), ``deezer_code`` (code), ``truncated``, ``malformed``,
``wrong_type``, ``reset``, ``false_404``, ``nul``, ``slow`` (bytes_per_second).
"""
