"""The world in the dialect of Discogs' API.

Tracks have no id, only a printed position: sides on vinyl ("A1"), the disc before the number where there are several
("2-03", below a heading). Durations are "3:32" or blank, versions stand in brackets in the title, barcodes have spaces,
and artists that share a name are numbered. Every other album is listed as its master. A search wants a token. How
merged ids are answered is not known: here the survivor answers in place.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from sandbox import ids, names
from sandbox.catalogue import Catalogue
from sandbox.limits import SlidingWindow
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Artist, Credit, Label, Release, Track

_PAGE_DEFAULT = 50
_PAGE_MOST = 100
_TRACKS_OF_A_SIDE = 6
_LONGEST_PATH = 3
_KINDS: dict[str, tuple[ids.Kind, str]] = {
    "artists": ("artist", "Artist"),
    "labels": ("label", "Label"),
    "releases": ("release", "Release"),
    "masters": ("release-group", "Master Release"),
}
_DESCRIPTIONS = {"album": ["Album"], "single": ["Single"], "ep": ["EP"], "compilation": ["Album", "Compilation"]}
_FAILURES = {
    401: "You must authenticate to access this resource.",
    403: "You are not allowed to access this resource.",
    404: "The requested resource was not found.",
    429: "You are making requests too quickly.",
}

Document = dict[str, Any]


class Discogs:
    """Answers below ``/discogs/``."""

    name = "discogs"

    def __init__(self, catalogue: Catalogue, window: SlidingWindow | None = None) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._window = window
        self._answers = itertools.count(1)
        self._find: dict[str, Callable[[int | None], Any]] = {
            "artists": catalogue.artist,
            "labels": catalogue.label,
            "releases": catalogue.release,
            "masters": catalogue.release,
        }
        self._whole: dict[str, Callable[[Any], Document]] = {
            "artists": self._artist,
            "labels": self._label,
            "releases": self._release,
            "masters": self._master,
        }
        self._lists: dict[tuple[str, str], tuple[Callable[[Any], list[Release]], Callable[[Any], Document]]] = {
            ("artists", "releases"): (catalogue.releases_of, self._item),
            ("labels", "releases"): (catalogue.releases_on, self._item),
            ("masters", "versions"): (lambda release: [release], self._version),
        }

    def respond(self, ask: Ask) -> Answer:
        """Return an artist, label, release, master, list or search, with the counters of the limit."""
        try:
            answer = self._route(ask)
        except BadNumber as error:
            answer = _error(404, f"The parameter {error} is no number.")
        return self._counted(answer)

    def over_limit(self, _seconds: float, /) -> Answer:
        """Return a 429 that says by its counters alone how long to wait."""
        return self._counted(self.failure(429))

    def not_found(self) -> Answer:
        """Return a 404."""
        return self.failure(404)

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""
        return _error(status, _FAILURES.get(status, "A server error occurred."))

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the track as it stands on its release, with the names that it may have from there."""
        return msgspec.json.encode([self._track(track, release, several=True), self._credits(track.credits)])

    def _counted(self, answer: Answer) -> Answer:
        if self._window is None:
            return answer
        limit, used = self._window.count, self._window.used
        counters = {"": limit, "-Used": used, "-Remaining": limit - used}
        headers = {f"X-Discogs-Ratelimit{name}": str(number) for name, number in counters.items()}
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def _route(self, ask: Ask) -> Answer:
        if ask.parts == ["database", "search"]:
            return self._search(ask)
        resource, key, below = (*ask.parts, "", "")[:3]
        if resource not in _KINDS or len(ask.parts) > _LONGEST_PATH:
            return self.not_found()
        kind, called = _KINDS[resource]
        # Number 1 is always there, as it is at Discogs.
        index = self.numbers.start * ids.SLOTS if key == "1" else ids.decode_number(kind, key)
        thing = self._find[resource](index)
        if thing is None:
            return _error(404, f"{called} not found.")
        if not below:
            return json_answer(self._whole[resource](thing))
        if (resource, below) not in self._lists:
            return self.not_found()
        things_of, render = self._lists[resource, below]
        return self._page(ask, below, things_of(thing), render)

    def _search(self, ask: Ask) -> Answer:
        if not ask.headers.get("authorization", "").startswith("Discogs token="):
            return self.failure(401)
        found = self._catalogue.by_barcode(ask.query.get("barcode", ""))
        return self._page(ask, "results", [] if found is None else [found], self._result)

    def _page(self, ask: Ask, name: str, things: Sequence[Any], render: Callable[[Any], Document]) -> Answer:
        page = max(1, whole_number(ask.query, "page", 1))
        size = whole_number(ask.query, "per_page", _PAGE_DEFAULT, _PAGE_MOST) or _PAGE_DEFAULT
        things = ask.listed(things)
        pages = max(1, -(-len(things) // size))
        if page > pages:
            return _error(404, "That page does not exist.")
        url = f"{ask.root}/{ask.path.strip('/')}"
        near = {"prev": page - 1} if page > 1 else {}
        near |= {"next": page + 1} if page < pages else {}
        urls = {rel: f"{url}?{urlencode({**ask.query, 'page': number})}" for rel, number in near.items()}
        pagination = {"page": page, "pages": pages, "per_page": size, "items": len(things), "urls": urls}
        return json_answer(
            {"pagination": pagination, name: [render(thing) for thing in things[(page - 1) * size : page * size]]}
        )

    def _name(self, artist: Artist) -> str:
        # Several artists of a large world bear one of these names, as of many real ones.
        return f"{artist.name} ({artist.index + 2})" if artist.name in names.COMMON_NAMES else artist.name

    def _resource(self, kind: str, number: int) -> Document:
        return {"id": number, "resource_url": f"https://api.discogs.com/{kind}/{number}"}

    def _artist(self, artist: Artist) -> Document:
        number = ids.encode_number("artist", artist.index)
        return {
            **self._resource("artists", number),
            "name": self._name(artist),
            "profile": artist.disambiguation,
            "members": [],
            "releases_url": f"https://api.discogs.com/artists/{number}/releases",
        }

    def _label(self, label: Label) -> Document:
        number = ids.encode_number("label", label.index)
        return {
            **self._resource("labels", number),
            "name": label.name,
            "sublabels": [],
            "releases_url": f"https://api.discogs.com/labels/{number}/releases",
        }

    def _credits(self, credited: tuple[Credit, ...]) -> list[Document]:
        return [
            {"name": self._name(credit.artist), "anv": "", "join": credit.join.strip(), "role": "", "tracks": ""}
            | self._resource("artists", ids.encode_number("artist", credit.artist.index))
            for credit in credited
        ]

    def _item(self, release: Release) -> Document:
        number = ids.encode_number("release", release.index)
        item = {"title": release.title, "role": "Main", "year": _year(release), "artist": _display(release.credits)}
        if release.type == "album" and release.index % 2:
            master = ids.encode_number("release-group", release.index)
            return item | {"type": "master", "main_release": number} | self._resource("masters", master)
        return item | {"type": "release", "status": "Accepted"} | self._resource("releases", number)

    def _version(self, release: Release) -> Document:
        number = ids.encode_number("release", release.index)
        return {"title": release.title, "released": release.date, "status": "Accepted"} | self._resource(
            "releases", number
        )

    def _result(self, release: Release) -> Document:
        number = ids.encode_number("release", release.index)
        return {
            "title": f"{_display(release.credits)} - {release.title}",
            "type": "release",
            "barcode": [_spaced(release.barcode or ""), release.barcode],
            "community": {"have": next(self._answers), "want": 1},
        } | self._resource("releases", number)

    def _master(self, release: Release) -> Document:
        main = ids.encode_number("release", release.index)
        number = ids.encode_number("release-group", release.index)
        return {
            "title": release.title,
            "main_release": main,
            "versions_url": f"https://api.discogs.com/masters/{number}/versions",
            "year": _year(release),
            "artists": self._credits(release.credits),
            "tracklist": self._tracklist(release),
        } | self._resource("masters", number)

    def _release(self, release: Release) -> Document:
        document: Document = {
            "title": release.title,
            "status": "Accepted",
            "year": _year(release),
            "released": release.date if len(release.date) != len("1987-07") else f"{release.date}-00",
            "country": release.credits[0].artist.country,
            "community": {"have": next(self._answers), "want": 1},
            "artists": self._credits(release.credits),
            "extraartists": [],
            "labels": self._labels(release),
            "formats": [{"name": "Vinyl" if release.vinyl else "CD", "descriptions": _DESCRIPTIONS[release.type]}],
            "genres": [release.genre],
            "tracklist": self._tracklist(release),
        }
        identifiers = self._identifiers(release)
        return (
            document
            | ({"identifiers": identifiers} if identifiers else {})
            | self._resource("releases", ids.encode_number("release", release.index))
        )

    def _labels(self, release: Release) -> list[Document]:
        if release.label is None:
            return [{"name": "Not On Label", "catno": "none"} | self._resource("labels", 1818)]
        number = ids.encode_number("label", release.label.index)
        return [{"name": release.label.name, "catno": release.catalog_number} | self._resource("labels", number)]

    def _identifiers(self, release: Release) -> list[Document]:
        several = len(self._discs(release)) > 1
        codes = [{"type": "Barcode", "value": _spaced(release.barcode)}] if release.barcode else []
        return codes + [
            {"type": "ISRC", "value": track.isrc, "description": self._position(track, release, several=several)}
            for track in self._catalogue.tracks_on(release)
            if track.isrc
        ]

    def _discs(self, release: Release) -> list[int]:
        return sorted({track.disc for track in self._catalogue.tracks_on(release)})

    def _tracklist(self, release: Release) -> list[Document]:
        discs = self._discs(release)
        several = len(discs) > 1
        lines: list[Document] = []
        for disc in discs:
            lines += [{"position": "", "type_": "heading", "title": f"Disc {disc}", "duration": ""}] if several else []
            listed = [track for track in self._catalogue.tracks_on(release) if track.disc == disc]
            lines += [self._track(track, release, several=several) for track in listed]
        return lines

    def _track(self, track: Track, release: Release, *, several: bool) -> Document:
        document: Document = {
            "position": self._position(track, release, several=several),
            "type_": "track",
            "title": track.title if track.version is None else f"{track.title} ({track.version})",
            "duration": "" if track.untimed else _duration(track.duration_ms // 1000),
        }
        if track.credits != release.credits:
            document["artists"] = self._credits(track.credits)
        return document

    def _position(self, track: Track, release: Release, *, several: bool) -> str:
        if release.vinyl and track.position:
            # Every record has two sides: what does not fit on the first is on the second.
            second = track.position > _TRACKS_OF_A_SIDE
            letter = "ABCD"[2 * (track.disc - 1) + second]
            return f"{letter}{track.position - _TRACKS_OF_A_SIDE * second}"
        return f"{track.disc}-{track.position:02}" if several else str(track.position)


def _error(status: int, message: str) -> Answer:
    return json_answer({"message": message}, status)


def _year(release: Release) -> int:
    return int(release.date[:4] or 0)


def _display(credited: tuple[Credit, ...]) -> str:
    return "".join(credit.artist.name + credit.join for credit in credited)


def _spaced(barcode: str) -> str:
    return f"{barcode[:1]} {barcode[1:6]} {barcode[6:11]} {barcode[11:]}".strip()


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
