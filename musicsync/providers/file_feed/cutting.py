"""The records of a file, a page at a time: where each begins and ends in its bytes, and which lines are none.

A quote that is never closed makes the rest of a CSV file one record. So a record that cannot be read costs its first
line alone, and reading goes on with the line behind it; one that is whole but too long is left out as one. Nothing here
holds more than a page and a record.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from musicsync.identifiers import clean_text
from musicsync.providers.base import one_line
from musicsync.records import Permanent
from musicsync.words import counted

LONGEST_RECORD = 1_000_000
"""Bytes of a record; a track has a few hundred."""
LONGEST_SKIPPED = 64_000_000
"""Bytes of a record that is too long, up to which its end is looked for."""
# A cell is no longer than its record, which is measured here.
csv.field_size_limit(LONGEST_RECORD)
MOST_PAGE_BYTES = 4_000_000
_CHUNK = 65_536
_EXCERPT = 300
_BOM = b"\xef\xbb\xbf"
_OTHER_FORMS = {
    b"\xff\xfe\0\0": "in UTF-32: ask for it in UTF-8, or convert it",
    b"\0\0\xfe\xff": "in UTF-32: ask for it in UTF-8, or convert it",
    b"\xff\xfe": "in UTF-16: ask for it in UTF-8, or convert it",
    b"\xfe\xff": "in UTF-16: ask for it in UTF-8, or convert it",
    b"\x1f\x8b": "gzip within gzip: have it packed once",
}
"""What files begin with that are of another form."""
_OF_CR = "its lines end in CR alone: have them end in LF or CRLF"
_JSON = msgspec.json.Encoder()
# So much deeper than by itself a line may stand in a page.
_WITHIN = (b"[" * 50, b"]" * 50)


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

    ``columns`` are the names of the cells of CSV; ``next`` is where the next page begins, ``None`` at the end.
    """

    columns: list[str] | None
    items: list[msgspec.Raw] = []
    lines: list[int] = []
    skipped: list[Skipped] = []
    next: Position | None = None


class _NoRecord(ValueError):
    """What stands there is no record; the text says why. ``is_whole``: and it is known where it ends."""

    def __init__(self, reason: str, *, is_whole: bool = False) -> None:
        super().__init__(reason)
        self.is_whole = is_whole


class _TooLong(_NoRecord):
    """The record under way is longer than any that is read."""


class _Lines:
    """The lines of a file as text, from a position on; knows where the record under way begins.

    A byte that the encoding does not have becomes half a surrogate pair, which is found when its record is whole.
    """

    def __init__(self, source: BinaryIO, encoding: str, at: Position) -> None:
        self._source, self._encoding = source, encoding
        self.at = self._record = at
        self.is_ended = True
        self._first = b""
        source.seek(at.offset)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._source.readline(LONGEST_RECORD + 1)
        if not raw:
            raise StopIteration
        if self.at is self._record:
            self._first = raw
        self.is_ended = raw.endswith(b"\n")
        self.at = Position(self.at.offset + len(raw), self.at.line + 1)
        if self.at.offset - self._record.offset > LONGEST_RECORD:
            raise _TooLong(f"it is longer than {LONGEST_RECORD:,} bytes: a quote that is not closed, or no line ends")
        return raw.decode(self._encoding, "surrogateescape")

    def begin(self) -> int:
        """Begin a record here; return the number of its first line."""
        self._record = self.at
        return self.at.line

    def go_behind_first(self) -> None:
        """Go to the line behind the first one of the record under way, wherever that line ends."""
        offset, line = self._record.offset + len(self._first), self._first
        self._source.seek(offset)
        while not line.endswith(b"\n") and (line := self._source.readline(_CHUNK)):
            offset += len(line)
        self.at = Position(offset, self._record.line + 1)

    def go_behind_whole(self, record: re.Pattern[bytes]) -> bool:
        """Go behind the record under way if it is a whole one; tell whether it is."""
        self._source.seek(self._record.offset)
        found = record.match(self._source.read(LONGEST_SKIPPED))
        if found:
            self.at = Position(self._record.offset + found.end(), self._record.line + found[0].count(b"\n"))
            self._source.seek(self.at.offset)
        return found is not None

    @property
    def has_cr(self) -> bool:
        """Tell whether a CR stands alone in the first line of the record under way."""
        return b"\r" in self._first.removesuffix(b"\n").removesuffix(b"\r")

    @property
    def is_one(self) -> bool:
        """Tell whether the record under way has one line as yet."""
        return self.at.line - self._record.line == 1

    @property
    def excerpt(self) -> str:
        """Return the start of the record under way."""
        return clean_text(self._first[:_EXCERPT].decode(self._encoding, "replace"))


def cut(source: BinaryIO, form: Form, start: Position, rows: int) -> Cut:
    """Return the records of a page from a position on; one at offset 0 is that of the first record.

    Raises:
        Permanent: the file is empty, its header cannot be read, or its last line is cut off: the text says what to do.
    """
    size = source.seek(0, os.SEEK_END)
    first, columns = _header(source, form)
    lines = _Lines(source, form.encoding, max(start, first, key=lambda position: position.offset))
    read = _csv_reader(lines, form, columns) if form.is_csv else _json_reader(lines, form.encoding)
    page, begun = Cut(columns), lines.at.offset
    while len(page.items) + len(page.skipped) < rows and lines.at.offset - begun < MOST_PAGE_BYTES:
        number = lines.begin()
        try:
            item = read()
        except StopIteration:
            break
        except _NoRecord as error:
            if lines.is_one and not lines.is_ended and lines.at.offset >= size:
                raise _cut_off(number) from error
            reason = str(error)
            if isinstance(error, _TooLong) and columns and lines.go_behind_whole(_whole(form, len(columns))):
                reason = f"it is longer than {LONGEST_RECORD:,} bytes"
            elif not error.is_whole:
                lines.go_behind_first()
            page.skipped.append(Skipped(number, one_line(reason), lines.excerpt))
        else:
            if item is not None:
                page.items.append(msgspec.Raw(item))
                page.lines.append(number)
    page.next = lines.at if lines.at.offset < size else None
    return page


def _header(source: BinaryIO, form: Form) -> tuple[Position, list[str] | None]:
    """Return where the first record begins, and the names of its cells where the file is CSV."""
    source.seek(0)
    head = source.read(4)
    if not head:
        raise Permanent("the file is empty: is its upload still under way? When it is whole, start another run")
    for begins, other in _OTHER_FORMS.items():
        if head.startswith(begins):
            raise Permanent(f"the file is {other}")
    start = Position(len(_BOM) if head.startswith(_BOM) and form.encoding == "utf-8" else 0)
    if not form.is_csv or form.columns:
        return start, form.columns
    lines = _Lines(source, form.encoding, start)
    try:
        columns = [name.strip() for name in next(_rows(lines, form), [])]
        _encoded(columns, form.encoding)
    except (_NoRecord, csv.Error) as error:
        reason = _OF_CR if lines.has_cr else one_line(str(error))
        raise Permanent(f"the header of the file, line 1, cannot be read: {reason}") from error
    return lines.at, columns


def _csv_reader(lines: _Lines, form: Form, columns: list[str] | None) -> Callable[[], bytes | None]:
    """Return what reads the next row as JSON, ``None`` for an empty line; it goes on after a row that is none."""
    rows, expected = _rows(lines, form), len(columns or ())

    def read() -> bytes | None:
        try:
            row = next(rows)
        except csv.Error as error:
            if lines.has_cr and lines.is_one:
                raise _NoRecord(_OF_CR) from error
            raise _NoRecord(f"it is no CSV ({error}): is a quote not closed or not doubled?") from error
        if row and len(row) != expected:
            raise _NoRecord(f"it has {counted(len(row), 'cell')}, and there are {expected} columns")
        if row and [name.strip() for name in row] == columns:
            raise _NoRecord("it repeats the names of the columns: files were put together", is_whole=True)
        return _encoded(row, form.encoding) if row else None

    return read


def _whole(form: Form, cells: int) -> re.Pattern[bytes]:
    """Return what a whole record of so many cells is, line end included; nothing is gone over twice."""
    separator = form.separator.encode(form.encoding)
    mark = re.escape(separator)
    cell = rb"(?:[^\n%b]++|(?!%b)[^\n])*+" % (re.escape(separator[:1]), mark)
    if form.quote:
        quote = form.quote.encode(form.encoding)
        first, whole = re.escape(quote[:1]), re.escape(quote)
        inner = rb"(?:[^%b]++|(?!%b).|%b)*+" % (first, whole, whole * 2)
        cell = rb"(?:%b%b%b|(?!%b)%b)" % (whole, inner, whole, whole, cell)
    return re.compile(rb"%b(?:%b%b){%d}\r?\n" % (cell, mark, cell, cells - 1), re.DOTALL)


def _rows(lines: _Lines, form: Form) -> Iterator[list[str]]:
    if form.quote is None:
        return csv.reader(lines, delimiter=form.separator, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=form.separator, quotechar=form.quote, strict=True)


def _encoded(row: list[str], encoding: str) -> bytes:
    try:
        return _JSON.encode(row)
    except UnicodeEncodeError as error:
        raise _wrong_byte(error, encoding) from error


def _json_reader(lines: _Lines, encoding: str) -> Callable[[], bytes | None]:
    """Return what reads the next line of JSON as it is, ``None`` for an empty one."""

    def read() -> bytes | None:
        text = next(lines).strip()
        try:
            line = text.encode()
        except UnicodeEncodeError as error:
            raise _wrong_byte(error, encoding) from error
        if line:
            _check_json(line)
        return line or None

    return read


def _check_json(line: bytes) -> None:
    if line.startswith(b"["):
        raise _NoRecord("it is a list: each line must be one JSON object")
    text = line.join(_WITHIN)
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # NaN, lone surrogates and long numbers are JSON enough for the page that this becomes a part of.
        try:
            json.loads(text, parse_int=float)
        except json.JSONDecodeError as error:
            raise _NoRecord(f"it is no JSON by itself ({error.msg}): each line must be one JSON object") from error
        except RecursionError as error:
            raise _NoRecord("it is nested too deeply") from error


def _wrong_byte(error: UnicodeEncodeError, encoding: str) -> _NoRecord:
    byte = ord(error.object[error.start]) & 0xFF
    return _NoRecord(f"it is not in {encoding} (byte {byte:#x}): set the option encoding", is_whole=True)


def _cut_off(number: int) -> Permanent:
    return Permanent(
        f"line {number:,}, the last one, is cut off: is the upload of the file still under way? When it is whole, "
        "start another run"
    )
