"""What is too long to be kept. Pure: such an item is rejected with the reason, and its page goes on.

PostgreSQL's indexes take keys of about 2,700 bytes. Titles of over 800 characters exist; ids of over 100 do not.
"""

import msgspec

from musicsync.records import ArtistRecord, Page, Record, RejectedItem, Request

LONGEST_ID_BYTES = 500
LONGEST_NAME_BYTES = 2500
LONGEST_KEY_BYTES = 2500
_EXCERPT = 300
_MOST_BYTES = 4


def sift(page: Page) -> Page:
    """Return the page with what is too long among its rejected items."""
    refused = {id(thing): item for thing in (*page.records, *page.requests) if (item := _refusal(thing))}
    if not refused:
        return page
    return msgspec.structs.replace(
        page,
        records=tuple(record for record in page.records if id(record) not in refused),
        follow_ups=tuple(request for request in page.follow_ups if id(request) not in refused),
        following=None if id(page.following) in refused else page.following,
        rejected=(*page.rejected, *refused.values()),
    )


def _refusal(item: Record | Request) -> RejectedItem | None:
    if isinstance(item, Request):
        return _too_long(f"request {item.path[:_EXCERPT]}", "its key", item.key, LONGEST_KEY_BYTES)
    name = item.name if isinstance(item, ArtistRecord) else item.title
    what = f"{item.kind} {item.external_id[:_EXCERPT]}"
    return _too_long(what, "its id", item.external_id, LONGEST_ID_BYTES) or _too_long(
        what, "its name or title", name, LONGEST_NAME_BYTES
    )


def _too_long(path: str, what: str, text: str, limit: int) -> RejectedItem | None:
    if len(text) * _MOST_BYTES <= limit or (size := len(text.encode())) <= limit:
        return None
    return RejectedItem(
        path=path, reason=f"{what} is {size:,} bytes long; {limit:,} can be kept", excerpt=text[:_EXCERPT]
    )
