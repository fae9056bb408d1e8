"""A plain bulk feed of the world: ``GET /feed/tracks?cursor=&limit=&since=``.

Made for speed: pages are kept as sent, compressed where the client takes gzip, up to a bound in bytes, and an ETag is
known without the page.
"""

import hmac
import math
from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import Raw

from sandbox import ids
from sandbox.catalogue import Catalogue
from sandbox.wire import Answer, Ask, BadNumber, json_answer, whole_number
from sandbox.world import Block, Credit, Release, Track

_PAGE_DEFAULT = 100
_PAGE_MOST = 1000
KEPT_MEGABYTES = 64
_MEGABYTE = 1_000_000


class Feed:
    """Answers below ``/feed/``; asks for ``token`` as Bearer where one is set."""

    name = "feed"

    def __init__(self, catalogue: Catalogue, token: str | None = None, kept_megabytes: int = KEPT_MEGABYTES) -> None:
        self.numbers = catalogue.numbers
        self._catalogue = catalogue
        self._world = catalogue.world
        self._mbids = catalogue.world.mbids
        self._token = token
        self._pages = _Pages(kept_megabytes * _MEGABYTE)

    def respond(self, ask: Ask) -> Answer:
        """Return a page of the feed."""
        if self._token is not None and not self._is_authorised(ask.headers.get("authorization", "")):
            return _error(401, "missing or wrong bearer token", {"WWW-Authenticate": "Bearer"})
        if ask.parts != ["tracks"]:
            return self.not_found()
        try:
            limit = max(1, whole_number(ask.query, "limit", _PAGE_DEFAULT, _PAGE_MOST))
            since = whole_number({"since": ask.query.get("since", "").removeprefix("g")}, "since", -1)
            start = int(ask.query.get("cursor") or "0", 16)
        except BadNumber as error:
            return _error(400, f"{error} must be a whole number" + (' after "g"' if str(error) == "since" else ""))
        except ValueError:
            return _error(400, "cursor is none that the feed gave")
        return self._kept_page(ask, start, limit, since)

    def over_limit(self, seconds: float, /) -> Answer:
        """Return a 429 with Retry-After in whole seconds."""
        return _error(429, "too many requests", {"Retry-After": str(math.ceil(seconds))})

    def not_found(self) -> Answer:
        """Return a 404."""
        return _error(404, "not found")

    def failure(self, status: int) -> Answer:
        """Return an error answer with this status."""
        return _error(status, "the feed is out of order")

    def track_document(self, track: Track, release: Release) -> bytes:
        """Return the item with the release's id instead of the release."""
        return msgspec.json.encode(self._item(track, Raw(b"null")) | {"release": release.index})

    def _is_authorised(self, header: str) -> bool:
        return hmac.compare_digest(header.encode(), f"Bearer {self._token}".encode())

    def _kept_page(self, ask: Ask, start: int, limit: int, since: int) -> Answer:
        key = f"{self._world.generation}-{start:x}-{limit}-{since}-{'gz' if ask.takes_gzip else 'id'}"
        etag = f'"{self._world.seed}-{self._world.size}-{key}"'
        if ask.knows(etag):
            return Answer(304, b"", {"ETag": etag})
        answer = self._pages.get(key)
        if answer is None:
            page = Answer(200, self._page(start, limit, since), {"ETag": etag})
            answer = page.compressed() if ask.takes_gzip else page
            self._pages.put(key, answer)
        return answer

    def _page(self, start: int, limit: int, since: int) -> bytes:
        items: list[dict[str, Any]] = []
        following = None
        for number in range(max(start // ids.SLOTS, self.numbers.start), self.numbers.stop):
            block = self._world.block(number)
            releases: dict[int, Raw] = {}
            for track in block.tracks.values():
                if track.index < start or track.changed <= since:
                    continue
                if len(items) == limit:
                    following = f"{track.index:x}"
                    break
                if track.release not in releases:
                    releases[track.release] = Raw(msgspec.json.encode(self._release(block, track.release)))
                items.append(self._item(track, releases[track.release]))
            if following is not None:
                break
        document = {"items": items, "next": following, "watermark": f"g{self._world.generation}"}
        return msgspec.json.encode(document)

    def _item(self, track: Track, release: Raw) -> dict[str, Any]:
        return {
            "id": self._mbids.encode("track", track.index),
            "title": track.title,
            "version": track.version,
            "isrc": track.isrc,
            "duration_ms": track.duration_ms,
            "explicit": track.explicit,
            "disc": track.disc,
            "position": track.position,
            "artists": self._credits(track.credits),
            "release": release,
        }

    def _release(self, block: Block, index: int) -> dict[str, Any]:
        release: Release = block.releases[index]
        return {
            "id": self._mbids.encode("release", index),
            "title": release.title,
            "gtin": release.barcode,
            "released": release.date or None,
            "label": None if release.label is None else release.label.name,
            "type": release.type,
            "track_count": len(block.listing[index]),
            "artists": self._credits(release.credits),
        }

    def _credits(self, credited: tuple[Credit, ...]) -> list[dict[str, str]]:
        return [
            {"id": self._mbids.encode("artist", credit.artist.index), "name": credit.artist.name, "join": credit.join}
            for credit in credited
        ]


class _Pages:
    """Answers by key, the least recently used dropped when their bodies exceed ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def get(self, key: str) -> Answer | None:
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def put(self, key: str, answer: Answer) -> None:
        self._answers[key] = answer
        self._bytes += len(answer.body)
        while self._bytes > self._most:
            self._bytes -= len(self._answers.popitem(last=False)[1].body)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    return json_answer({"error": message}, status, headers)
