"""The records of a file, a page at a time: where each begins and ends in its bytes, and which lines are none.

A quote that is never closed makes the rest of a CSV file one record. So a record that cannot be read costs its first
line alone, and reading goes on with the line behind it. Nothing here holds more than a page and a record.
"""

import csv
import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from musicsync.identifiers import clean_text
from musicsync.providers.base import one_line
from musicsync.records import Permanent

LONGEST_RECORD = 1_000_000
"""Bytes of a record; a track has a few hundred."""
MOST_PAGE_BYTES = 4_000_000
_CHUNK = 65_536
_EXCERPT = 300
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_JSON = msgspec.json.Encoder()


class Form(Struct, frozen=True):
    """How the files are written; ``columns`` are those of CSV without a header, ``quote`` may be none."""

    is_csv: bool
    encoding: str = "utf-8"
    separator: str = ","
    quote: str | None = '"'
    columns: list[str] | None = None


class Position(Struct, frozen=True):
    """Where a record begins: bytes before it, and the number of its first line, from 1."""

    offset: int = 0
    line: int = 1


class Skipped(Struct, frozen=True):
    """A line that is no record, and why."""

    line: int
    reason: str
    excerpt: str


class Cut(Struct):
    """Records of a file as JSON texts, with the number of the line that each begins on.

    ``columns`` are the names of the cells of CSV; ``following`` is where the next page begins, ``None`` at the end.
    """

    columns: list[str] | None
    items: list[bytes] = []
    lines: list[int] = []
    skipped: list[Skipped] = []
    following: Position | None = None


class _NoRecord(ValueError):
    """What stands there is no record; the text says why."""


class _Lines:
    """The lines of a file as text, each once, from a position on; knows the record that is under way."""

    def __init__(self, source: BinaryIO, encoding: str, at: Position) -> None:
        self._source, self._encoding, self._record = source, encoding, at
        self.at, self.is_ended = at, True
        self._first = at
        self.excerpt = ""
        source.seek(at.offset)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._source.readline(LONGEST_RECORD + 1)
        if not raw:
            raise StopIteration
        is_first = self.at == self._record
        self.is_ended = raw.endswith(b"\n")
        self.at = Position(self.at.offset + len(raw), self.at.line + 1)
        if is_first:
            self.excerpt = clean_text(raw[:_EXCERPT].decode(self._encoding, "replace"))
            if len(raw) > LONGEST_RECORD:
                self._pass_line()
            self._first = self.at
        if self.at.offset - self._record.offset > LONGEST_RECORD:
            raise _NoRecord(f"it is longer than {LONGEST_RECORD:,} bytes: a quote that is not closed, or no line ends")
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise _NoRecord(
                f"it is not in {self._encoding} (byte {error.object[error.start]:#x}): set the option encoding"
            ) from error

    def begin(self) -> int:
        """Begin a record here; return the number of its first line."""
        self._record = self.at
        return self.at.line

    def retreat(self) -> None:
        """Go back to the line behind the first one of the record under way."""
        self._source.seek(self._first.offset)
        self.at = self._first

    def _pass_line(self) -> None:
        offset = self.at.offset
        while not self.is_ended and (rest := self._source.readline(_CHUNK)):
            offset += len(rest)
            self.is_ended = rest.endswith(b"\n")
        self.at = Position(offset, self.at.line)


def cut(source: BinaryIO, form: Form, start: Position, rows: int) -> Cut:
    """Return the records of a page from a position on; one at offset 0 is that of the first record.

    Raises:
        Permanent: the file is empty, its header cannot be read, or its last line is cut off: the text says what to do.
    """
    size = source.seek(0, os.SEEK_END)
    first, columns = _header(source, form)
    lines = _Lines(source, form.encoding, max(start, first, key=lambda position: position.offset))
    page, begun = Cut(columns, [], [], []), lines.at.offset
    texts = _rows(lines, form, columns) if form.is_csv else _objects(lines)
    while len(page.items) + len(page.skipped) < rows and lines.at.offset - begun < MOST_PAGE_BYTES:
        number = lines.begin()
        try:
            item = next(texts)
        except StopIteration:
            break
        except (ValueError, csv.Error, RecursionError) as error:
            _check_is_whole(lines, number, size)
            lines.retreat()
            page.skipped.append(Skipped(number, one_line(str(error)), lines.excerpt))
            texts = _rows(lines, form, columns) if form.is_csv else _objects(lines)
        else:
            if item is not None:
                page.items.append(item)
                page.lines.append(number)
    page.following = lines.at if lines.at.offset < size else None
    return page


def _header(source: BinaryIO, form: Form) -> tuple[Position, list[str] | None]:
    """Return where the first record begins, and the names of its cells where the file has such."""
    source.seek(0)
    head = source.read(len(_BOM))
    if not head:
        raise Permanent("the file is empty: is its upload still under way? When it is whole, start another run")
    if head.startswith(_WIDE_BOMS):
        raise Permanent("the file is in UTF-16: ask for it in UTF-8, or convert it")
    start = Position(len(_BOM) if head == _BOM and form.encoding == "utf-8" else 0)
    if not form.is_csv or form.columns:
        return start, form.columns
    lines = _Lines(source, form.encoding, start)
    try:
        columns = [name.strip() for name in next(_reader(lines, form), [])]
    except (ValueError, csv.Error) as error:
        raise Permanent(f"the header of the file cannot be read: {one_line(str(error))}") from error
    return lines.at, columns


def _reader(lines: _Lines, form: Form) -> Iterator[list[str]]:
    if form.quote is None:
        return csv.reader(lines, delimiter=form.separator, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=form.separator, quotechar=form.quote, strict=True)


def _rows(lines: _Lines, form: Form, columns: list[str] | None) -> Iterator[bytes | None]:
    """Yield rows of CSV as JSON, ``None`` for an empty line."""
    expected = len(columns or ())
    for row in _reader(lines, form):
        if row and len(row) != expected:
            raise _NoRecord(f"it has {len(row)} cells, and there are {expected} columns")
        yield _JSON.encode(row) if row else None


def _objects(lines: _Lines) -> Iterator[bytes | None]:
    """Yield lines of JSON as they are, ``None`` for an empty one."""
    for line in lines:
        text = line.strip()
        if text:
            _check_json(text)
        yield text.encode() if text else None


def _check_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # NaN, lone surrogates and long numbers are JSON enough for the page that this becomes a part of.
        try:
            return json.loads(text, parse_int=float)
        except ValueError as error:
            raise _NoRecord(f"it is no JSON: {error}") from error


def _check_is_whole(lines: _Lines, number: int, size: int) -> None:
    if lines.at.offset >= size and not lines.is_ended and lines.at.line - number == 1:
        raise Permanent(
            f"line {number:,}, the last one, is cut off: is the upload of the file still under way? When it is whole, "
            "start another run"
        )
