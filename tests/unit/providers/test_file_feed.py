"""What an operator says of files, and what is read of a page of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from musicsync.providers import registry
from musicsync.providers.base import BadOptions, Scope
from musicsync.providers.file_feed import FileFeed
from musicsync.providers.file_feed.options import EXAMPLE
from musicsync.records import Credit, MusicsyncError, Page, Permanent, ReleaseRecord, Request, Response, TrackRecord

OF_LINES = {"id": "id", "title": "title"}
BASE: dict[str, Any] = {"path": "dump.csv", "track": {"id": "Track ID", "title": "Title"}}
FIRST = Request(path="dump.csv", params={"page": "1"}, state={"name": "dump.csv", "version": "v", "mark": "m"})


def made(**options: object) -> FileFeed:
    adapter = registry.get("file-feed").configured(BASE | options)
    assert isinstance(adapter, FileFeed)
    return adapter


def parse(adapter: FileFeed, body: object, request: Request = FIRST) -> Page:
    return adapter.parse(request, Response(status=200, headers={}, body=json.dumps(body).encode(), url=""))


def part(*rows: list[str], columns: str = "Track ID,Title", **more: object) -> dict[str, object]:
    return {"columns": columns.split(","), "items": list(rows), "lines": list(range(2, 2 + len(rows))), **more}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"path": "dump.txt"}, 'format: say "csv" or "jsonl": the name of the file does not tell.'),
        ({"path": "/dump.csv"}, "path: "),
        ({"path": "a/../dump.csv"}, "path: leads out of its folder or has an empty part"),
        ({"path": "a//dump.csv"}, "path: leads out of its folder or has an empty part"),
        ({"path": "*/dump.csv"}, "path: only the name of the file may be a pattern, not its folder."),
        ({"files": "all"}, "files: the path names one file: write a pattern, such as delta-*.csv, or leave files out."),
        ({"files": "some"}, "files: Invalid enum value 'some'; there are last, all."),
        (
            {"path": "dump.jsonl", "track": OF_LINES, "lists": {"a": ","}},
            "format: columns, delimiter and lists are of CSV, and these are",
        ),
        ({"encoding": "utf-16"}, "encoding: Invalid enum value 'utf-16'; there are utf-8, iso-8859-1, "),
        ({"delimiter": "||"}, "delimiter: "),
        ({"delimiter": '"'}, "quote: is what stands between two cells too"),
        ({"rows": 0}, "rows: Expected `int` >= 1."),
        ({"items": "songs"}, "items: there is no such option; there are path, track, "),
        ({"track": {"id": "ID"}}, "track.title: is missing."),
        ({"track": {"id": "ID", "title": "=a["}}, "track.title: 'a[' is no JMESPath: "),
        ({"track": {"id": "ID", "title": "="}}, "track.title: Expected a JMESPath of 1 to 500 characters."),
        ({"track": {"id": "ID", "title": ""}}, "track.title: Expected a JMESPath of 1 to 500 characters."),
        ({"delimiter": ",\n"}, "delimiter: "),
        ({"columns": ["Track ID", "Name"]}, "track.title: 'Title' is none of the option columns."),
        (
            {"columns": ["Track ID", "Title"], "lists": {"ISRC": ";"}},
            "lists.ISRC: 'ISRC' is none of the option columns.",
        ),
        ({"columns": ["Track ID", "Title", "Title"]}, "columns: 'Title' is named twice: each column needs a name of "),
        ({"auth": {"in": "header", "name": "range"}}, "auth.name: range is a header of HTTP itself: name that of the "),
        ({"params": {"api_key": "x"}}, "params.api_key: is no place for a credential"),
    ],
)
def test_a_mistake_in_the_options_is_one_line_that_names_it(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadOptions) as raised:
        made(**wrong)
    [line] = raised.value.mistakes
    assert line.startswith(said)
    assert "\n" not in line


def test_without_options_nothing_can_be_read() -> None:
    with pytest.raises(BadOptions, match=r"path: is missing\. track: is missing\."):
        registry.get("file-feed").configured({})
    with pytest.raises(MusicsyncError, match="set them"):
        registry.get("file-feed").probe()


@pytest.mark.parametrize(
    ("name", "is_csv", "separator"),
    [
        ("a.csv", True, ","),
        ("a.CSV.GZ", True, ","),
        ("a.tsv", True, "\t"),
        ("a.jsonl", False, ","),
        ("a.ndjson.gz", False, ","),
        ("a.json", False, ","),
    ],
)
def test_the_name_of_a_file_tells_its_format(name: str, is_csv: bool, separator: str) -> None:
    form = made(path=name, track=OF_LINES).options.form
    assert (form.is_csv, form.separator) == (is_csv, separator)


def test_the_example_can_be() -> None:
    assert registry.get("file-feed").configured(EXAMPLE)


def test_other_options_are_another_parser_and_the_same_are_the_same() -> None:
    assert made() is made()
    assert made().parser_version != made(duration="s").parser_version


def test_a_pass_begins_with_a_look_and_an_incremental_one_with_what_is_new() -> None:
    adapter = made()
    scope = Scope(kind="feed", watermark=f"{adapter.parser_version}/dump.csv/m")
    assert [request.key for request in adapter.plan(scope, "full")] == ["dump.csv"]
    assert [request.key for request in adapter.plan(scope, "incremental")] == ["dump.csv?since=dump.csv/m"]
    assert [request.key for request in adapter.plan(Scope(kind="feed"), "incremental")] == ["dump.csv"]
    # What was read by other options is read again.
    assert [request.key for request in made(duration="s").plan(scope, "incremental")] == ["dump.csv"]


def test_a_look_leads_to_the_first_page_of_a_file() -> None:
    found = {"name": "dump-2.csv", "version": "v", "mark": "m"}
    look = Request(path="dump-*.csv")
    adapter = made(path="dump-*.csv")
    assert parse(adapter, {"found": found, "watermark": "dump-2.csv/m"}, look) == Page(
        follow_ups=(Request(path="dump-*.csv", params={"page": "1"}, state=found),),
        watermark=f"{adapter.parser_version}/dump-2.csv/m",
    )
    page = parse(made(path="dump-*.csv", files="all"), {"found": found, "watermark": "w"}, look)
    assert [request.key for request in page.requests] == ["dump-*.csv?file=dump-2.csv&page=1"]
    assert parse(made(), {"found": None, "watermark": "w"}, look).requests == ()


def test_the_next_page_begins_where_this_one_ends() -> None:
    page = parse(made(), part(["1", "a"], next={"offset": 99, "line": 7}))
    assert page.following == Request(
        path="dump.csv", params={"page": "2"}, state=FIRST.state | {"offset": "99", "line": "7"}
    )
    assert parse(made(), part(["1", "a"], next=None)).requests == ()


def test_several_files_are_read_strictly_one_after_the_other() -> None:
    adapter = made(path="delta-*.csv", files="all")
    request = Request(path="delta-*.csv", params={"file": "delta-1.csv", "page": "1"}, state={"name": "delta-1.csv"})
    page = parse(adapter, part(["1", "a"], next={"offset": 99, "line": 7}), request)
    assert (page.following, [following.key for following in page.follow_ups]) == (
        None,
        ["delta-*.csv?file=delta-1.csv&page=2"],
    )
    page = parse(adapter, part(["1", "a"], ["2", "b"], ["1", "c"]), request)
    assert [following.key for following in page.follow_ups] == ["delta-*.csv?after=delta-1.csv"]
    assert {record.external_id: record.title for record in page.records if isinstance(record, TrackRecord)} == {
        "1": "c",
        "2": "b",
    }


def test_columns_lists_and_expressions_are_found_in_a_row() -> None:
    adapter = made(
        duration="m:ss",
        lists={"ISRC": ";", "By": "|"},
        track={
            "id": "Track ID",
            "title": "Title (original)",
            "version": 'Mix "type"',
            "position": "No.",
            "isrcs": "ISRC",
            "duration": "Length",
            "explicit": "=Explicit == 'yes'",
            "artists": "By",
        },
        release={"id": "album.id", "title": "=join(' ', [Album, Part])"},
    )
    columns = 'Track ID,Title (original),Mix "type",No.,ISRC,Length,Explicit,By,album.id,Album,Part'
    row = ["31", " Dawn ", "", "2", "gb-abc-19-00001; GBABC1900002;", "3:21", "yes", "Ada|Bén", "r1", "First", "I"]
    page = parse(adapter, part(row, columns=columns))
    assert page.rejected == ()
    assert page.records == (
        ReleaseRecord(external_id="r1", title="First I"),
        TrackRecord(
            external_id="31",
            title="Dawn",
            version=None,
            release_id="r1",
            disc=1,
            position=2,
            isrcs=("GBABC1900001", "GBABC1900002"),
            duration_ms=201000,
            explicit=True,
            credits=(Credit(name="Ada", join_phrase=", "), Credit(name="Bén")),
        ),
    )


def test_an_empty_cell_says_that_there_is_nothing() -> None:
    track = {"id": "Track ID", "title": "Title", "isrcs": "ISRC", "duration": "Len", "number": "No"}
    [record] = parse(made(track=track), part(["1", "a", "", "", ""], columns="Track ID,Title,ISRC,Len,No")).records
    assert record == TrackRecord(external_id="1", title="a", isrcs=(), duration_ms=None, number=None)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            "Track ID,Name",
            "'Title', the option track.title, is no column of the file: correct it; its columns are Track",
        ),
        ("Title,Track ID,Title", "'Title', the option track.title, is more than one column of the file"),
        ("Track ID;Title", "'Track ID', the option track.id, is no column of the file: correct it; its columns are"),
    ],
)
def test_a_column_that_is_not_there_is_said_for_the_file_as_a_whole(columns: str, said: str) -> None:
    with pytest.raises(Permanent) as raised:
        parse(made(), part(columns=columns))
    assert str(raised.value).startswith(said)


def test_the_separator_of_lists_names_a_column_too() -> None:
    with pytest.raises(Permanent, match=r"'ISRC', the option lists\.ISRC, is no column"):
        parse(made(lists={"ISRC": ";"}), part())


def test_what_is_no_track_is_rejected_with_its_line() -> None:
    skipped = {"line": 12_345, "reason": "it has 1 cells, and there are 2 columns", "excerpt": "x"}
    page = parse(made(), part(["1", "a"], ["", "b"], skipped=[skipped]))
    assert [(item.path, item.reason) for item in page.rejected] == [
        ("line 12,345", "it has 1 cells, and there are 2 columns"),
        ("line 3", 'track.id (`"Track ID"`): Expected `int | str`, got `null`'),
    ]
    assert [record.external_id for record in page.records] == ["1"]


def test_a_file_that_begins_with_nothing_but_bad_rows_is_read_by_wrong_options() -> None:
    wrong = [["", f"{number}"] for number in range(20)]
    with pytest.raises(
        Permanent, match=r"^none of the first 20 rows is a track: correct the options; line 2: track\.id "
    ):
        parse(made(), part(*wrong))
    assert len(parse(made(), part(*wrong[:19])).rejected) == 19
    assert len(parse(made(), part(*wrong, ["1", "a"])).rejected) == 20
    later = Request(path="dump.csv", params={"page": "2"}, state=FIRST.state)
    assert len(parse(made(), part(*wrong), later).rejected) == 20


def test_the_credential_travels_as_the_options_say() -> None:
    assert made().auth_headers("k") == {"Authorization": "Bearer k"}
    assert made(auth={"in": "query", "name": "key"}).auth_params("k") == {"key": "k"}


def test_the_guide_shows_options_that_read_the_file_that_it_shows() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "generic-feeds.md").read_text(encoding="utf-8")
    chapter = guide[guide.index("# Files") :]
    options = json.loads(re.findall(r"```json\n(.*?)```", chapter, re.DOTALL)[0])
    header, *rows = re.findall(r"```csv\n(.*?)```", chapter, re.DOTALL)[0].splitlines()
    adapter = registry.get("file-feed").configured(options)
    assert isinstance(adapter, FileFeed)
    separator = adapter.options.form.separator
    page = parse(adapter, part(*[one.split(separator) for one in rows], columns=header.replace(separator, ",")))
    assert (page.rejected, sum(record.kind == "track" for record in page.records)) == ((), len(rows))
