"""What status and headers of an answer mean: errors as types, waits in seconds. Pure: no network, no clock."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote

from musicsync.providers.base import Adapter
from musicsync.records import Gone, Permanent, ProviderError, RateLimited, Refused, Shed, Transient
from musicsync.redaction import redacted

_EXCERPT = 2000
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_LONGEST_RETRY_AFTER = 1e9
_LONGEST_WINDOW = 86_400.0
"""Seconds: no provider counts requests over more than a day, so a reset that is further away is a mistake."""
_FIRST_EPOCH = 1e9
_FIRST_EPOCH_IN_MILLISECONDS = 1e12
"""A reset below these is the seconds until it, one above them the time of it: both are in use."""
_DISCOGS_WINDOW = 60.0
_DISCOGS_LEAST = 25.0


def error_of(
    adapter: Adapter, what: str, status: int, headers: dict[str, str], body: bytes, *, now: datetime
) -> ProviderError:
    """Return the error that an answer stands for.

    ``what`` says in words what was asked ("GET /artist/27"); ``headers`` have lower-case names; ``body`` holds no
    credential; ``now`` is the time of the answer (``clock``), against which the times in its headers are read.
    """
    error = adapter.stated_error(what, status, body) or _error_by_status(adapter, what, status, headers, body)
    if isinstance(error, RateLimited) and error.retry_after is None:
        error.retry_after = wait(headers, now)
    error.excerpt = excerpt(body)
    return error


def _error_by_status(adapter: Adapter, what: str, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
    message = f"{what}: {status} {adapter.error_text(body)}".rstrip()
    if adapter.is_shed(status, headers):
        return Shed(message)
    if adapter.is_rate_limit(status, headers):
        return RateLimited(message)
    if hint := adapter.withdrawn(what.partition("/")[2], status):
        return Permanent(f"{message}: {hint}")
    return by_status(status, message)


def by_status(status: int, message: str) -> ProviderError:
    """Return the error that a status stands for, which may stand in a body too."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY):
        return Transient(message)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Gone(message)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        refused = f"{message}: the credential was refused, or is needed here"
        return Refused(refused, unauthorized=status == HTTPStatus.UNAUTHORIZED)
    return Permanent(message)


def no_such_method(label: str, said: str) -> Permanent:
    """Return the error of a provider that has no such method, which is no sign that a thing is gone."""
    return Permanent(
        f"{said}: {label} has no such method at this address, or not any more: correct the provider's base URL, or "
        "follow no scopes of this kind"
    )


def wait(headers: dict[str, str], now: datetime) -> float | None:
    """Return the seconds after which a provider that refused for its rate limit may be asked again.

    It says so by Retry-After, else by X-RateLimit-Reset, else by the counters of Discogs. ``None`` where it does not
    say, or says nothing that can be acted on.
    """
    asked = retry_after(headers.get("retry-after", ""), now)
    if asked is not None:
        return asked
    reset = _reset(headers, now)
    return reset if reset is not None else _discogs_pause(headers) or None


def pause(headers: dict[str, str], now: datetime) -> float:
    """Return the seconds for which the counters of an answer say that nothing more may be asked; 0 mostly."""
    if _number(headers, "x-ratelimit-remaining") == 0:
        return _reset(headers, now) or 0.0
    return _discogs_pause(headers)


def retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, given in seconds or as an HTTP date.

    ``None`` where there is none, or where it says nothing that can be acted on (a time that has passed, nonsense).
    """
    if _NUMBER.fullmatch(text.strip()):
        seconds = float(text)
        return seconds if seconds < _LONGEST_RETRY_AFTER else None
    moment = _moment(text)
    seconds = (moment - now).total_seconds() if moment else -1.0
    return seconds if seconds >= 0 and math.isfinite(seconds) else None


def clock(headers: dict[str, str], now: datetime) -> datetime:
    """Return what time it is for the provider, whose clock may be years off: its Date, or ``now`` where it has none.

    The times in its other headers are by the same clock.
    """
    return _moment(headers.get("date", "")) or now


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _reset(headers: dict[str, str], now: datetime) -> float | None:
    reset = _number(headers, "x-ratelimit-reset")
    if reset is None:
        return None
    if reset >= _FIRST_EPOCH_IN_MILLISECONDS:
        reset /= 1000
    seconds = reset - now.timestamp() if reset >= _FIRST_EPOCH else reset
    return seconds if 0 <= seconds <= _LONGEST_WINDOW else None


def _discogs_pause(headers: dict[str, str]) -> float:
    """Return the seconds until one more request fits into the moving minute of Discogs, which names no reset."""
    if _number(headers, "x-discogs-ratelimit-remaining") != 0:
        return 0.0
    return _DISCOGS_WINDOW / max(_number(headers, "x-discogs-ratelimit") or 0.0, _DISCOGS_LEAST)


def _number(headers: dict[str, str], name: str) -> float | None:
    text = headers.get(name, "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def without(credential: str, text: str) -> str:
    """Return the text with the credential, as it is and as it stands in a URL, made unreadable."""
    if not credential:
        return text
    return text.replace(credential, "***").replace(quote(credential, safe=""), "***")


def excerpt(body: bytes | bytearray, credential: str = "") -> str:
    """Return the start of an answer, fit to be kept and shown: 2,000 characters that can be printed.

    Credentials go out before the text is cut, so that no half of one is left.
    """
    text = redacted(without(credential, body.decode("utf-8", "replace")))[:_EXCERPT]
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
