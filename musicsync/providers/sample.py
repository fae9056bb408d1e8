"""The first of what an answer says, as tables that people read: is this provider set up rightly?"""

from typing import Any

from msgspec import UNSET, structs

from musicsync.records import Credit, Kind, Page, Record

RECORDS = ("Kind", "Id", "Title or name", "Says")
REJECTED = ("Where", "Reason", "Excerpt")

_MOST = 5
_SHOWN: tuple[Kind, ...] = ("track", "release", "artist")
_APART = {"external_id", "title", "name"}


def records(page: Page) -> list[tuple[str, str, str, str]]:
    """Return a row for each of the first five tracks, releases and artists of a page."""
    return [_row(record) for kind in _SHOWN for record in [one for one in page.records if one.kind == kind][:_MOST]]


def rejected(page: Page) -> list[tuple[str, str, str]]:
    """Return a row for each of the first five items that were rejected."""
    return [(item.path, item.reason, item.excerpt) for item in page.rejected[:_MOST]]


def leads_to(page: Page) -> str:
    """Return in words what is asked next: nothing, though the provider has more, means a wrong way of paging."""
    if not page.requests:
        return "leads to no other request"
    first, *others = page.requests
    return f"leads to GET /{first.key}" + (f" and {len(others):,} more" if others else "")


def _row(record: Record) -> tuple[str, str, str, str]:
    fields = structs.asdict(record)
    stated = [f"{name}: {_value(value)}" for name, value in fields.items() if name not in _APART and value is not UNSET]
    return record.kind, record.external_id, fields.get("title") or fields["name"], "; ".join(stated)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, tuple):
        return str(value)
    if any(isinstance(one, Credit) for one in value):
        return "".join(one.name + one.join_phrase for one in value)
    return ", ".join(map(str, value)) or "none"
