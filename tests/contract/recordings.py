"""Recorded answers of real providers, read from a folder of ``index.csv`` and bodies."""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from msgspec import Struct

from musicsync.providers import registry, wire
from musicsync.providers.base import Adapter
from musicsync.providers.outcomes import error_of
from musicsync.records import KINDS, Page, ProviderError, Request, Response
from tests.contract import told

_ADAPTER_OF = {"apple": "itunes", "last.fm": "lastfm"}
"""What the adapter of a provider of the index is called, where it has another name."""
_REMARK = re.compile(r"\([^)]*\)\s*")
_STORE = re.compile(r"(?P<country>[a-z]{2})/(?P<path>lookup|search)")
"""How iTunes is asked, too: with the country before the path."""
_SERVICE = re.compile(r"\.[a-z]{2,}$")
"""How the host of a service ends; that of a machine where a service was only played does not."""
_STATUS = re.compile(r"[1-5][0-9]{2}")
_GZIP = b"\x1f\x8b"
_FOLLOWED = range(300, 400)


class Recording(Struct, frozen=True):
    """One row of the index. ``headers`` have lower-case names; none where they were not recorded, as ``file``."""

    provider: str
    status: int
    url: str
    file: str
    folder: Path
    headers: dict[str, str] = {}

    @property
    def body(self) -> bytes:
        """Return the body, unpacked; empty where none was saved.

        Raises:
            FileNotFoundError: it is not there.
        """
        body = (self.folder / self.file).read_bytes() if self.file else b""
        return gzip.decompress(body) if body.startswith(_GZIP) else body


def read(folder: Path) -> Iterator[Recording]:
    """Yield the answers that the folder's index names. One without a status is that of a body which was saved alone.

    Raises:
        FileNotFoundError: the folder has no index.
    """
    with (folder / "index.csv").open(newline="", encoding="utf-8-sig") as index:
        for row in csv.DictReader(index):
            said = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
            provider = said["provider"].lower()
            status = _STATUS.match(said.get("status", ""))
            yield Recording(
                provider=_ADAPTER_OF.get(provider, provider),
                status=int(status[0]) if status else 200,
                url=said.get("url", ""),
                file=said.get("file", ""),
                folder=folder,
                headers=_headers(said.get("headers", "")),
            )


def _headers(text: str) -> dict[str, str]:
    """Return recorded headers, each with the last of its values; none where they are no JSON."""
    given = wire.try_decode(text.encode(), dict[str, str | int | list[str]]) or {}
    return {
        name.lower(): str(value[-1] if isinstance(value, list) else value) for name, value in given.items() if value
    }


def unasked(adapter: Adapter, recording: Recording) -> str:
    """Return why no adapter is ever handed this answer; empty for one that an adapter takes."""
    host = _parts(recording.url).hostname or ""
    own = ".".join(str(urlsplit(adapter.base_url).hostname).split(".")[-2:])
    if _SERVICE.search(host) and not f".{host}".endswith(f".{own}") and not told.address(adapter.name, recording.body):
        return f"it is an answer of {host}, not of {adapter.label}"
    if recording.status in _FOLLOWED:
        return f"with the status {recording.status} it stands for another answer"
    if recording.status == HTTPStatus.OK and recording.body.lstrip().startswith(b"<?xml"):
        return "it is XML, and adapters ask for JSON"
    return ""


def request_of(adapter: Adapter, url: str, body: bytes = b"") -> Request:
    """Return the request that leads to a recorded URL, or where that is none of the adapter's, to this body."""
    path, params = _asked(adapter, url)
    places = told.PLACES.get(adapter.name, ())
    if places and path.partition("/")[0] not in places and (own := told.address(adapter.name, body)):
        path, params = _asked(adapter, own)
    return Request(path=path, params=params)


def _asked(adapter: Adapter, url: str) -> tuple[str, dict[str, str]]:
    parts = _parts(url)
    below = urlsplit(adapter.base_url).path.strip("/")
    path, params = parts.path.strip("/").removeprefix(below).strip("/"), dict(parse_qsl(parts.query))
    store = _STORE.fullmatch(path)
    return (store["path"], {"country": store["country"], **params}) if store else (path, params)


def _parts(url: str) -> SplitResult:
    """Return a recorded URL without remarks, in its parts; none of what is no URL."""
    try:
        return urlsplit(_REMARK.sub("", url))
    except ValueError:
        return urlsplit("")


def answer(adapter: Adapter, recording: Recording) -> Page | ProviderError:
    """Return what the recorded answer comes to on the way of a live one: the meaning of its status, then its parse."""
    body = recording.body
    request = request_of(adapter, recording.url, body)
    if recording.status != HTTPStatus.OK:
        now = datetime.now(UTC)
        return error_of(adapter, f"GET /{request.path}", recording.status, recording.headers, body, now=now)
    response = Response(status=200, headers=recording.headers, body=body, url=recording.url)
    try:
        return adapter.parse(request, response)
    except ProviderError as error:
        return error


class Tally:
    """Counts per provider and outcome, for people."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}
        self.not_covered: Counter[str] = Counter()

    def skip(self, provider: str) -> None:
        """Count one answer that no adapter is ever handed."""
        self.outcomes.setdefault(provider, Counter())["skipped"] += 1

    def count(self, provider: str, outcome: Page | ProviderError) -> None:
        """Count one answer."""
        counter = self.outcomes.setdefault(provider, Counter())
        counter["bodies"] += 1
        if isinstance(outcome, ProviderError):
            counter[type(outcome).__name__] += 1
            return
        counter["pages with records" if outcome.records else "pages without records"] += 1
        counter["items rejected"] += len(outcome.rejected)
        for kind in KINDS:
            counter[f"{kind} records"] += sum(record.kind == kind for record in outcome.records)

    def lines(self) -> list[str]:
        """Return the counts as lines of text."""
        lines = [
            f"{provider}: " + ", ".join(f"{number:,} {name}" for name, number in counter.items() if number)
            for provider, counter in sorted(self.outcomes.items())
        ]
        if self.not_covered:
            without = ", ".join(f"{provider} ({number})" for provider, number in sorted(self.not_covered.items()))
            lines.append(f"not covered, for want of an adapter: {without}")
        return lines


def has_adapter(provider: str) -> bool:
    """Tell whether there is an adapter for a provider of the index."""
    return provider in registry.ADAPTERS
