"""Read a dialect through its adapter, without a network between them."""

from collections.abc import Iterable

from musicsync.providers.base import Adapter, Scope
from musicsync.providers.collect import complete
from musicsync.records import Gone, Kind, Mode, Record, Request, Response
from sandbox.wire import Ask, Dialect

Found = dict[tuple[Kind, str], Record]


def read(adapter: Adapter, dialect: Dialect, scopes: Iterable[Scope], mode: Mode = "full") -> tuple[Found, list[str]]:
    """Return all that the scopes lead to, each record with what several pages say of it, and what was asked."""
    pending = [request for scope in scopes for request in adapter.plan(scope, mode)]
    found: Found = {}
    asked: dict[str, None] = {}
    while pending:
        request = pending.pop(0)
        if request.key in asked:
            continue
        asked[request.key] = None
        try:
            page = adapter.parse(request, answer(adapter, dialect, request))
        except Gone:
            continue
        assert page.rejected == ()
        for record in page.records:
            key = (record.kind, record.external_id)
            found[key] = complete(record, found[key]) if key in found else record
        pending += page.requests
    return found, list(asked)


def answer(adapter: Adapter, dialect: Dialect, request: Request) -> Response:
    answered = dialect.respond(Ask(request.path, request.params | adapter.auth_params("a-key"), "http://host/root"))
    assert answered.status == 200
    return Response(status=200, headers=dict(answered.headers), body=answered.body, url="")
