"""The tables, one module for each part of the way of the data.

``sources``
    what is followed, and what each provider last said (Provider, Scope, KnownPage, SourceArtist, ...)
``checks``
    when pages are asked again (PageCheck, Tuning)
``runs``
    the ledger of work (Run, Fetch, Tally, Rejection)
``catalogue``
    the one catalogue made of all sources (Artist, Release, Recording, Track, credits)
``feed``
    what changed, in commit order (Change)
``processes``
    which workers are alive, and which beat leads (Worker, Leader)
``failures``
    what went wrong in the machinery, and who was told (Failure, Alert)
"""

from musicsync.models.catalogue import Artist, Isrc, Recording, RecordingCredit, Release, ReleaseCredit, Track
from musicsync.models.checks import PageCheck, Tuning
from musicsync.models.failures import Alert, Failure
from musicsync.models.feed import Change
from musicsync.models.processes import Leader, Worker
from musicsync.models.runs import Fetch, Rejection, Run, Tally
from musicsync.models.sources import (
    Budget,
    Circuit,
    KnownPage,
    Profile,
    Provider,
    Scope,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Token,
)

__all__ = [
    "Alert",
    "Artist",
    "Budget",
    "Change",
    "Circuit",
    "Failure",
    "Fetch",
    "Isrc",
    "KnownPage",
    "Leader",
    "PageCheck",
    "Profile",
    "Provider",
    "Recording",
    "RecordingCredit",
    "Rejection",
    "Release",
    "ReleaseCredit",
    "Run",
    "Scope",
    "SourceArtist",
    "SourceRelease",
    "SourceTrack",
    "Tally",
    "Token",
    "Track",
    "Tuning",
    "Worker",
]
