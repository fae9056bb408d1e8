"""The world in the dialect of Spotify's Web API.

A version stands behind a dash in the title; dates are as precise as they are known. ``popularity``, the order of the
markets and ``preview_url`` differ at every answer, and the tracks inside an album lack the ISRC. Answers need a token.
An app in development mode (``development``) gets neither new releases nor several things at once, and neither markets
nor labels.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.tokens import Tokens
from sandbox.wire import Answer, Ask, BadNumber, Refusal, json_answer, whole_number
from sandbox.world import Artist, Credit, Release, Track

_PAGE_DEFAULT = 20
_PAGE_MOST = 50
_SEARCH_MOST = 10
_NEW_RELEASE_BLOCKS = 10
_ALBUM_TYPES = {"album": "album", "single": "single", "ep": "single", "compilation": "compilation"}
_COUNTRIES = (
    "AD AE AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CG CH CI CL CM CO CR CV "
    "CW CY CZ DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE "
    "IL IN IQ IS IT JM JO JP KE KG KH KI KM KN KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MN "
    "MO MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PR PS PT PW PY QA RO RS RW SA SB SC "
    "SE SG SI SK SL SM SN SR ST SV SZ TD TG TH TJ TL TN TO TR TT TV TW TZ UA UG US UY UZ VC VE VN VU WS XK ZA ZM ZW"
)
"""Those that Spotify is in: what may be had everywhere lists as many."""
_MARKETS = _COUNTRIES.split()
_WITHDRAWN = frozenset({"available_markets", "album_group", "followers", "label", "linked_from", "popularity"})
"""Fields that apps in development mode lost in February 2026, after the changelog of that month."""
_PRECISIONS = {4: "year", 7: "month", 10: "day"}
_WORDS = {400: "Bad request", 401: "The access token expired", 403: "Forbidden", 404: "Resource not found"}

Document = dict[str, Any]
Thing = TypeVar("Thing")


class Spotify:
    """Answers below ``/spotify/v1/``."""

    name = "spotify"

    def __init__(self, catalogue: Catalogue, *, development: bool = False) -> None:
        self.numbers = catalogue.numbers
        self.tokens = Tokens(self.name)
        self.development = development
        self._catalogue = catalogue
        self._codes = ids.Base62(catalogue.world.mbids)
        self._answers = itertools.count(1)

    def respond(self, ask: Ask) -> Answer:
        """Return an object, a list or an error."""
        if not self.tokens.hold(ask):
            headers = {"WWW-Authenticate": 'Bearer realm="spotify", error="invalid_token"'}
            return _error(401, headers=headers)
        try:
            found = self._route(ask)
            return json_answer(_without_withdrawn(found) if self.development else found)
        except BadNumber:
            return _error(400, "Invalid limit")
        except Refusal as refusal:
            return _error(refusal.status)

    def over_limit(self, seconds: float, /) -> Answer:
        """Return a 429 that says how long to wait."""
        return _error(429, "API rate limit exceeded", {"Retry-After": str(math.ceil(seconds))})

    def not_found(self) -> Answer:
        """Return a 404."""
        return _error(404)

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""
        return _error(status)

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track as looked up, without what differs at every answer."""
        document = self._whole_track(track, release)
        document["album"] = document["album"]["id"]
        for changing in ("popularity", "preview_url", "available_markets"):
            del document[changing]
        return msgspec.json.encode(document)

    def _route(self, ask: Ask) -> Document:
        found: Document
        match ask.parts:
            case ["artists", key]:
                found = self._whole_artist(self._artist_with(key))
            case ["artists", key, "albums"]:
                releases = self._catalogue.releases_of(self._artist_with(key))
                found = self._page(ask, releases, self._album, most=_SEARCH_MOST)
            case ["albums", key]:
                found = self._whole_album(ask, self._release_with(key))
            case ["albums", key, "tracks"]:
                found = self._page(ask, self._catalogue.tracks_on(self._release_with(key)), self._track)
            case ["tracks", key]:
                found = self._known_track(_found(self._track_with(key)))
            case ["tracks"] if not self.development:
                wanted = [self._track_with(key) for key in ask.query.get("ids", "").split(",")]
                found = {"tracks": [track and self._known_track(track) for track in wanted]}
            case ["browse", "new-releases"] if not self.development:
                found = {"albums": self._page(ask, self._new_releases(), self._album)}
            case ["tracks"] | ["browse", "new-releases"]:
                raise Refusal(403)
            case ["search"]:
                found = self._search(ask)
            case _:
                raise Refusal(404)
        return found

    def _search(self, ask: Ask) -> Document:
        query = ask.query.get("q", "")
        found: list[Any] = []
        if query.startswith("isrc:"):
            tracks = self._catalogue.by_isrc(query.removeprefix("isrc:").replace("-", "").upper())
            return {"tracks": self._page(ask, tracks, self._known_track, most=_SEARCH_MOST)}
        if query.startswith("upc:"):
            release = self._catalogue.by_barcode(query.removeprefix("upc:"))
            found = [] if release is None else [release]
        return {f"{ask.query.get('type', 'album')}s": self._page(ask, found, self._album, most=_SEARCH_MOST)}

    def _artist_with(self, key: str) -> Artist:
        return _found(self._catalogue.artist(self._codes.decode("artist", key)))

    def _release_with(self, key: str) -> Release:
        return _found(self._catalogue.release(self._codes.decode("release", key)))

    def _track_with(self, key: str) -> Track | None:
        return self._catalogue.track(self._codes.decode("track", key))

    def _release_of(self, track: Track) -> Release:
        return self._catalogue.world.block(track.index // ids.SLOTS).releases[track.release]

    def _new_releases(self) -> list[Release]:
        newest = (self._catalogue.world.block(number) for number in self.numbers[-_NEW_RELEASE_BLOCKS:])
        return [release for block in newest for release in reversed(block.releases.values())]

    def _page(
        self, ask: Ask, things: Sequence[Any], render: Callable[[Any], Document], path: str = "", most: int = _PAGE_MOST
    ) -> Document:
        offset = whole_number(ask.query, "offset", 0)
        limit = whole_number(ask.query, "limit", min(_PAGE_DEFAULT, most)) or _PAGE_DEFAULT
        if limit > most:
            raise BadNumber("limit")
        things = ask.listed(things)
        url = f"{ask.root}/{path or ask.path.strip('/')}"
        following = f"{url}?{urlencode({**ask.query, 'offset': offset + limit, 'limit': limit})}"
        return {
            "href": url,
            "items": [render(thing) for thing in things[offset : offset + limit]],
            "limit": limit,
            "next": following if offset + limit < len(things) else None,
            "offset": offset,
            "previous": None,
            "total": len(things),
        }

    def _markets(self) -> list[str]:
        turn = next(self._answers) % len(_MARKETS)
        return [*_MARKETS[turn:], *_MARKETS[:turn]]

    def _object(self, kind: str, world_kind: ids.Kind, index: int) -> Document:
        code = self._codes.encode(world_kind, index)
        return {
            "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{code}"},
            "href": f"https://api.spotify.com/v1/{kind}s/{code}",
            "id": code,
            "type": kind,
            "uri": f"spotify:{kind}:{code}",
        }

    def _artist(self, credit: Credit) -> Document:
        return self._object("artist", "artist", credit.artist.index) | {"name": credit.artist.name}

    def _whole_artist(self, artist: Artist) -> Document:
        popularity = next(self._answers) % 100
        return self._artist(Credit(artist)) | {
            "followers": {"href": None, "total": 1000 + popularity},
            "genres": [],
            "images": [],
            "popularity": popularity,
        }

    def _album(self, release: Release) -> Document:
        return self._object("album", "release", release.index) | {
            "album_type": _ALBUM_TYPES[release.type],
            "artists": [self._artist(credit) for credit in release.credits],
            "available_markets": self._markets(),
            "images": [],
            "name": release.title,
            "release_date": release.date or "0000",
            "release_date_precision": _PRECISIONS.get(len(release.date), "year"),
            "total_tracks": len(self._catalogue.tracks_on(release)),
        }

    def _whole_album(self, ask: Ask, release: Release) -> Document:
        first = Ask(ask.path, {"limit": str(_PAGE_MOST)}, ask.root)
        tracks = self._page(first, self._catalogue.tracks_on(release), self._track, f"{ask.path.strip('/')}/tracks")
        return self._album(release) | {
            "copyrights": [],
            "external_ids": {} if release.barcode is None else {"upc": release.barcode},
            "genres": [],
            "label": "" if release.label is None else release.label.name,
            "popularity": next(self._answers) % 100,
            "tracks": tracks,
        }

    def _track(self, track: Track) -> Document:
        return self._object("track", "track", track.index) | {
            "artists": [self._artist(credit) for credit in track.credits],
            "available_markets": self._markets(),
            "disc_number": track.disc,
            "duration_ms": track.duration_ms,
            "explicit": track.explicit,
            "is_local": False,
            "name": track.title if track.version is None else f"{track.title} - {track.version}",
            "preview_url": f"https://p.scdn.invalid/mp3-preview/{next(self._answers)}",
            "track_number": track.position,
        }

    def _known_track(self, track: Track) -> Document:
        return self._whole_track(track, self._release_of(track))

    def _whole_track(self, track: Track, release: Release) -> Document:
        return self._track(track) | {
            "album": self._album(release),
            "external_ids": {} if track.isrc is None else {"isrc": _written_isrc(track)},
            "popularity": next(self._answers) % 100,
        }


def _without_withdrawn(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_withdrawn(item) for item in node]
    if isinstance(node, dict):
        return {name: _without_withdrawn(value) for name, value in node.items() if name not in _WITHDRAWN}
    return node


def _written_isrc(track: Track) -> str:
    isrc = track.isrc or ""
    return isrc.lower() if track.unusual_isrc else isrc


def _found(thing: Thing | None) -> Thing:
    if thing is None:
        raise Refusal(404)
    return thing


def _error(status: int, message: str = "", headers: dict[str, str] | None = None) -> Answer:
    said = message or _WORDS.get(status, "Service unavailable")
    return json_answer({"error": {"status": status, "message": said}}, status, headers)
