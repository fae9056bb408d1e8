"""A plain bulk feed: a whole catalogue, page by page, as a distributor or this project's sandbox serves it.

Docs:       the package docstring of ``sandbox``, which is the feed's only definition.
Request:    ``GET feed/tracks?limit=1000``, then with ``cursor`` as the page before says. ``since`` takes the
            ``watermark`` that an earlier pass ended with and narrows the feed to what was added or edited after it.
Auth:       ``Authorization: Bearer``, where the feed asks for it (401 otherwise).
Rate:       429 with Retry-After.
Form:       ``items`` of tracks, each with its release and artists embedded, so that any page stands alone. Durations
            are in milliseconds.
"""

from msgspec import Struct

from musicsync.identifiers import clean_text, storable
from musicsync.providers import keys, wire
from musicsync.providers.base import Adapter, Scope
from musicsync.providers.wire import Each, Number, Text, Token
from musicsync.records import (
    ArtistRecord,
    Credit,
    Mode,
    Page,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
)

_PAGE = 1000


class Artist(Struct):
    """One name in a credit; ``join`` is the text between it and the next."""

    id: Text
    name: Text
    join: str | None = ""


class Release(Struct):
    """The release that a track stands on."""

    id: Text
    title: Text
    gtin: str | None = None
    released: str | None = None
    label: str | None = None
    type: str | None = None
    track_count: Number | None = None
    artists: list[Artist] = []


class Track(Struct):
    """One item of the feed."""

    id: Text
    title: Text
    release: Release
    disc: Number
    position: Number
    artists: list[Artist]
    version: str | None = None
    isrc: str | None = None
    duration_ms: Number | None = None
    explicit: bool | None = None


class Tracks(Struct):
    """One page of the feed."""

    items: list[Track]
    next: Token | None = None
    watermark: Token | None = None


_LISTS = {"items": Each(Track)}


class Feed(Adapter):
    """Follows a bulk feed of tracks."""

    name = "feed"
    label = "Bulk feed"
    base_url = "http://127.0.0.1:8100"
    scope_kinds = ("feed",)
    rate = 50.0
    burst = 10
    credential = "optional"

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return the empty key, the only one that a feed has."""
        return keys.feed_key(self.label, kind, key)

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:
        """Return the first page: what came after the scope's watermark in incremental mode, otherwise everything."""
        self.normalise_key(scope.kind, scope.key)
        since = {"since": scope.watermark} if mode == "incremental" and scope.watermark else {}
        return [Request(path="feed/tracks", params={"limit": str(_PAGE), **since})]

    def probe(self) -> Request:
        """Return a request for one track."""
        return Request(path="feed/tracks", params={"limit": "1"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return the tracks of a page, each release and artist once."""
        tracks, rejected = wire.decode(response.body, Tracks, _LISTS)
        artists: dict[str, ArtistRecord] = {}
        releases: dict[str, ReleaseRecord] = {}
        records = [_track(track, artists, releases) for track in tracks.items]
        following = (
            Request(path=request.path, params={**request.params, "cursor": tracks.next}) if tracks.next else None
        )
        return Page(
            records=(*artists.values(), *releases.values(), *records),
            rejected=tuple(rejected),
            following=following,
            watermark=tracks.watermark,
        )


def _track(track: Track, artists: dict[str, ArtistRecord], releases: dict[str, ReleaseRecord]) -> TrackRecord:
    release = track.release
    if release.id not in releases:
        releases[release.id] = _release(release, artists)
    return TrackRecord(
        external_id=clean_text(track.id),
        release_id=releases[release.id].external_id,
        disc=track.disc,
        position=track.position,
        title=clean_text(track.title),
        version=wire.optional_text(track.version),
        isrcs=wire.optional_isrcs(track.isrc),
        duration_ms=wire.duration(track.duration_ms),
        explicit=track.explicit,
        credits=_credits(track.artists, artists),
    )


def _release(release: Release, artists: dict[str, ArtistRecord]) -> ReleaseRecord:
    return ReleaseRecord(
        external_id=clean_text(release.id),
        title=clean_text(release.title),
        gtin=wire.optional_gtin(release.gtin),
        type=wire.optional_text(release.type),
        released=wire.optional_date(release.released),
        label=wire.optional_text(release.label),
        track_count=release.track_count,
        credits=_credits(release.artists, artists),
    )


def _credits(credited: list[Artist], artists: dict[str, ArtistRecord]) -> tuple[Credit, ...]:
    names = []
    for artist in credited:
        known = artists.get(artist.id)
        if known is None:
            known = artists[artist.id] = ArtistRecord(external_id=clean_text(artist.id), name=clean_text(artist.name))
        names.append(
            Credit(name=clean_text(artist.name), artist_id=known.external_id, join_phrase=storable(artist.join or ""))
        )
    return tuple(names)
