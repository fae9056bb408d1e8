"""Two sandbox providers in step with one catalogue, from nothing: what ``make demo`` runs.

    python -m sandbox.demo [--tracks 10000] [--evolve]

``__main__``
    options, an environment of the demo's own, exit codes
``show``
    the demo from its first line to its last
``children``
    the processes that it starts and stops
``simulator``
    what the sandbox says of itself, and where the demo stopped last time
``summary``
    what came of it, held against what the sandbox announced

All that it keeps lies in ``var/demo`` (below MUSICSYNC_VAR where that is set), apart from any real catalogue.
"""
