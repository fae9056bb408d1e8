"""Standard identifiers and dates in their one canonical form. Pure: text in, text out."""

import re
from datetime import date
from functools import lru_cache

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL refuses in a text: NUL and lone surrogates."""

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", re.ASCII)
_SEPARATORS = re.compile(r"[\s\-.]+")
_ISRC_LENGTH, _GTIN_LENGTH = 12, 14
_GTIN_DIGITS = re.compile(r"[0-9]{8}|[0-9]{10,14}", re.ASCII)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?(?![0-9])", re.ASCII)


def clean_text(text: str) -> str:
    """Return the text without what PostgreSQL refuses, stripped of outer white space."""
    return (text if text.isascii() and "\0" not in text else UNSTORABLE.sub("", text)).strip()


def storable(text: str) -> str:
    """Return the text without what PostgreSQL refuses, its outer white space kept: a join phrase lives by it."""
    return text if text.isascii() and "\0" not in text else UNSTORABLE.sub("", text)


def normalise_isrc(text: str) -> str:
    """Return a valid ISRC (ISO 3901) without separators and in upper case; any other text as given.

    >>> normalise_isrc("us-rc1-76-07839")
    'USRC17607839'
    """
    if is_isrc(text):
        return text
    given = clean_text(text)
    candidate = _SEPARATORS.sub("", given).upper()
    # Some write "ISRC" before it; but IS is Iceland, and RC1 may be a registrant there.
    if not is_isrc(candidate):
        candidate = candidate.removeprefix("ISRC")
    return candidate if is_isrc(candidate) else given


def is_isrc(text: str) -> bool:
    """Tell whether the text is an ISRC in canonical form: country, registrant, year and designation, 12 characters."""
    return len(text) == _ISRC_LENGTH and _has_isrc_form(text)


# On its way a code is looked at five times.
@lru_cache(maxsize=16_384)
def _has_isrc_form(text: str) -> bool:
    return _ISRC.fullmatch(text) is not None


def normalise_gtin(text: str) -> str:
    """Return a valid UPC, EAN or GTIN as 14 digits; any other text as given.

    Catalogues drop leading zeros (10 and 11 digits are seen), so shorter codes are padded before the check digit is
    tested (GS1 General Specifications 7.9). All zeros pass that test and mean nothing, so they are not valid.

    >>> normalise_gtin("724384960650")
    '00724384960650'
    """
    given = clean_text(text)
    candidate = _SEPARATORS.sub("", given)
    if _GTIN_DIGITS.fullmatch(candidate) and is_gtin(candidate.zfill(14)):
        return candidate.zfill(14)
    return given


def is_gtin(text: str) -> bool:
    """Tell whether the text is a GTIN in canonical form: 14 digits, the last of them the right check digit."""
    return len(text) == _GTIN_LENGTH and _has_gtin_form(text)


@lru_cache(maxsize=4096)
def _has_gtin_form(text: str) -> bool:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        return False
    weighted = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(text[:13]))
    return (10 - weighted % 10) % 10 == int(text[13])


@lru_cache(maxsize=4096)
def normalise_date(text: str) -> str | None:
    """Return a date as "YYYY", "YYYY-MM" or "YYYY-MM-DD", as precise as it is known; ``None`` for no date at all.

    Zero parts mean unknown ("1987-07-00" is July 1987; "0000-00-00" is nothing). A time of day is left off.

    >>> normalise_date("1987-07-00")
    '1987-07'
    """
    match = _DATE.match(text.strip())
    if match is None:
        return None
    year, month, day = (int(part or 0) for part in match.groups())
    if not year:
        return None
    if month not in range(1, 13):
        return f"{year:04}"
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return f"{year:04}-{month:02}"
