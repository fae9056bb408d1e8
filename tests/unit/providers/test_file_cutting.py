"""Records cut out of files: none is lost, whatever stands beside it, and no more is held than a page."""

import csv
import gzip
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicsync.providers.file_feed import cutting
from musicsync.providers.file_feed.cutting import Cut, Form, Position, Skipped, cut
from musicsync.records import Permanent

CSV, LINES = Form(is_csv=True), Form(is_csv=False)
NO_CSV = "it is no CSV ({}): is a quote not closed or not doubled?"


def pages(content: bytes, form: Form = CSV, rows: int = 2) -> list[Cut]:
    found, at = [], Position()
    while at:
        found.append(cut(io.BytesIO(content), form, at, rows))
        at = found[-1].next
    return found


def items(found: list[Cut]) -> list[Any]:
    return [json.loads(bytes(item)) for page in found for item in page.items]


def skipped(found: list[Cut]) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for page in found for one in page.skipped]


def test_pages_have_so_many_rows_each_with_its_line() -> None:
    found = pages(b'id,title\n1,a\n2,"b\nb"\n\n3,c\r\n4,"d ""d"""\n5,e')
    assert [page.columns for page in found] == [["id", "title"]] * 3
    assert items(found) == [["1", "a"], ["2", "b\nb"], ["3", "c"], ["4", 'd "d"'], ["5", "e"]]
    assert [page.lines for page in found] == [[2, 3], [6, 7], [8]]
    assert [page.next for page in found] == [Position(21, 5), Position(39, 8), None]


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2), max_size=20
    ),
    st.integers(1, 7),
)
def test_whatever_csv_says_comes_back(rows: list[list[str]], page: int) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["the first", "the second"], *rows])
    found = pages(written.getvalue().encode(), rows=page)
    assert items(found) == rows
    assert skipped(found) == []


@given(st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text())), st.integers(1, 7))
def test_whatever_lines_of_json_say_comes_back(values: list[Any], page: int) -> None:
    content = "".join(f"{json.dumps(value)}\n" for value in values) or "\n"
    assert repr(items(pages(content.encode(), LINES, page))) == repr(values)


@pytest.mark.parametrize(
    ("content", "kept", "wrong"),
    [
        (b"1,a\n2\n3,c\n", ["1", "3"], [(3, "it has 1 cell, and there are 2 columns")]),
        (b"1,a\n2,b,b\n3,c\n", ["1", "3"], [(3, "it has 3 cells, and there are 2 columns")]),
        (b"1,a\n2,b\xff\n3,c\n", ["1", "3"], [(3, "it is not in utf-8 (byte 0xff): set the option encoding")]),
        (b'1,"a\n2,b\n3,c\n', ["2", "3"], [(2, NO_CSV.format("unexpected end of data"))]),
        (b'1,"a\n2,b\n3,"c"\n', ["2", "3"], [(2, NO_CSV.format("',' expected after '\"'"))]),
        # The line behind an open quote is right or wrong by itself, whatever the quote made of it.
        (b'1,"a\n2,b\xff\n3,c\n', ["3"], [(2, NO_CSV.format("unexpected end of data")), (3, "it is not in utf-8 ")]),
        # Of a whole record in several lines none is taken for a record of its own.
        (b'1,"a\nb\xff,x\nc"\n3,c\n', ["3"], [(2, "it is not in utf-8 (byte 0xff): set the option encoding")]),
        (b"1,a\nid, title\n2,b\n", ["1", "2"], [(3, "it repeats the names of the columns: files were put together")]),
        (b"1,a\n2,b\r3,c\n4,d\n", ["1", "4"], [(3, "its lines end in CR alone: have them end in LF or CRLF")]),
        # What two wrong quotes have between them is not lost.
        (b'1,"a\n2,b\n3,c",x\n4,d\n', ["2", "4"], [(2, "it has 3 cells, "), (4, "it has 3 cells, ")]),
    ],
)
def test_a_row_that_is_none_costs_itself_alone(content: bytes, kept: list[str], wrong: list[tuple[int, str]]) -> None:
    for rows in (1, 2, 100):
        found = pages(b"id,title\n" + content, rows=rows)
        assert [row[0] for row in items(found)] == kept
        assert [line for line, _ in skipped(found)] == [line for line, _ in wrong]
        assert all(reason.startswith(start) for (_, reason), (_, start) in zip(skipped(found), wrong, strict=True))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            b"{",
            "it is no JSON by itself (Expecting property name enclosed in double quotes): each line must be one JSON ",
        ),
        (b'{"a": 1}]', "it is no JSON by itself (Extra data)"),
        (b'[{"a": 1}, {"a": 3}]', "it is a list: each line must be one JSON object"),
        (b"[1]", "it is a list: each line must be one JSON object"),
        (b'{"a": "\xe9"}', "it is not in utf-8 (byte 0xe9)"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested too deeply"),
    ],
)
def test_a_line_that_is_no_json_costs_itself_alone(line: bytes, reason: str) -> None:
    found = pages(b'{"a": 1}\n' + line + b'\n{"a": 2}\n', LINES)
    assert items(found) == [{"a": 1}, {"a": 2}]
    [(number, said)] = skipped(found)
    assert number == 2
    assert said.startswith(reason)


def test_what_a_page_of_json_can_hold_is_taken_as_it_is() -> None:
    content = b'{"a": NaN}\n{"a": "\\ud800"}\n{"a": ' + b"9" * 5000 + b"}\n"
    assert [bytes(item) for page in pages(content, LINES) for item in page.items] == content.split(b"\n")[:3]


def test_a_record_that_never_ends_is_no_more_than_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LONGEST_RECORD", 1000)
    found = pages(b"id,title\n1," + b"x" * 200_000 + b"\n2,b\n" + b'3,"' + b"y\n" * 600 + b"4,d\n", rows=10)
    assert [row[0] for row in items(found)] == ["2", "4"]
    assert skipped(found)[0] == (2, "it is longer than 1,000 bytes")
    assert skipped(found)[1] == (4, "it is longer than 1,000 bytes: a quote that is not closed, or no line ends")
    assert found[0].skipped[0].excerpt == "1," + "x" * 298
    assert [line for line, _ in skipped(found)] == [2, *range(4, 604)]


def test_a_cell_may_be_as_long_as_a_record() -> None:
    long = "x" * 900_000
    assert items(pages(f'id,title\n1,"{long}"\n2,b\n'.encode())) == [["1", long], ["2", "b"]]


@pytest.mark.parametrize("form", [CSV, Form(is_csv=True, separator="\u00a6", quote="\u00a8")])
def test_a_whole_record_that_is_too_long_is_left_out_as_one(monkeypatch: pytest.MonkeyPatch, form: Form) -> None:
    monkeypatch.setattr(cutting, "LONGEST_RECORD", 1000)
    for cell in ("y\n" * 600, "y" * 5000 + '\n""z""\n', '""' + "y,y\r\n" * 600 + '""'):
        content = f'id,title\n1,a\n2,"{cell}"\r\n3,c\n4,"d"\n'
        content = content.replace(",", form.separator).replace('"', form.quote or "")
        for rows in (1, 10):
            found = pages(content.encode(), form, rows)
            assert [row[0] for row in items(found)] == ["1", "3", "4"]
            assert [line for page in found for line in page.lines] == [2, 4 + cell.count("\n"), 5 + cell.count("\n")]
            assert skipped(found) == [(3, "it is longer than 1,000 bytes")]


def test_a_page_is_bounded_by_its_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MOST_PAGE_BYTES", 10)
    assert [len(page.items) for page in pages(b"id\n" + b"1234\n" * 5, rows=1000)] == [2, 2, 1]
    assert sum(len(page.items) for page in pages(b"id\n" + b"\n" * 100 + b"1\n", rows=1000)) == 1


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        return self._counted(super().read(size))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._counted(super().readline(size))

    def _counted(self, found: bytes) -> bytes:
        self.count += len(found)
        return found


def test_a_page_reads_its_own_part_of_the_file_and_the_header() -> None:
    lines = [f"{number},Song {number}\n" for number in range(200_000)]
    file = Counting("".join(["id,title\n", *lines]).encode())
    start = Position(len("id,title\n") + sum(map(len, lines[:100_000])), 100_002)
    found = cut(file, CSV, start, 1000)
    assert bytes(found.items[0]) == b'["100000","Song 100000"]'
    assert found.lines[-1] == 101_001
    assert file.count == len("".join(lines[100_000:101_000])) + len("id,title\n") + 4


def test_memory_does_not_grow_with_the_file() -> None:
    peaks = []
    for rows in (5_000, 50_000):
        file = io.BytesIO(b"id,title\n" + b"".join(b"%d,Song\n" % number for number in range(rows)))
        tracemalloc.start()
        at: Position | None = Position()
        while at:
            at = cut(file, CSV, at, 1000).next
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (b"", CSV, "the file is empty: is its upload still under way?"),
        (b"id,title\n1,a\n2,", CSV, None),
        (b"id,title\n1,a\n2", CSV, "line 3, the last one, is cut off: is the upload"),
        (b'id,title\n1,a\n2,"b', CSV, "line 3, the last one, is cut off: is the upload"),
        (b'id,title\n1,"a\nb\nc', CSV, "line 4, the last one, is cut off: is the upload"),
        (b'{"a": 1}\n{"a":', LINES, "line 2, the last one, is cut off: is the upload"),
        ("id,title\n".encode("utf-16"), CSV, "the file is in UTF-16: ask for it in UTF-8, or convert it"),
        ("id,title\n".encode("utf-32"), CSV, "the file is in UTF-32: ask for it in UTF-8, or convert it"),
        (gzip.compress(b"id,title\n", mtime=0), CSV, "the file is gzip within gzip: have it packed once"),
        (
            b"id,title\r1,a\r2,b\r",
            CSV,
            "the header of the file, line 1, cannot be read: its lines end in CR alone: have",
        ),
        (
            b"id,title\r" * 200_000,
            CSV,
            "the header of the file, line 1, cannot be read: its lines end in CR alone: have",
        ),
        (b"id,tit\xfcle\n", CSV, "the header of the file, line 1, cannot be read: it is not in utf-8 (byte 0xfc)"),
        (b'id,"title\n1,a\n', CSV, "the header of the file, line 1, cannot be read: unexpected end of data"),
    ],
)
def test_a_file_that_is_none_says_what_to_do(content: bytes, form: Form, said: str | None) -> None:
    if said is None:
        assert items(pages(content, form)) == [["1", "a"], ["2", ""]]
        return
    with pytest.raises(Permanent) as raised:
        pages(content, form, rows=100)
    assert str(raised.value).startswith(said)


def test_other_forms_of_csv() -> None:
    tabs = Form(is_csv=True, separator="\t", quote=None)
    assert items(pages(b'id\ttitle\n1\t"a\n', tabs)) == [["1", '"a']]
    bare = Form(is_csv=True, columns=["id", "title"])
    assert (items(pages(b"1,a\n", bare)), pages(b"1,a\n", bare)[0].lines) == ([["1", "a"]], [1])
    western = Form(is_csv=True, encoding="windows-1252", separator=";")
    assert items(pages("id;title\n1;Caf\u00e9 \u20ac\n".encode("windows-1252"), western)) == [["1", "Caf\u00e9 \u20ac"]]
    assert skipped(pages(b"id;title\n1;\x81\n", western)) == [
        (2, "it is not in windows-1252 (byte 0x81): set the option encoding")
    ]
    assert skipped(pages(b'{"a": "\x81"}\n', Form(is_csv=False, encoding="windows-1252"))) == [
        (1, "it is not in windows-1252 (byte 0x81): set the option encoding")
    ]
    assert pages(b"\xef\xbb\xbfid,title\n1,a\n")[0].columns == ["id", "title"]


def test_what_is_shown_of_a_wrong_row_is_short_and_readable() -> None:
    [page] = pages(b"id,title\n\x00\xff\xc3\xa9" + b"x" * 5000 + b"\n")
    assert page.skipped == [Skipped(2, "it has 1 cell, and there are 2 columns", "\ufffd\u00e9" + "x" * 296)]
