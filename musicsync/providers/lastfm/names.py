"""Names at Last.fm: the ids of what they name, and the keys of scopes."""

import re
from typing import Final
from urllib.parse import unquote_plus

from musicsync.identifiers import clean_text
from musicsync.records import ScopeKind

BETWEEN = "_"
"""Stands between artist and track, where an album might."""
KEYS: Final[dict[ScopeKind, str]] = {
    "artist": "a name, an address at last.fm or a MusicBrainz id; a / in a name is written %2F",
    "release": "ARTIST/ALBUM, an address at last.fm or a MusicBrainz id; a / in a name is written %2F",
    "recording": "ARTIST/_/TRACK, an address at last.fm or a MusicBrainz id; a / in a name is written %2F",
}
_BEHIND_A_PATH = re.compile("[?#]")


def of(key: str) -> list[str]:
    """Return the names of a key as it is written, or of an address at last.fm."""
    before, found, address = key.strip().partition("/music/")
    if "://" in before and found:
        address = _BEHIND_A_PATH.split(address)[0]
        names = [unquote_plus(part) for part in address.split("/") if not part.startswith("+")]
    else:
        names = [part.replace("%2F", "/").replace("%2f", "/").replace("%25", "%") for part in key.split("/")]
    return [" ".join(clean_text(name).split()) for name in names]


def key_of(kind: ScopeKind, names: list[str]) -> str | None:
    """Return the names as the key of a scope; ``None`` where they are not those of one."""
    form = {"artist": [True], "release": [True, True], "recording": [True, False, True]}[kind]
    if not all(names) or [name != BETWEEN for name in names] != form:
        return None
    return "/".join(map(_escaped, names))


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def id_of(*names: str) -> str:
    """Return the id of what has these names: the same in any case."""
    return "/".join(_escaped(clean_text(name)).casefold() for name in names)
