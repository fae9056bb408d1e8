"""What an HTTP status means: every answer other than 200 and 304 as a typed error. Pure: no network, no clock."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from musicsync.providers.base import Adapter
from musicsync.records import Gone, Permanent, ProviderError, RateLimited, Transient

_MOST_EXCERPT_BYTES = 8000
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def error_of(
    adapter: Adapter, what: str, status: int, headers: dict[str, str], body: bytes, *, now: datetime
) -> ProviderError:
    """Return the error that an answer stands for.

    ``what`` says in words what was asked ("GET /artist/27"); ``headers`` have lower-case names; ``now`` is the time of
    the answer, against which a Retry-After date is read.
    """
    message = f"{what}: {status} {adapter.error_text(body)}".rstrip()
    if adapter.is_rate_limit(status, headers):
        return RateLimited(message, retry_after(headers.get("retry-after", ""), now))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY):
        return Transient(message)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Gone(message)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Permanent(f"{message}: the credential was refused")
    return Permanent(message)


def retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, given in seconds or as an HTTP date.

    ``None`` where there is none, or where it says nothing that can be acted on (a time that has passed, nonsense).
    """
    if _SECONDS.fullmatch(text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return seconds if seconds >= 0 and math.isfinite(seconds) else None


def excerpt(body: bytes) -> str:
    """Return the start of an answer, fit to be kept and shown: 2,000 characters that can be printed."""
    text = body[:_MOST_EXCERPT_BYTES].decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)[:2000]
