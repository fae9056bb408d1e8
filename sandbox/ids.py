"""Identifiers of the world, computed both ways: index <-> UUID, number, ISRC and barcode, with no table between.

The index of an artist, label, release or track is ``block * SLOTS + slot``. A text that no index leads to gives
``None``; where a code carries more than the index (the country of an ISRC), whoever resolves it compares the whole.
"""

import hashlib
import re
from typing import Literal
from uuid import UUID

SLOTS = 1000
"""Places for artists, labels, releases or tracks in a block: 0 to 99 from the start, the others for what is added."""

Kind = Literal["artist", "label", "release", "release-group", "track", "recording", "medium"]
_KINDS: tuple[Kind, ...] = ("artist", "label", "release", "release-group", "track", "recording", "medium")

_BITS = 122
_MASK = (1 << _BITS) - 1
_ODD = 0x2545F4914F6CDD1D_9E3779B97F4A7C15 & _MASK
_ODD_INVERSE = pow(_ODD, -1, 1 << _BITS)
_UUID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-([89ab][0-9a-f]{3})-([0-9a-f]{12})", re.IGNORECASE)
_ANY_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_MOST_DIGITS = 18
_NUMBER_STEP = len(_KINDS)
_NUMBER_START = 1_000_000 * _NUMBER_STEP

_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE62 = _BASE36 + _BASE36[10:].lower()
_BASE62_LENGTH = 22
_REGISTRANTS = 36**3
_REGISTRANT_STEP = 7919
ISRC_LENGTH = 12
_ISRC = re.compile(r"[A-Z]{2}([A-Z0-9]{3})[0-9]{2}([0-9]{5})", re.ASCII)

_SHORT_BARCODE, _LONG_BARCODE = 10, 14
_BARCODES = 10**10
_BARCODE_STEP = 7_368_787


class Mbids:
    """MusicBrainz ids of one world: valid random-looking UUIDs, other ones for each seed."""

    def __init__(self, seed: int) -> None:
        self._key = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:16], "big") & _MASK

    def encode(self, kind: Kind, index: int) -> str:
        """Return the UUID of the thing with this index."""
        mixed = _scramble((index * _NUMBER_STEP + _KINDS.index(kind)) ^ self._key)
        head, middle, tail = mixed >> 74, mixed >> 62 & 0xFFF, mixed & (1 << 62) - 1 | 1 << 63
        return f"{head >> 16:08x}-{head & 0xFFFF:04x}-4{middle:03x}-{tail >> 48:04x}-{tail & (1 << 48) - 1:012x}"

    def decode(self, kind: Kind, mbid: str) -> int | None:
        """Return the index behind the UUID, or ``None`` where it is of another kind or of no world."""
        match = _UUID.fullmatch(mbid)
        if match is None:
            return None
        head, short, middle, variant, node = match.groups()
        tail = int(variant + node, 16) & (1 << 62) - 1
        plain = _unscramble(int(head + short, 16) << 74 | int(middle, 16) << 62 | tail) ^ self._key
        index, position = divmod(plain, _NUMBER_STEP)
        return index if _KINDS[position] == kind and index < 1 << 60 else None


class Base62:
    """Spotify's ids of one world: the same numbers as its MBIDs, written with 22 letters and digits."""

    def __init__(self, mbids: Mbids) -> None:
        self._mbids = mbids

    def encode(self, kind: Kind, index: int) -> str:
        """Return the id of the thing with this index."""
        number, digits = UUID(self._mbids.encode(kind, index)).int, []
        for _ in range(_BASE62_LENGTH):
            number, digit = divmod(number, len(_BASE62))
            digits.append(_BASE62[digit])
        return "".join(reversed(digits))

    def decode(self, kind: Kind, code: str) -> int | None:
        """Return the index behind the id, or ``None`` where it is of another kind or of no world."""
        if len(code) != _BASE62_LENGTH or not set(code) <= set(_BASE62):
            return None
        number = 0
        for character in code:
            number = number * len(_BASE62) + _BASE62.index(character)
        return self._mbids.decode(kind, str(UUID(int=number))) if number < 1 << 128 else None


def is_uuid(text: str) -> bool:
    """Tell whether the text has the form of a UUID."""
    return _ANY_UUID.fullmatch(text) is not None


def encode_number(kind: Kind, index: int) -> int:
    """Return the Deezer id of the thing with this index; no number stands for two kinds."""
    return _NUMBER_START + index * _NUMBER_STEP + _KINDS.index(kind)


def decode_number(kind: Kind, text: str) -> int | None:
    """Return the index behind a Deezer id, or ``None`` where it is of another kind or too small."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    index, position = divmod(int(text) - _NUMBER_START, _NUMBER_STEP)
    return index if index >= 0 and _KINDS[position] == kind else None


def encode_isrc(recording: int, country: str, year: int) -> str:
    """Return the ISRC of the recording with this index: its registrant and designation carry the index."""
    block, slot = divmod(recording, SLOTS)
    high, low = divmod(block, _REGISTRANTS)
    registrant = low * _REGISTRANT_STEP % _REGISTRANTS
    letters = _BASE36[registrant // 1296] + _BASE36[registrant // 36 % 36] + _BASE36[registrant % 36]
    return f"{country}{letters}{year % 100:02}{slot * 100 + high:05}"


def decode_isrc(isrc: str) -> int | None:
    """Return the index of the recording that an ISRC in canonical form may belong to."""
    match = _ISRC.fullmatch(isrc)
    if match is None:
        return None
    slot, high = divmod(int(match[2]), 100)
    low = int(match[1], 36) * pow(_REGISTRANT_STEP, -1, _REGISTRANTS) % _REGISTRANTS
    return (high * _REGISTRANTS + low) * SLOTS + slot


def encode_barcode(release: int, digits: Literal[12, 13], *, valid: bool = True) -> str:
    """Return the UPC (12 digits) or EAN (13 digits) of a release, with a right or a wrong check digit."""
    prefix = {12: "6", 13: "40"}[digits]
    code = f"{prefix}{release * _BARCODE_STEP % _BARCODES:010}"
    return code + str((_check_digit(code) + (0 if valid else 1)) % 10)


def decode_barcode(digits: str) -> int | None:
    """Return the index of the release that a barcode of 10 to 14 digits may belong to."""
    if not (digits.isascii() and digits.isdigit() and _SHORT_BARCODE <= len(digits) <= _LONG_BARCODE):
        return None
    return int(digits.zfill(14)[3:13]) * pow(_BARCODE_STEP, -1, _BARCODES) % _BARCODES


def _check_digit(code: str) -> int:
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(code)))
    return -weighted % 10


def _scramble(value: int) -> int:
    for _ in range(2):
        value = value * _ODD & _MASK
        value ^= value >> 61
    return value


def _unscramble(value: int) -> int:
    for _ in range(2):
        value ^= value >> 61
        value = value * _ODD_INVERSE & _MASK
    return value
