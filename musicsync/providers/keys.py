"""The keys that an operator gives a scope, in the one form that a provider is asked with."""

import re

from musicsync.identifiers import is_gtin, is_isrc, normalise_gtin, normalise_isrc
from musicsync.providers.base import BadScope, one_line
from musicsync.records import ScopeKind

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORTEST_GTIN = 12
_BASE62 = re.compile(r"[0-9A-Za-z]{22}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def uuid_key(key: str) -> str | None:
    """Return the UUID in lower case, ``None`` when the key is not one."""
    candidate = key.strip().lower()
    return candidate if _UUID.fullmatch(candidate) else None


def number_key(key: str) -> str | None:
    """Return a numeric id without leading zeros, ``None`` when the key is not one."""
    candidate = key.strip().lstrip("0")
    return candidate if _NUMBER.fullmatch(candidate) else None


def base62_key(key: str) -> str | None:
    """Return an id of 22 letters and digits as it is, for case counts; ``None`` when the key is not one."""
    candidate = key.strip()
    return candidate if _BASE62.fullmatch(candidate) else None


def isrc_key(key: str) -> str | None:
    """Return the ISRC in canonical form, ``None`` when the key is not a valid one."""
    candidate = normalise_isrc(key)
    return candidate if is_isrc(candidate) else None


def gtin_key(key: str) -> str | None:
    """Return a UPC or EAN in its short form of at least 12 digits, ``None`` when the key is not a valid one.

    Providers print barcodes in this form: a UPC-A with 12 digits, an EAN with 13. Fewer digits are not taken for one.
    """
    candidate = normalise_gtin(key)
    if not is_gtin(candidate) or not has_gtin_length(key):
        return None
    return candidate.lstrip("0").zfill(_SHORTEST_GTIN)


def gtin_or_number_key(key: str) -> str | None:
    """Return a UPC or EAN as ``gtin_key`` does, else a numeric id; ``None`` when the key is neither.

    What is as long as a UPC is not taken for an id: its check digit may be wrong.
    """
    return gtin_key(key) or (None if has_gtin_length(key) else number_key(key))


def has_gtin_length(key: str) -> bool:
    """Tell whether the key has as many digits as a UPC or EAN, which is more than an id has."""
    return sum(character.isdigit() for character in key) >= _SHORTEST_GTIN


def feed_key(label: str, kind: ScopeKind, key: str) -> str:
    """Return the empty key, the only one that a provider's one feed has.

    Raises:
        BadScope: it is another one, or of another kind.
    """
    if kind != "feed" or key.strip():
        raise bad_scope(label, kind, key, {"feed": "empty"})
    return ""


def bad_scope(label: str, kind: ScopeKind, key: str, forms: dict[ScopeKind, str]) -> BadScope:
    """Return the error for a scope that a provider cannot follow; ``forms`` says in words what key each kind has."""
    if kind not in forms:
        return BadScope(f"{label} cannot follow a {kind}; it can follow: {', '.join(forms)}")
    return BadScope(f"{kind}:{one_line(key, 80)} is no scope of {label}: the key of {kind} is {forms[kind]}")
