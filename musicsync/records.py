"""What a provider says, typed: the records, pages and errors that every adapter speaks.

Imports no Django, so that an adapter can be read, run and tested by itself.

A field of a record has three states, and the difference matters:

``UNSET``
    this kind of answer does not carry the field (an album's embedded track list has no ISRC): keep what is known;
``None``
    the provider was asked and has no value: a value known before is withdrawn;
a value
    the provider says so.
"""

from typing import ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType, structs

from musicsync.redaction import redacted

Kind = Literal["artist", "release", "track"]
Mode = Literal["full", "incremental", "lookup"]
ScopeKind = Literal["feed", "artist", "label", "release", "recording"]

KINDS: tuple[Kind, ...] = ("artist", "release", "track")


class Credit(Struct, frozen=True):
    """One name in a credit, in order.

    ``name`` is as credited, which may differ from the artist's own; ``artist_id`` is the provider's id of the artist
    (``None`` where it gives none); ``join_phrase`` is the text between this name and the next (" feat. ", " & ").
    """

    name: str
    artist_id: str | None = None
    join_phrase: str = ""


class ArtistRecord(Struct, frozen=True, kw_only=True):
    """An artist as one provider describes it. ``country`` is ISO 3166-1 alpha-2; ``type`` is "person", "group", ..."""

    kind: ClassVar[Kind] = "artist"

    external_id: str
    name: str
    sort_name: str | None | UnsetType = UNSET
    disambiguation: str | None | UnsetType = UNSET
    type: str | None | UnsetType = UNSET
    country: str | None | UnsetType = UNSET


class ReleaseRecord(Struct, frozen=True, kw_only=True):
    """A release as one provider describes it.

    ``gtin`` is the normalised 14-digit form of a valid UPC/EAN/GTIN, else the text as given. ``released`` is ISO 8601
    at the precision the provider knows: "1987", "1987-07" or "1987-07-04". ``type`` is "album", "single", "ep",
    "compilation", ... in lower case. ``territories`` are those where the provider offers it, as sorted ISO 3166-1
    alpha-2 codes: none of them, and it is offered nowhere. ``main_artists`` are all that a form of answer names which
    leaves other artists out: they are the credit where nobody states one in ``credits``.
    """

    kind: ClassVar[Kind] = "release"

    external_id: str
    title: str
    version: str | None | UnsetType = UNSET
    gtin: str | None | UnsetType = UNSET
    type: str | None | UnsetType = UNSET
    released: str | None | UnsetType = UNSET
    label: str | None | UnsetType = UNSET
    catalog_number: str | None | UnsetType = UNSET
    explicit: bool | None | UnsetType = UNSET
    track_count: int | None | UnsetType = UNSET
    genres: tuple[str, ...] | UnsetType = UNSET
    territories: tuple[str, ...] | None | UnsetType = UNSET
    credits: tuple[Credit, ...] | UnsetType = UNSET
    main_artists: tuple[Credit, ...] | UnsetType = UNSET


class TrackRecord(Struct, frozen=True, kw_only=True):
    """A recording at its place on a release, as one provider describes it.

    ``release_id`` is the provider's id of the release and ``disc``/``position`` count from 1 (a MusicBrainz pregap is
    position 0); all three are unset for a recording looked up by itself. ``recording_id`` is the provider's own id of
    the recording where it has one apart from the track. ``isrcs`` are normalised ("USRC17607839") where valid, as
    given otherwise; ``duration_ms`` is in milliseconds; ``number`` is the printed one ("A1"). ``territories`` and
    ``main_artists`` are as a release's.
    """

    kind: ClassVar[Kind] = "track"

    external_id: str
    title: str
    version: str | None | UnsetType = UNSET
    recording_id: str | None | UnsetType = UNSET
    release_id: str | None | UnsetType = UNSET
    disc: int | None | UnsetType = UNSET
    position: int | None | UnsetType = UNSET
    number: str | None | UnsetType = UNSET
    isrcs: tuple[str, ...] | UnsetType = UNSET
    duration_ms: int | None | UnsetType = UNSET
    explicit: bool | None | UnsetType = UNSET
    territories: tuple[str, ...] | None | UnsetType = UNSET
    credits: tuple[Credit, ...] | UnsetType = UNSET
    main_artists: tuple[Credit, ...] | UnsetType = UNSET


Record = ArtistRecord | ReleaseRecord | TrackRecord


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One HTTP GET that a provider is to be asked: ``path`` below its base URL and ``params`` for the query.

    ``refreshes`` names the record whose details this request is for; once it was answered, an incremental run asks it
    again at a time of its own, or with ``before``, the page before this one, where both are of one list. ``again`` says
    that the page is asked a second time, because its list has changed since the first. ``state`` travels along and is
    no part of the key: where in which version of a file a page begins, for one.
    """

    path: str
    params: dict[str, str] = {}
    refreshes: tuple[Kind, str] | None = None
    before: "PageBefore | None" = None
    again: bool = False
    state: dict[str, str] = {}

    @property
    def key(self) -> str:
        """Return the text that identifies this request within a run: path and sorted query, not encoded."""
        query = "&".join(f"{name}={value}" for name, value in sorted(self.params.items()))
        return f"{self.path}{'?' if query else ''}{query}{'#again' if self.again else ''}"


class PageBefore(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The page before another one of a list: what was asked for, and what of its answer the other is held against.

    ``total`` is how many items the list had by it, ``None`` where it does not say. ``items`` is a mark of the items
    that it held, for a list in which a page may come again and again; empty mostly.
    """

    request: Request
    total: int | None = None
    items: str = ""


class Response(Struct, frozen=True, kw_only=True):
    """A provider's answer with status 200, or 304 when ``body`` is empty and what was stored still holds.

    ``headers`` have lower-case names; ``url`` is the one that answered, after redirects; ``pause`` are the seconds for
    which the provider's own counters (``X-RateLimit-Remaining: 0``) say that nothing more may be asked.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    pause: float = 0.0


class RejectedItem(Struct, frozen=True, kw_only=True):
    """An item of a page that could not become a record.

    ``path`` says where it stood in the body ("$.media[0].tracks[3]"), ``reason`` what is wrong with it, and
    ``excerpt`` shows the start of it.
    """

    path: str
    reason: str
    excerpt: str = ""


class MergedId(Struct, frozen=True, kw_only=True):
    """The provider answered a request for ``old`` with ``new``: the two are one now."""

    kind: Kind
    old: str
    new: str


class Page(Struct, frozen=True, kw_only=True):
    """All that one answer holds: records in the order of the body, what was rejected, and what to ask next.

    ``following`` is the page after this one where each stands alone, in any order: it may be read before this one is
    applied. ``follow_ups`` are asked once it is. ``total`` is how many items the list has that this is a page of, where
    the answer says so. ``watermark`` is the provider's mark of "everything up to here", to be
    handed to the next incremental run. ``form`` tells apart answers of different forms where path and parameter names
    are the same for all; empty mostly.
    """

    records: tuple[Record, ...] = ()
    rejected: tuple[RejectedItem, ...] = ()
    follow_ups: tuple[Request, ...] = ()
    following: Request | None = None
    merged: tuple[MergedId, ...] = ()
    total: int | None = None
    watermark: str | None = None
    form: str = ""

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return all that is to be asked next."""
        return (*self.follow_ups, self.following) if self.following else self.follow_ups

    def without_next(self) -> "Page":
        """Return the page without what leads on in its list."""
        details = tuple(request for request in self.follow_ups if request.before is None)
        return structs.replace(self, following=None, follow_ups=details)


class ProviderError(Exception):
    """A provider's refusal or failure. Its text is one line for a person, without any credential.

    ``excerpt`` is the start of the answer that it came of, without any credential; empty where there was none.
    """

    def __init__(self, message: str, *, excerpt: str = "") -> None:
        super().__init__(redacted(message))
        self.excerpt = redacted(excerpt)


class Transient(ProviderError):
    """It may work when asked again: a timeout, a reset, a 5xx, half a body."""


class RateLimited(ProviderError):
    """The provider asked to slow down; ``retry_after`` is in seconds, ``None`` where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None, *, excerpt: str = "") -> None:
        super().__init__(message, excerpt=excerpt)
        self.retry_after = retry_after


class Shed(ProviderError):
    """The provider turned this one request away for a load of its own: ask it again soon, and go on with the others."""


class Permanent(ProviderError):
    """Asking again will not help: bad parameters, an answer of another form."""


class Refused(ProviderError):
    """The provider does not accept the credential (401, 403): nothing will work until somebody puts that right.

    ``unauthorized`` tells a 401: it may be the token alone that holds no longer.
    """

    def __init__(self, message: str, *, unauthorized: bool = False, excerpt: str = "") -> None:
        super().__init__(message, excerpt=excerpt)
        self.unauthorized = unauthorized


class Gone(ProviderError):
    """The provider says that it does not have this. An answer, not a failure."""


class MusicsyncError(Exception):
    """Something an operator can put right. Its text is one line that names the setting or row and what to do."""
