"""Recorded answers of real providers, read from a folder of ``index.csv`` and bodies."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from musicsync.providers import registry
from musicsync.providers.base import Adapter
from musicsync.providers.outcomes import error_of
from musicsync.records import KINDS, Page, ProviderError, Request, Response

_ADAPTER_OF = {"apple": "itunes"}
"""What the adapter of a provider of the index is called, where it has another name."""
_REMARK = re.compile(r"\([^)]*\)\s*")


class Recording(Struct, frozen=True):
    """One row of the index with its body."""

    provider: str
    status: int
    method: str
    url: str
    file: str
    body: bytes


def read(folder: Path) -> Iterator[Recording]:
    """Yield the answers that the folder's index names.

    Raises:
        FileNotFoundError: the folder has no index, or the index names a body that is not there.
    """
    with (folder / "index.csv").open(newline="", encoding="utf-8") as index:
        for row in csv.DictReader(index):
            body = (folder / row["file"]).read_bytes()
            provider = _ADAPTER_OF.get(row["provider"], row["provider"])
            yield Recording(provider, int(row["status"]), row["method"], row["url"], row["file"], body)


def request_of(adapter: Adapter, url: str) -> Request:
    """Return the request that leads to a recorded URL; where only a fragment was saved, its name is the path."""
    parts = urlsplit(_REMARK.sub("", url))
    below = urlsplit(adapter.base_url).path.strip("/")
    path = parts.path.strip("/").removeprefix(below).strip("/")
    return Request(path=path, params=dict(parse_qsl(parts.query)))


def answer(adapter: Adapter, recording: Recording) -> Page | ProviderError:
    """Return what the recorded answer comes to on the way of a live one: the meaning of its status, then its parse."""
    request = request_of(adapter, recording.url)
    if recording.status != 200:
        now = datetime.now(UTC)
        return error_of(adapter, f"GET /{request.path}", recording.status, {}, recording.body, now=now)
    response = Response(status=200, headers={}, body=recording.body, url=recording.url)
    try:
        return adapter.parse(request, response)
    except ProviderError as error:
        return error


class Tally:
    """Counts per provider and outcome, for people."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = {}
        self.not_covered: Counter[str] = Counter()

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
