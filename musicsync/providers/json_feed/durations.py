"""Durations as JSON feeds write them."""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from musicsync.providers.wire import LARGEST, Whole

_CLOCK = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,4}):([0-9]{2})(?:\.([0-9]{1,9}))?", re.ASCII)
_ISO_8601 = re.compile(
    r"PT(?=[0-9])(?:([0-9]{1,2})H)?(?:([0-9]{1,4})M)?(?:([0-9]{1,6})(?:\.([0-9]{1,9}))?S)?", re.ASCII
)


class _Stated(Struct):
    # The form of a struct is known to msgspec; that of a type alone is made anew for each value.
    whole: Whole


def milliseconds(given: Any, unit: str) -> int | None:
    """Return a duration in milliseconds, ``None`` for none: null, an empty text or 0.

    Raises:
        ValueError: it is none in this unit: "ms", "s", "m:ss" (also "h:mm:ss") or "iso8601" ("PT3M21S").
    """
    if given is None or given == "":
        return None
    try:
        duration = _READERS[unit](given)
    except (ValueError, TypeError, OverflowError):
        duration = -1
    if not 0 <= duration <= LARGEST:
        raise ValueError(f"is no duration in {unit}")
    return duration or None


def _whole(given: Any) -> int:
    return int(msgspec.convert({"whole": given}, _Stated).whole)


def _seconds(given: Any) -> int:
    if isinstance(given, bool) or not math.isfinite(float(given)):
        raise ValueError
    return round(float(given) * 1000)


def _parts(form: re.Pattern[str]) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        match = form.fullmatch(given.strip() if isinstance(given, str) else "")
        if match is None:
            raise ValueError
        hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
        return ((hours * 60 + minutes) * 60 + seconds) * 1000 + round(float(f"0.{match[4] or 0}") * 1000)

    return read


_READERS: dict[str, Callable[[Any], int]] = {
    "ms": _whole,
    "s": _seconds,
    "m:ss": _parts(_CLOCK),
    "iso8601": _parts(_ISO_8601),
}
