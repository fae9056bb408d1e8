"""What an operator says of files: which they are, what form they have, and which column or field is what."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from musicsync.providers.base import BadOptions
from musicsync.providers.file_feed.cutting import Form
from musicsync.providers.json_feed.items import Reader
from musicsync.providers.json_feed.options import (
    ArtistFields,
    Expression,
    HeaderAuth,
    Name,
    QueryAuth,
    ReleaseFields,
    TrackFields,
    read_as,
)
from musicsync.providers.json_feed.options import Options as ItemOptions

DEFAULT_ROWS, MOST_ROWS = 1000, 10_000
_WILD = frozenset("*?[")
_FORMATS: dict[str, Literal["csv", "jsonl"]] = {
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
}
_FORMULA = "="
"""What an expression over a row of CSV begins with; anything else is the name of a column."""

Path = Annotated[str, Meta(pattern=r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$", max_length=300)]
"""A file below the base URL; in a folder its name may be a pattern."""
Character = Annotated[str, Meta(pattern=r"^[^\r\n\x00]$", max_length=1)]
Column = Annotated[str, Meta(min_length=1)]


class Options(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it.

    ``format`` is told by the name where it is left out, and so is a tab as ``delimiter``. ``columns`` names those of a
    CSV file without a header; ``lists`` has the separator of columns that hold several values; ``rows`` is how many of
    them are a page.
    """

    path: Path
    track: TrackFields
    files: Literal["last", "all"] = "last"
    format: Literal["csv", "jsonl"] | None = None
    encoding: Literal["utf-8", "iso-8859-1", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252"] = "utf-8"
    delimiter: Character | None = None
    quote: Character | None = '"'
    columns: list[Column] | None = None
    lists: dict[Column, Annotated[str, Meta(min_length=1)]] = {}
    rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS
    params: dict[Name, str] = {}
    auth: HeaderAuth | QueryAuth = HeaderAuth()
    duration: Literal["ms", "s", "m:ss", "iso8601"] = "ms"
    release: ReleaseFields | None = None
    artist: ArtistFields | None = None

    @property
    def is_pattern(self) -> bool:
        """Tell whether the path names files by a pattern."""
        return bool(_WILD & set(PurePosixPath(self.path).name))

    @property
    def form(self) -> Form:
        """Return how the files are written."""
        separator = self.delimiter or ("\t" if _suffix(self.path) == ".tsv" else ",")
        is_csv = (self.format or _told(self.path)) == "csv"
        return Form(is_csv, self.encoding, separator, self.quote, self.columns)

    def reader(self) -> Reader:
        """Return what reads an item: a row of a CSV file by the names of its columns, a line of JSON as it is."""
        return Reader(
            ItemOptions(
                path="-",
                items=Expression("@"),
                track=self.track,
                release=self.release,
                artist=self.artist,
                duration=self.duration,
            )
        )

    def columns_read(self) -> dict[str, str]:
        """Return the columns that a CSV file must have, by the option that names each."""
        sections: dict[str, Struct | None] = {"track": self.track, "release": self.release}
        found = {f"lists.{name}": name for name in self.lists}
        for section, fields in sections.items():
            for name, expression in structs.asdict(fields).items() if fields else ():
                if expression is not None and expression.text.startswith('"') and expression.names:
                    found[f"{section}.{name}"] = expression.names[0]
        return found


EXAMPLE: dict[str, Any] = {
    "path": "catalogue-*.csv.gz",
    "duration": "s",
    "lists": {"ISRC": ";"},
    "track": {
        "id": "Track ID",
        "title": "Title",
        "disc": "Disc",
        "position": "No",
        "isrcs": "ISRC",
        "duration": "Seconds",
        "artists": "Artist",
    },
    "release": {"id": "Album ID", "title": "Album", "gtin": "Barcode", "released": "Released"},
}
"""Options as an operator may write them, to be shown beside the field that takes them."""


def read(given: Mapping[str, Any]) -> Options:
    """Return the options that are given as JSON.

    Raises:
        BadOptions: something is wrong with them.
    """
    options = read_as(Options, _by_columns(given))
    if mistakes := list(filter(None, (_wrong_path(options.path), _wrong_form(options), _wrong_columns(options)))):
        raise BadOptions(mistakes)
    return options


def _wrong_path(path: str) -> str:
    parts = path.split("/")
    if {"", ".", ".."} & set(parts):
        return "path: leads out of its folder or has an empty part: write it as folder/name."
    if any(_WILD & set(part) for part in parts[:-1]):
        return "path: only the name of the file may be a pattern, not its folder."
    return ""


def _wrong_form(options: Options) -> str:
    if options.format is None and _told(options.path) is None:
        return 'format: say "csv" or "jsonl": the name of the file does not tell.'
    if not options.form.is_csv and (options.columns or options.delimiter or options.lists):
        return "format: columns, delimiter and lists are of CSV, and these are JSON Lines: leave them out."
    if options.form.separator == options.quote:
        return "quote: is what stands between two cells too: choose another one, or null for none."
    if options.files == "all" and not options.is_pattern:
        return "files: the path names one file: write a pattern, such as delta-*.csv, or leave files out."
    return ""


def _wrong_columns(options: Options) -> str:
    """Return what of the columns that are named no file could have: of a header each run says so."""
    named = Counter(options.columns or [])
    if twice := [name for name, number in named.items() if number > 1]:
        return f"columns: {twice[0]!r} is named twice: each column needs a name of its own."
    for option, column in options.columns_read().items() if named else ():
        if column not in named:
            return f"{option}: {column!r} is none of the option columns."
    return ""


def _told(path: str) -> Literal["csv", "jsonl"] | None:
    return _FORMATS.get(_suffix(path))


def _suffix(path: str) -> str:
    name = PurePosixPath(path.lower())
    return PurePosixPath(name.stem).suffix if name.suffix == ".gz" else name.suffix


def _by_columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of CSV with expressions for the names of columns; nothing is checked here.

    The artists of CSV are mostly names and nothing else.
    """
    if (given.get("format") or _told(str(given.get("path", "")))) == "jsonl":
        return dict(given)
    sections = [name for name in ("track", "release") if isinstance(given.get(name), Mapping)]
    columns = {name: {field: _cell(text) for field, text in given[name].items()} for name in sections}
    return {"artist": {"name": "@"}, **given, **columns}


def _cell(text: Any) -> Any:
    """Return an expression for the cell of a column, or what stands behind the sign of one."""
    if not isinstance(text, str) or not text:
        return text
    return text[1:] if text.startswith(_FORMULA) else json.dumps(text, ensure_ascii=False)
