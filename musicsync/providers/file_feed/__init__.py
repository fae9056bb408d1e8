"""Files of a partner, of a folder or a web server, read as the options of their provider say: no code is written.

Docs:       docs/generic-feeds.md, ADR 17. ``options.py`` has every option, what a field may hold is as of a JSON feed.
Request:    first for what there is to be read (``Look``), then for a page of a file after the other (``Part``). Which
            version of which file a page is of, and where it begins, its request carries along.
Paging:     by rows. A page is known again by the version of its file, so that an unchanged one is not read.
Rate:       nobody is asked but a disk. Every page takes a slot of the budget, and so many a second slow nothing down; a
            web server is asked once a run, and for the parts of a file that has changed.
Form:       each row is a track, with its release and artists where it has them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from musicsync.providers import keys, wire
from musicsync.providers.base import Scope, one_line
from musicsync.providers.collect import PageBuilder
from musicsync.providers.described import DescribedFeed
from musicsync.providers.file_feed.answers import (
    AFTER,
    FILE,
    LINE,
    MARK,
    NAME,
    OFFSET,
    PAGE,
    SAMPLE,
    SINCE,
    VERSION,
    Found,
    Look,
    Part,
)
from musicsync.providers.file_feed.cutting import Position
from musicsync.providers.file_feed.options import Options, read
from musicsync.providers.json_feed.fields import WrongItem
from musicsync.providers.json_feed.items import Known, Reader
from musicsync.records import Mode, Page, Permanent, RejectedItem, Request, Response
from musicsync.words import counted

_ENOUGH = 20
"""A file that begins with so many rows that cannot be read, and none that can, is not of the form that is expected."""


class FileFeed(DescribedFeed[Options]):
    """Follows files of tracks that its provider's options describe."""

    name = "file-feed"
    label = "File feed"
    what = "a file feed"
    reads = 1
    rate = 1000.0
    burst = 100
    takes_folders = True
    volatile = True
    accept = "*/*"

    @staticmethod
    def described(options: Mapping[str, Any]) -> Options:
        """Return the options checked.

        Raises:
            BadOptions: they are none that can be.
        """
        return read(options)

    @cached_property
    def _reader(self) -> Reader:
        return self.options.reader()

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:
        """Return the look at the files: for what is new since the scope's watermark in incremental mode.

        What was read by other options is new.
        """
        self.normalise_key(scope.kind, scope.key)
        parser, _, since = (scope.watermark or "").partition("/")
        is_known = mode == "incremental" and parser == str(self.parser_version)
        return [Request(path=self.options.path, params={SINCE: since} if is_known else {})]

    def probe(self) -> Request:
        """Return the request for the first records of a file."""
        return Request(path=self.options.path, params={SAMPLE: "1"})

    def parse(self, request: Request, response: Response) -> Page:
        """Return the tracks of a page, each release and artist once, or which file to begin with."""
        body = wire.load(response.body)
        if PAGE in request.params or SAMPLE in request.params:
            return self._read(request, wire.shape(body, Part)[0])
        look, _ = wire.shape(body, Look)
        first = (_first_page(request.path, look.found, self.options),) if look.found else ()
        return Page(follow_ups=first, watermark=f"{self.parser_version}/{look.watermark}")

    def _read(self, request: Request, part: Part) -> Page:
        options, page, known = self.options, PageBuilder(), Known()
        if part.columns is not None:
            _check_columns(part.columns, options)
        reader = self._reader
        page.rejected += [
            RejectedItem(path=f"line {one.line:,}", reason=one.reason, excerpt=one.excerpt) for one in part.skipped
        ]
        rows = list(zip(_places(part), _items(part, options), strict=True))
        # Of several changes of one track the last one counts, and of several records on a page the first.
        for place, item in reversed(rows) if options.files == "all" else rows:
            try:
                records = reader.records(item, known)
            except WrongItem as error:
                reason = wire.in_words(str(error), item)
                page.rejected.append(RejectedItem(path=place, reason=reason, excerpt=wire.excerpt(item)))
            else:
                for record in records:
                    page.add(record)
        if PAGE in request.params:
            _lead_on(page, request, part.next, options)
        found = page.page()
        if request.params.get(PAGE) == "1" and not found.records:
            _check_some_are_tracks(found.rejected)
        return found


def _first_page(path: str, found: Found, options: Options) -> Request:
    """Return the request for the first page of a file.

    Where each file is the whole, that of today takes the place of yesterday's, whatever its name.
    """
    file = {FILE: found.name} if options.files == "all" else {}
    state = {NAME: found.name, VERSION: found.version, MARK: found.mark}
    return Request(path=path, params={**file, PAGE: "1"}, state=state)


def _lead_on(page: PageBuilder, request: Request, position: Position | None, options: Options) -> None:
    """Say what comes after a page: the next one, or the look for the next file.

    Of several files each says what has changed since the one before it. So they are read strictly in order, while the
    pages of one file may be read before those in front of them are applied.
    """
    state = request.state
    if position is None:
        if options.files == "all":
            page.follow_ups.append(Request(path=request.path, params={AFTER: state.get(NAME, "")}))
        return
    number = int(keys.number_key(request.params[PAGE]) or "1") + 1
    there = {OFFSET: str(position.offset), LINE: str(position.line)}
    following = Request(path=request.path, params={**request.params, PAGE: str(number)}, state={**state, **there})
    if options.files == "all":
        page.follow_ups.append(following)
    else:
        page.following = following


def _places(part: Part) -> list[str]:
    """Return where each item stands for people: its line."""
    if len(part.lines) == len(part.items):
        return [f"line {line:,}" for line in part.lines]
    return [f"$.items[{index}]" for index in range(len(part.items))]


def _items(part: Part, options: Options) -> Iterator[Any]:
    """Yield rows of CSV by the names of their columns, without empty cells; JSON as it is."""
    for item in part.items:
        if part.columns is None or not isinstance(item, list):
            yield item
            continue
        row: dict[str, Any] = {name: cell or None for name, cell in zip(part.columns, item, strict=False)}
        for name, separator in options.lists.items():
            row[name] = [one for text in (row.get(name) or "").split(separator) if (one := text.strip())]
        yield row


def _check_some_are_tracks(rejected: Sequence[RejectedItem]) -> None:
    """Check that it is not for the options that the first page of a file holds no track.

    Raises:
        Permanent: it is.
    """
    if len(rejected) >= _ENOUGH:
        first = rejected[0]
        raise Permanent(
            f"none of the first {counted(len(rejected), 'row')} is a track: correct the options; {first.path}: "
            f"{first.reason}"
        )


def _check_columns(columns: list[str], options: Options) -> None:
    """Check that the file has the columns that are read.

    Raises:
        Permanent: one is missing, or there are two of its name.
    """
    number = Counter(columns)
    for option, column in options.columns_read().items():
        if number[column] != 1:
            there = "is no column" if not number[column] else "is more than one column"
            known = one_line(", ".join(columns), 500)
            raise Permanent(
                f"{column!r}, the option {option}, {there} of the file: correct it; its columns are {known}"
            )
