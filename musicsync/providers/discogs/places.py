"""Where tracks stand, from the positions that are printed for them."""

import re

_ON_A_SIDE = re.compile(r"([A-Z])-?[0-9]*[a-z]?(?:[^0-9A-Za-z].*)?", re.ASCII)
_ON_A_MEDIUM = re.compile(r"(.*\S)\s*[-–]\s*([0-9]{1,4})(?![0-9]).*", re.ASCII)
_NUMBERED = re.compile(r"([^0-9]*?)[\s.]*([0-9]{1,4})(?![0-9]).*", re.ASCII)

_LONGEST = 40
"""Characters: what is longer is no position."""


class Places:
    """The places of the tracks of one release, in the order of its list."""

    def __init__(self) -> None:
        self._media: dict[str, int] = {}
        self._last: dict[int, int] = {}
        self._named: dict[str, int] = {}

    def next(self, printed: str) -> tuple[int, int]:
        """Return disc and position of the next track: the number that is printed, or else one more than the last."""
        if printed == "0":
            # Hidden before the first track, whatever the medium of that is.
            return 1, 0
        medium, number = _medium_and_number(printed)
        disc = self._media.setdefault(medium, len(self._media) + 1)
        last = self._last.get(disc, 0)
        self._last[disc] = number if number > last else last + 1
        return disc, self._last[disc]

    def name(self, printed: str) -> str:
        """Return what a track is known by within its release; those with the same position are counted."""
        self._named[printed] = count = self._named.get(printed, 0) + 1
        return printed if printed and count == 1 else f"{printed}#{count}"


def _medium_and_number(printed: str) -> tuple[str, int]:
    """Return which medium a printed position is on, in a word, and the number of the track, 0 where it has none."""
    if len(printed) > _LONGEST:
        return "", 0
    if side := _ON_A_SIDE.fullmatch(printed):
        return f"sides {(ord(side[1]) - ord('A')) // 2}", 0
    if found := _ON_A_MEDIUM.fullmatch(printed) or _NUMBERED.fullmatch(printed):
        return found[1], int(found[2])
    return "", 0
