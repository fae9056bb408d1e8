"""What is said of files between the client, which reads them, and the adapter, which is told what is in them."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from musicsync.providers.file_feed.cutting import Position, Skipped

AFTER, FILE, PAGE, SAMPLE, SINCE = "after", "file", "page", "sample", "since"
"""Parameters of requests: look for the file behind one of this name; of which file and which page of it; the first
records alone; look for what is not known yet."""
NAME, VERSION, MARK, OFFSET, LINE = "name", "version", "mark", "offset", "line"
"""What requests for pages carry along: file, version, what the page is known again by, and where it begins."""

Kept = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
"""A text that the database takes."""


class Found(Struct, frozen=True):
    """A file to be read: ``mark`` is another one whenever it, or a file that is read before it, is another one."""

    name: Kept
    version: Kept
    mark: Kept


class Look(Struct, kw_only=True):
    """What is to be read next, ``None`` where that is nothing; ``watermark`` stands for all files as they are now."""

    found: Found | None
    watermark: Kept


class Part(Struct, kw_only=True):
    """Some records of a file: rows of cells with the names of the ``columns``, or else JSON values.

    ``lines`` has the number of the line that each item begins on; ``next`` is where the next page begins.
    """

    items: list[Any]
    lines: list[int] = []
    skipped: list[Skipped] = []
    columns: list[str] | None = None
    next: Position | None = None
