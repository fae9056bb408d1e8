"""An adapter set upon a dialect: all that it reads of a world, with nothing between."""

import base64
import json

from musicsync.providers.base import Adapter, Scope
from musicsync.providers.collect import complete
from musicsync.records import Credit, Record, Request, Response, ScopeKind
from sandbox.tokens import CLIENT, Tokens
from sandbox.wire import Answer, Ask, Dialect
from sandbox.world import Credit as SandboxCredit

Found = dict[tuple[str, str], Record]


class Reader:
    """Asks the dialect what the adapter wants to know."""

    def __init__(self, adapter: Adapter, dialect: Dialect, tokens: Tokens) -> None:
        self.adapter = adapter
        self.dialect = dialect
        issued = tokens.issue("Basic " + base64.b64encode(CLIENT.encode()).decode(), "client_credentials")
        self._headers = {"authorization": f"Bearer {json.loads(issued.body)['access_token']}"}

    def ask(self, request: Request) -> Answer:
        return self.dialect.respond(Ask(request.path, request.params, "http://host/root", self._headers))

    def read(self, *scopes: tuple[ScopeKind, str]) -> Found:
        """Return all records that the scopes lead to."""
        plans = (self.adapter.plan(Scope(kind=kind, key=key), "full") for kind, key in scopes)
        return self.crawl(*(request for plan in plans for request in plan))

    def crawl(self, *first: Request) -> Found:
        """Return all records that the requests lead to; what is said of one thing in several places is one record."""
        found: Found = {}
        owed = {request.key: request for request in first}
        done: set[str] = set()
        while owed:
            key, request = owed.popitem()
            done.add(key)
            answer = self.ask(request)
            assert answer.status == 200, (request, answer)
            page = self.adapter.parse(request, Response(status=200, headers={}, body=answer.body, url=""))
            assert not page.rejected
            for record in page.records:
                place = (record.kind, record.external_id)
                found[place] = complete(record, found[place]) if place in found else record
            owed |= {further.key: further for further in page.requests if further.key not in done}
        return found


def by_key(records: list[Record]) -> Found:
    return {(record.kind, record.external_id): record for record in records}


def joined(credited: tuple[SandboxCredit, ...], ids: list[str]) -> tuple[Credit, ...]:
    """Return a credit as a provider writes it that has no join phrases."""
    joins = [", "] * (len(credited) - 1) + [""]
    return tuple(
        Credit(name=one.artist.name, artist_id=artist_id, join_phrase=join)
        for one, artist_id, join in zip(credited, ids, joins, strict=True)
    )


def track_differences(before: Found, after: Found) -> dict[str, int]:
    old, new = ({key: one for key, one in found.items() if key[0] == "track"} for found in (before, after))
    return {
        "tracks": len(new),
        "edited": sum(old[key] != new[key] for key in old.keys() & new.keys()),
        "removed": len(old.keys() - new.keys()),
        "added": len(new.keys() - old.keys()),
    }
