"""MusicBrainz web service 2 (WS/2).

Docs:       https://musicbrainz.org/doc/MusicBrainz_API
Rate:       1 request a second per IP address, over it 503 "exceeding the allowable rate limit"; a User-Agent that
            names a contact is required (https://musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting).
Load shed:  a 503 with ``X-RateLimit-Who: search-shed`` and ``Retry-After: 0`` says that the search servers are busy,
            not that we are too fast: slowing down does not help, so the one request is asked again soon.
Paging:     ``limit`` (25 unless given, 100 at most) and ``offset``. A page with recordings is cut at 500 tracks but
            holds at least one release: the offset moves by the items received, never by the limit (server source,
            Controller/WS/2/Release.pm). Lists inside a lookup stop at 25 and do not say so (Recording.pm), so the
            releases of an artist or label are browsed. Those of a recording come with its lookup; where they are 25,
            all of them are browsed too. A ``release-count`` that has changed since the page before says that the list
            has (ADR 16): the end of that page is asked again.
Includes:   a lookup takes ``genres``; for browsing, client libraries list the same includes without it, and one that
            is not allowed is answered with 400, so browsed releases come without genres.
Merges:     a merged MBID answers 301 to the one that lives on, so the id in the body counts, not the one asked for.
Quirks:     ``length`` null; ``barcode`` null, empty, or 10 to 13 digits; track numbers such as "A1"; a pregap at
            position 0 and data tracks beside the list of tracks; join phrases that are anything (" ♥ "); in answers of
            some years ago, a ``length`` that is a text, tracks with a ``number`` and no ``position``, and in searches
            no credited name where it is the artist's own (recorded).
Left out:   ``disambiguation`` of releases and recordings: it is a comment for editors and not a version. Durations are
            in milliseconds.

A track is known by its track MBID, and by its recording's MBID as ``recording_id``; a recording that is looked up by
itself has its recording MBID in both places.
"""

from collections.abc import Iterator
from http.client import SERVICE_UNAVAILABLE, TOO_MANY_REQUESTS
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from musicsync.identifiers import clean_text, storable
from musicsync.providers import keys, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.providers.wire import Each, Number, Text, Uuid, Whole
from musicsync.records import (
    ArtistRecord,
    Credit,
    Mode,
    Page,
    Permanent,
    ReleaseRecord,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
)

_BROWSE_INC = "artist-credits isrcs labels media recordings release-groups"
_RELEASE_INC = f"{_BROWSE_INC} genres"
_RECORDING_INC = "artist-credits isrcs releases"
_STUB_INC = "artist-credits"
"""What is asked of releases that a recording stands on: as much as its lookup says of them."""
_PAGE = 100
_MOST_EMBEDDED = 25
_SEAM = 4
"""Of a page that is looked at again the last fourth is, which has to be four times as long as others to be cut."""
_KEYS: Final[dict[ScopeKind, str]] = {
    "artist": "an MBID",
    "label": "an MBID",
    "release": "an MBID or a UPC/EAN of 12 to 14 digits with a right check digit",
    "recording": "an MBID or an ISRC",
}


class Artist(Struct, frozen=True, rename="kebab"):
    """As https://musicbrainz.org/doc/Artist defines it."""

    id: Uuid
    name: Text
    sort_name: str | UnsetType | None = UNSET
    disambiguation: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET


class CreditedName(Struct, frozen=True):
    """As https://musicbrainz.org/doc/Artist_Credits defines it; searches left out a name that is the artist's own."""

    artist: Artist
    name: str = ""
    joinphrase: str | None = ""


class Named(Struct):
    """A label or genre."""

    name: str | None = None


class LabelInfo(Struct, rename="kebab"):
    """A label that a release is on, with its number there."""

    label: Named | None = None
    catalog_number: str | None = None


class ReleaseGroup(Struct, rename="kebab"):
    """What a release is an edition of; it holds the type."""

    primary_type: str | None = None
    secondary_types: list[str] = []


class Recording(Struct, rename="kebab"):
    """As https://musicbrainz.org/doc/Recording defines it."""

    id: Uuid
    title: Text
    length: Whole | UnsetType | None = UNSET
    isrcs: list[str] | UnsetType = UNSET
    artist_credit: list[CreditedName] | UnsetType = UNSET
    releases: list["Release"] = []


class Track(Struct, rename="kebab"):
    """As https://musicbrainz.org/doc/Track defines it; among the releases of a recording it does not repeat that."""

    id: Uuid
    title: Text
    position: Number | UnsetType = UNSET
    recording: Recording | UnsetType = UNSET
    number: str | UnsetType | None = UNSET
    length: Whole | UnsetType | None = UNSET
    artist_credit: list[CreditedName] | UnsetType = UNSET


class Medium(Struct, rename="kebab"):
    """As https://musicbrainz.org/doc/Medium defines it."""

    position: Number | UnsetType = UNSET
    track_count: Number | None = None
    tracks: list[Track] = []
    data_tracks: list[Track] = []
    pregap: Track | None = None


class Release(Struct, rename="kebab"):
    """As https://musicbrainz.org/doc/Release defines it, with as much of it as was asked for."""

    id: Uuid
    title: Text
    barcode: str | UnsetType | None = UNSET
    date: str | UnsetType | None = UNSET
    artist_credit: list[CreditedName] | UnsetType = UNSET
    label_info: list[LabelInfo] | UnsetType = UNSET
    release_group: ReleaseGroup | UnsetType = UNSET
    genres: list[Named] | UnsetType = UNSET
    media: list[Medium] | UnsetType = UNSET


class LookedUpArtist(Artist, frozen=True, rename="kebab"):
    """An artist with the first of its releases and recordings, where they were asked for."""

    releases: list[Release] = []
    recordings: list[Recording] = []


class Label(Struct):
    """As https://musicbrainz.org/doc/Label defines it, with the first of its releases where they were asked for."""

    id: Uuid
    releases: list[Release] = []


class Lists(Struct, rename="kebab"):
    """A page of a browse or of a search, or what belongs to an ISRC."""

    isrc: str | None = None
    release_count: Number | None = None
    releases: list[Release] | UnsetType = UNSET
    recordings: list[Recording] | UnsetType = UNSET
    artists: list[Artist] | UnsetType = UNSET


_TRACK = Each(Track)
_MEDIA = {"media": Each(Medium, {"tracks": _TRACK, "data-tracks": _TRACK})}
_RELEASES = {"releases": Each(Release, _MEDIA)}
_LISTS = {**_RELEASES, "recordings": Each(Recording, _RELEASES), "artists": Each(Artist)}


class MusicBrainz(Adapter):
    """Follows artists, labels, releases and recordings at MusicBrainz."""

    name = "musicbrainz"
    label = "MusicBrainz"
    base_url = "https://musicbrainz.org/ws/2"
    scope_kinds = tuple(_KEYS)
    rate = 1.0
    burst = 1
    parser_version = 3
    contact_required = True

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error body, which is ``{"error": "...", "help": "..."}``."""
        said = (wire.try_decode(body, dict[str, str]) or {}).get("error")
        return super().error_text(body) if said is None else one_line(said)

    def is_rate_limit(self, status: int, headers: dict[str, str]) -> bool:
        """Tell a rate limit, which is a 503 here, unless it is shed load."""
        return status in (TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE) and not self.is_shed(status, headers)

    def is_shed(self, status: int, headers: dict[str, str]) -> bool:
        """Tell shed load by who it is that refuses."""
        return status == SERVICE_UNAVAILABLE and "shed" in headers.get("x-ratelimit-who", "")

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an MBID in lower case, an ISRC, or a UPC/EAN of at least 12 digits."""
        others = {"release": keys.gtin_key, "recording": keys.isrc_key}
        found = keys.uuid_key(key) or (others[kind](key) if kind in others else None)
        if kind not in _KEYS or found is None:
            raise keys.bad_scope(self.label, kind, key, _KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one lookup, in any mode: a browse page holds a hundred releases, and its ETag makes it cheap."""
        key = self.normalise_key(scope.kind, scope.key)
        by_mbid = keys.uuid_key(key) is not None
        if scope.kind == "release":
            return [_release(key) if by_mbid else _get("release", query=f"barcode:{key}")]
        if scope.kind == "recording":
            return [_get(f"recording/{key}" if by_mbid else f"isrc/{key}", inc=_RECORDING_INC)]
        return [_get(f"{scope.kind}/{key}")]

    def probe(self) -> Request:
        """Return a search that finds nothing."""
        return _get("release", query="barcode:0", limit="1")

    def parse(self, request: Request, response: Response) -> Page:
        """Return what a lookup, browse, search or ISRC says; what is asked is told by the request's path."""
        entity, _, asked = request.path.partition("/")
        body = response.body
        if entity == "artist" and asked:
            return _artist_page(body, asked)
        if entity == "label" and asked:
            return _label_page(body)
        if entity == "release" and asked:
            release, rejected = wire.decode(body, Release, _MEDIA)
            page = PageBuilder(rejected)
            page.merge("release", asked, release.id)
            _add_release(page, release)
            return page.page()
        if entity == "recording" and asked:
            recording, rejected = wire.decode(body, Recording, _RELEASES)
            page = PageBuilder(rejected)
            page.merge("track", asked, recording.id)
            _add_recording(page, recording)
            return page.page()
        return _lists_page(body, request)


def _get(path: str, **params: str) -> Request:
    return Request(path=path, params={**params, "fmt": "json"})


def _release(mbid: str) -> Request:
    return _get(f"release/{mbid}", inc=_RELEASE_INC)


def _browse(by: str, mbid: str, inc: str = _BROWSE_INC) -> Request:
    return _get("release", **{by: mbid}, inc=inc, limit=str(_PAGE), offset="0")


def _artist_page(body: bytes, asked: str) -> Page:
    artist, rejected = wire.decode(body, LookedUpArtist, _LISTS)
    page = PageBuilder(rejected)
    page.merge("artist", asked, artist.id)
    page.add(_artist_record(artist))
    for release in artist.releases:
        _add_release(page, release)
    for recording in artist.recordings:
        _add_recording(page, recording)
    page.follow_ups.append(_browse("artist", artist.id))
    return page.page()


def _label_page(body: bytes) -> Page:
    label, rejected = wire.decode(body, Label, _RELEASES)
    page = PageBuilder(rejected)
    for release in label.releases:
        _add_release(page, release)
    page.follow_ups.append(_browse("label", label.id))
    return page.page()


def _lists_page(body: bytes, request: Request) -> Page:
    lists, rejected = wire.decode(body, Lists, _LISTS)
    if lists.releases is UNSET and lists.recordings is UNSET and lists.artists is UNSET:
        raise Permanent(f"the answer to {request.path} is not a form that holds releases, recordings or artists")
    page = PageBuilder(rejected)
    for artist in lists.artists or ():
        page.add(_artist_record(artist))
    for recording in lists.recordings or ():
        if recording.isrcs is UNSET and lists.isrc:
            recording.isrcs = [lists.isrc]
        _add_recording(page, recording)
    releases = lists.releases or []
    if "query" in request.params:
        page.follow_ups += [_found(release) for release in releases]
        return page.page()
    for release in releases:
        _add_release(page, release)
    received = len(releases) + sum(_is_release(item.path) for item in rejected)
    page.total = lists.release_count
    page.follow_ups += _next_page(request, received, lists.release_count or 0)
    return page.page()


def _found(release: Release) -> Request:
    # A search result is a copy in an index that lags behind, without tracks: it only says which release to look up.
    request = _release(release.id)
    return Request(path=request.path, params=request.params, refreshes=("release", release.id))


def _is_release(path: str) -> bool:
    return path.startswith("$.releases[") and path.count("[") == 1


def _next_page(request: Request, received: int, count: int) -> list[Request]:
    offset = int(keys.number_key(request.params.get("offset", "0")) or "0") + received
    if not received or offset >= count:
        return []
    # Once more from its beginning, a page may be cut before what moved to its end: that may be longer than what went.
    looked_at = max(1, received // _SEAM)
    seam = {"offset": str(offset - looked_at), "limit": str(looked_at)}
    return [page_after(request, {"offset": str(offset)}, count, seam=seam)]


def _artist_record(artist: Artist) -> ArtistRecord:
    return ArtistRecord(
        external_id=artist.id,
        name=clean_text(artist.name),
        sort_name=wire.optional_text(artist.sort_name),
        disambiguation=wire.optional_text(artist.disambiguation),
        type=wire.optional_lower(artist.type),
        country=wire.optional_text(artist.country),
    )


def _credits(page: PageBuilder, names: list[CreditedName] | UnsetType) -> tuple[Credit, ...] | UnsetType:
    if isinstance(names, UnsetType):
        return UNSET
    said = tuple(names)
    if said not in page.credits:
        page.credits[said] = tuple([_credit(page, credited) for credited in said])
    return page.credits[said]


def _credit(page: PageBuilder, credited: CreditedName) -> Credit:
    page.add(_artist_record(credited.artist))
    return Credit(
        name=clean_text(credited.name) or clean_text(credited.artist.name),
        artist_id=credited.artist.id,
        # A join phrase is text between two names: its outer white space is the point of it.
        join_phrase=storable(credited.joinphrase or ""),
    )


def _add_recording(page: PageBuilder, recording: Recording) -> None:
    page.add(
        TrackRecord(
            external_id=recording.id,
            recording_id=recording.id,
            title=clean_text(recording.title),
            isrcs=wire.optional_isrcs(recording.isrcs),
            duration_ms=wire.duration(wire.whole(recording.length)),
            credits=_credits(page, recording.artist_credit),
        )
    )
    for release in recording.releases:
        page.add(_release_record(page, release))
        for disc, track in _placed(release):
            _add_track(page, track, release.id, disc, recording)
    if len(recording.releases) + len(page.rejected) >= _MOST_EMBEDDED:
        page.follow_ups.append(_browse("recording", recording.id, _STUB_INC))


def _add_release(page: PageBuilder, release: Release) -> None:
    page.add(_release_record(page, release, _track_count(release.media)))
    for disc, track in _placed(release):
        _add_track(page, track, release.id, disc, track.recording)


def _release_record(page: PageBuilder, release: Release, track_count: int | UnsetType = UNSET) -> ReleaseRecord:
    label, number = _label(release.label_info)
    return ReleaseRecord(
        external_id=release.id,
        title=clean_text(release.title),
        gtin=wire.optional_gtin(release.barcode),
        type=_release_type(release.release_group),
        released=wire.optional_date(release.date),
        label=label,
        catalog_number=number,
        track_count=track_count,
        genres=_genres(release.genres),
        credits=_credits(page, release.artist_credit),
    )


def _placed(release: Release) -> Iterator[tuple[int, Track]]:
    """Yield the tracks of a release, each with the number of its disc."""
    for place, medium in enumerate(release.media or (), start=1):
        disc = place if isinstance(medium.position, UnsetType) else medium.position
        for track in (*([medium.pregap] if medium.pregap else []), *medium.tracks, *medium.data_tracks):
            yield disc, track


def _add_track(page: PageBuilder, track: Track, release_id: str, disc: int, recording: Recording | UnsetType) -> None:
    sound = Recording(id=track.id, title=track.title) if isinstance(recording, UnsetType) else recording
    names = sound.artist_credit if isinstance(track.artist_credit, UnsetType) else track.artist_credit
    page.add(
        TrackRecord(
            external_id=track.id,
            recording_id=UNSET if isinstance(recording, UnsetType) else recording.id,
            release_id=release_id,
            disc=disc,
            position=track.position,
            number=wire.optional_text(track.number),
            title=clean_text(track.title),
            isrcs=wire.optional_isrcs(sound.isrcs),
            duration_ms=wire.duration(wire.whole(track.length), wire.whole(sound.length)),
            credits=_credits(page, names),
        )
    )


def _release_type(group: ReleaseGroup | UnsetType) -> str | UnsetType | None:
    if isinstance(group, UnsetType):
        return UNSET
    if any(kind.lower() == "compilation" for kind in group.secondary_types):
        return "compilation"
    return clean_text(group.primary_type or "").lower() or None


def _label(infos: list[LabelInfo] | UnsetType) -> tuple[str | UnsetType | None, str | UnsetType | None]:
    if isinstance(infos, UnsetType):
        return UNSET, UNSET
    names = [clean_text(info.label.name or "") for info in infos if info.label]
    numbers = [clean_text(info.catalog_number or "") for info in infos]
    # Editors write "[none]" where a release bears no number.
    return next(filter(None, names), None), next((n for n in numbers if n and n.lower() != "[none]"), None)


def _genres(genres: list[Named] | UnsetType) -> tuple[str, ...] | UnsetType:
    if isinstance(genres, UnsetType):
        return UNSET
    return tuple(sorted({clean_text(genre.name) for genre in genres if genre.name}))


def _track_count(media: list[Medium] | UnsetType) -> int | UnsetType:
    counts = [medium.track_count for medium in media or ()]
    return sum(count or 0 for count in counts) if counts and None not in counts else UNSET
