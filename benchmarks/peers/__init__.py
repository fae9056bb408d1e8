"""What musicsync is compared with, each a program of its own over the same feed into the same PostgreSQL.

``python -m benchmarks.peers.NAME --feed URL --database URL --tracks N`` reads the first N tracks of the feed and
prints one line of JSON for each of its passes: ``{"name": ..., "tracks": ..., "seconds": ...}``. The time is from the
first request to the last commit; starting Python is not in it. None of them matches, or keeps credits, history or
provenance.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A program of this package, how many tracks it is given at most, and what it needs of other people's."""

    module: str
    most_tracks: int | None = None
    requirement: str = ""
    is_library: bool = False
    """Whether the module imports it, rather than start a program."""


PEERS = (
    Peer("limits"),
    Peer("dlt_merge", requirement="dlt[postgres]==1.31.0", is_library=True),
    Peer("singer_target", most_tracks=100_000, requirement="meltanolabs-target-postgres==0.8.1"),
    Peer("django_rows", most_tracks=20_000),
    Peer("task_per_track", most_tracks=20_000),
)
