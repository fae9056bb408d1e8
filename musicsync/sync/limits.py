"""What is too long to be kept. Pure: ``apply`` rejects such an item with the reason, and its page goes on.

PostgreSQL's indexes take keys of about 2,700 bytes. Titles of over 800 characters exist; ids of over 100 do not.
"""

from musicsync.records import ArtistRecord, Record, RejectedItem, Request

LONGEST_ID_BYTES = 500
LONGEST_NAME_BYTES = 2500
LONGEST_KEY_BYTES = 2500
_EXCERPT = 300


def refusal(item: Record | Request) -> RejectedItem | None:
    """Return why the record or request cannot be kept; ``None`` for one that can."""
    if isinstance(item, Request):
        return _too_long(f"request {item.path[:_EXCERPT]}", "its key", item.key, LONGEST_KEY_BYTES)
    name = item.name if isinstance(item, ArtistRecord) else item.title
    what = f"{item.kind} {item.external_id[:_EXCERPT]}"
    return _too_long(what, "its id", item.external_id, LONGEST_ID_BYTES) or _too_long(
        what, "its name or title", name, LONGEST_NAME_BYTES
    )


def _too_long(path: str, what: str, text: str, limit: int) -> RejectedItem | None:
    size = len(text.encode())
    if size <= limit:
        return None
    return RejectedItem(
        path=path, reason=f"{what} is {size:,} bytes long; {limit:,} can be kept", excerpt=text[:_EXCERPT]
    )
