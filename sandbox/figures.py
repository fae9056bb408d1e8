"""What real catalogues look like, in figures that the world is drawn from.

Sources: a crawl of public Spotify playlists (63,477 tracks: durations, titles, artists per track, scripts, versions), a
crawl of 305 Spotify albums (explicit, multi-disc) and a sample of 1,000 releases of the Discogs dump of August 2020
(tracks per release); dates are the mean of the last two. Shares of odd identifiers are rounded up from those seen, so
that small worlds have some.
"""

from bisect import bisect_right
from random import Random
from typing import TypeVar

Key = TypeVar("Key")
Quantiles = tuple[tuple[float, float], ...]

TRACKS_PER_RELEASE: Quantiles = (
    (0.0, 1), (0.01, 1), (0.05, 2), (0.25, 3), (0.50, 8), (0.75, 12), (0.95, 20), (0.99, 46), (1.0, 46),
)  # fmt: skip
DURATION_SECONDS: Quantiles = (
    (0.0, 60), (0.01, 96), (0.05, 127), (0.25, 170), (0.50, 200), (0.75, 235), (0.95, 339), (0.99, 464), (1.0, 900),
)  # fmt: skip
TITLE_LENGTH: Quantiles = (
    (0.0, 2), (0.01, 3), (0.05, 4), (0.25, 8), (0.50, 12), (0.75, 19), (0.95, 38), (0.99, 55), (1.0, 80),
)  # fmt: skip

ARTISTS_PER_TRACK = {1: 45062, 2: 13364, 3: 3862, 4: 814, 5: 193, 6: 182}
SCRIPTS = {
    "latin": 3166, "cjk": 158, "cyrillic": 128, "hebrew": 51, "thai": 48, "arabic": 42, "hangul": 38,
    "katakana": 23, "hiragana": 22, "greek": 15,
}  # fmt: skip
DATE_PRECISIONS = {"day": 60, "month": 4, "year": 30, "none": 6}

NON_ASCII_TITLES = 0.0349
NON_ASCII_ARTISTS = 0.0384
SHARED_NAMES = 0.0095
VERSIONED_TITLES = 0.1787
EXPLICIT_TRACKS = 0.1448
MISSING_ISRC = 0.03
UNUSUAL_ISRC = 0.01
UNKNOWN_LENGTH = 0.02
MISSING_BARCODE = 0.06
INVALID_BARCODE = 0.015
MISSING_LABEL = 0.05
TWO_ARTIST_RELEASES = 0.12
VINYL_RELEASES = 0.03
PREGAP_RELEASES = 0.01
TWO_DISCS_OF_LONG_RELEASES = 0.4
BLOCKS_WITH_COMPILATION = 0.5
ARTISTS_WITH_DISAMBIGUATION = 0.2
ADDITIONS_TO_OLD_RELEASES = 0.5

LONGEST_SINGLE = 3
LONGEST_EP = 6
SHORTEST_DOUBLE_ALBUM = 16


def draw(rng: Random, quantiles: Quantiles) -> float:
    """Return a value of the distribution with these quantiles, taken as straight lines between them."""
    share = rng.random()
    right = bisect_right(quantiles, share, key=lambda point: point[0])
    (low, start), (high, end) = quantiles[right - 1], quantiles[right]
    return start + (end - start) * (share - low) / (high - low)


def draw_key(rng: Random, weights: dict[Key, int]) -> Key:
    """Return one of the keys, as often as its weight says."""
    return rng.choices(tuple(weights), tuple(weights.values()))[0]
