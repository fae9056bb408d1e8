"""A feed of tracks in any JSON, read as the options of its provider say: no code is written for it.

Docs:       docs/generic-feeds.md; ``options.py`` has every option, ``items.py`` what a field may hold.
Request:    ``GET`` of one path, with fixed parameters; the credential in a header or a query parameter.
Paging:     by offset, page number, cursor or link. Of a link the parameters alone are taken, and only where it leads to
            the same host and path. By offset or page number the feed ends with an empty page, for a provider may give
            fewer items than it is asked for; or where it says how many there are. A page that
            holds what the page before it did is an error: the provider takes no notice of what it is asked.
Form:       each item is a track, with its release and artists where it has them.
"""

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec

from musicsync.identifiers import storable
from musicsync.providers import wire
from musicsync.providers.base import Scope
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.providers.described import DescribedFeed
from musicsync.providers.json_feed.fields import WrongItem
from musicsync.providers.json_feed.items import Known, Reader
from musicsync.providers.json_feed.options import Cursor, Expression, Link, Numbered, Offset, Options, QueryAuth, read
from musicsync.providers.wire import Number, Token, Whole
from musicsync.records import Mode, Page, Permanent, RejectedItem, Request, Response

_NO_FEED = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class JsonFeed(DescribedFeed[Options]):
    """Follows a feed of tracks that its provider's options describe."""

    name = "json-feed"
    label = "JSON feed"
    what = "a JSON feed"
    reads = 2
    rate = 1.0
    burst = 1

    @staticmethod
    def described(options: Mapping[str, Any]) -> Options:
        """Return the options checked.

        Raises:
            BadOptions: they are none that can be.
        """
        return read(options)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.options)

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:
        """Return the first page: what came after the scope's watermark in incremental mode, otherwise everything."""
        self.normalise_key(scope.kind, scope.key)
        first, since = self.probe(), self.options.incremental
        if mode == "incremental" and since and scope.watermark:
            return [Request(path=first.path, params={**first.params, since.param: scope.watermark})]
        return [first]

    def probe(self) -> Request:
        """Return the request for the first page."""
        paging = self.options.paging
        start = {paging.param: str(paging.first)} if isinstance(paging, Offset | Numbered) else {}
        return Request(path=self.options.path, params={**self.options.params, **start})

    def withdrawn(self, path: str, status: int) -> str:  # noqa: ARG002 - all paths are of the one feed
        """Return what to correct where there is no such feed: nothing of it is gone by that."""
        return "there is no such feed: correct the base URL or the option path" if status in _NO_FEED else ""

    def parse(self, request: Request, response: Response) -> Page:
        """Return the tracks of a page, each release and artist once."""
        options, body = self.options, wire.load(response.body)
        items = _found(options.items, body, "items")
        if not isinstance(items, list):
            raise Permanent(f"the answer has no list at `{options.items.text}`, which the option items names")
        page, reader, known = PageBuilder(), self._reader, Known()
        for index, item in enumerate(items):
            try:
                records = reader.records(item, known)
            except WrongItem as error:
                page.rejected.append(_rejected(f"{_place(options.items)}[{index}]", str(error), item))
            else:
                for record in records:
                    page.add(record)
        page.total = self._total(body)
        page.following = self._following(request, response, body, items, page.total)
        if options.incremental:
            page.watermark = _stated(options.incremental.watermark, body, "incremental.watermark")
        return page.page()

    def _total(self, body: Any) -> int | None:
        paging = self.options.paging
        return _count(paging.total, body, "paging.total") if isinstance(paging, Offset | Numbered) else None

    def _following(
        self, request: Request, response: Response, body: Any, items: list[Any], total: int | None
    ) -> Request | None:
        match self.options.paging:
            case Offset() as paging:
                offset = int(request.params[paging.param]) + len(items)
                is_last = not items or (total is not None and offset - paging.first >= total)
                return None if is_last else self._next(request, paging.param, offset, items, total)
            case Numbered() as paging:
                number = int(request.params[paging.param]) + 1
                pages = _count(paging.pages, body, "paging.pages")
                is_last = not items or (pages is not None and number - paging.first >= pages)
                return None if is_last else self._next(request, paging.param, number, items, total)
            case Cursor() as paging:
                cursor = _stated(paging.next, body, "paging.next")
                return _with(request, {paging.param: cursor}) if cursor else None
            case Link() as paging:
                link = _stated(paging.next, body, "paging.next")
                return _with(request, self._linked(link, response)) if link else None
        return None

    def _next(self, request: Request, param: str, place: int, items: list[Any], total: int | None) -> Request:
        """Return the request for the next page by its place.

        Raises:
            Permanent: this page holds what the page before it did: such a feed would never end.
        """
        mark = _mark(self.options.track.id, items)
        if request.before and request.before.items == mark:
            raise Permanent(
                f"the page with {param}={request.params[param]} holds the same items as the page before it: correct "
                "the option paging.param, or say where it ends: by paging.total, or by paging.pages"
            )
        return page_after(request, {param: str(place)}, total, items=mark)

    def _linked(self, link: str, response: Response) -> dict[str, str]:
        """Return the parameters of a link to the next page, but for the credential's."""
        auth = self.options.auth
        try:
            there = urlsplit(urljoin(response.url, link))
            here = urlsplit(response.url)
            if (there.hostname, there.path) != (here.hostname, here.path):
                raise Permanent("the link to the next page leads to another host or path, and is not followed")
            given = parse_qsl(there.query, keep_blank_values=True)
        except ValueError as error:
            raise Permanent("the link to the next page is no URL") from error
        own = auth.name if isinstance(auth, QueryAuth) else None
        return {storable(name): storable(value) for name, value in given if name != own}


def _rejected(path: str, reason: str, item: Any) -> RejectedItem:
    return RejectedItem(path=path, reason=wire.in_words(reason, item), excerpt=wire.excerpt(item))


def _place(items: Expression) -> str:
    return "$" if items.text == "@" else f"$.{items.text}"


def _found(expression: Expression, body: Any, option: str) -> Any:
    try:
        return expression.search(body)
    except ValueError as error:
        raise Permanent(f"the answer does not fit the option {option}: {error}") from error


def _mark(key: Expression, items: list[Any]) -> str:
    """Return a text by which these items are known again, whatever else changes about them.

    An item without an id is known by all that it says: a wrong expression for ids does not make all pages one.
    """
    try:
        ids = [item if (found := key.search(item)) is None else found for item in items]
    except ValueError:
        ids = items
    return blake2b(repr(ids).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _stated(expression: Expression, body: Any, option: str) -> str | None:
    """Return a text or number that goes back to the provider as it came, ``None`` for none."""
    found = _found(expression, body, option)
    try:
        stated = msgspec.convert(None if found == "" else found, Token | Number | None)
    except msgspec.ValidationError as error:
        raise Permanent(f"the answer does not fit the option {option}: {error}") from error
    return None if stated is None else str(stated)


def _count(expression: Expression | None, body: Any, option: str) -> int | None:
    found = _found(expression, body, option) if expression else None
    try:
        return wire.whole(msgspec.convert(found, Whole | None)) or None
    except msgspec.ValidationError as error:
        raise Permanent(f"the answer does not fit the option {option}: {error}") from error


def _with(request: Request, params: dict[str, str]) -> Request:
    return Request(path=request.path, params={**request.params, **params})
