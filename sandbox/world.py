"""The made-up catalogue before anything changed: blocks of 100 tracks, each a pure function of seed and number."""

# ruff: noqa: S311 (chance makes a catalogue here, it keeps no secret)
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from sandbox import figures, ids, names

BLOCK_TRACKS = 100
DUPLICATE_EVERY = 10
"""Every so many blocks, one holds an artist that is entered twice."""
DUPLICATE_SLOT = 9
SHARED_RECORDINGS = 5
"""Recordings of a block that stand on two of its releases, so that 10 % of its tracks share theirs."""
JOIN_PHRASES = (" feat. ", " & ", ", ")


class Artist(Struct, frozen=True):
    """A person or a group; ``type`` is "Person" or "Group", ``country`` ISO 3166-1 alpha-2."""

    index: int
    name: str
    sort_name: str
    type: str
    country: str
    disambiguation: str


class Label(Struct, frozen=True):
    """A record label."""

    index: int
    name: str
    country: str


class Credit(Struct, frozen=True):
    """An artist in a credit, and the text between this name and the next."""

    artist: Artist
    join: str = ""


class Release(Struct, frozen=True):
    """A release without its tracks; ``date`` is "1987", "1987-07", "1987-07-04" or "" where nobody knows."""

    index: int
    title: str
    type: str
    credits: tuple[Credit, ...]
    date: str
    label: Label | None
    catalog_number: str | None
    barcode: str | None
    genre: str
    vinyl: bool


class Track(Struct, frozen=True):
    """A recording at its place on a release.

    ``recording`` is the index of the recording, the same on every release that it stands on. MusicBrainz does not know
    the length of an ``untimed`` track. Deezer writes an ``unusual_isrc`` in lower case or with dashes. ``changed`` is
    the generation that added or last edited the track.
    """

    index: int
    recording: int
    release: int
    disc: int
    position: int
    title: str
    version: str | None
    isrc: str | None
    duration_ms: int
    explicit: bool
    credits: tuple[Credit, ...]
    untimed: bool
    unusual_isrc: bool
    changed: int = 0


@dataclass(frozen=True)
class Block:
    """A block at one generation. All keys are indexes; ``merged`` leads from an artist that is gone to its survivor.

    ``shrunk`` names the releases that lost a track, to which none is added: a place is never taken twice.
    """

    number: int
    artists: dict[int, Artist]
    labels: dict[int, Label]
    releases: dict[int, Release]
    tracks: dict[int, Track]
    merged: dict[int, int]
    shrunk: frozenset[int]

    @cached_property
    def listing(self) -> dict[int, list[Track]]:
        """The tracks of every release, by disc and position."""
        return _by_release(self.releases, self.tracks)

    @cached_property
    def shared(self) -> frozenset[int]:
        """The recordings that stand on more than one release."""
        places = Counter(track.recording for track in self.tracks.values())
        return frozenset(recording for recording, count in places.items() if count > 1)

    def duplicate(self) -> int | None:
        """Return the index of the artist that is entered twice, where the block has one."""
        return self.number * ids.SLOTS + DUPLICATE_SLOT if self.number % DUPLICATE_EVERY == 0 else None


def first_block(seed: int, number: int) -> Block:
    """Return the block as it is at generation 0."""
    rng = Random(f"{seed}/{number}")
    artists = artists_of(seed, number)
    labels = labels_of(seed, number)
    releases: dict[int, Release] = {}
    tracks: dict[int, Track] = {}
    for slot, (kind, size) in enumerate(_shapes(rng, number)):
        index = number * ids.SLOTS + slot
        credited = _release_credits(rng, artists, slot)
        release = releases[index] = new_release(rng, index, kind, credited, labels=labels)
        for place in _places(rng, size):
            track = new_track(rng, number * ids.SLOTS + len(tracks), release, place, artists=artists)
            tracks[track.index] = track
    _share_recordings(rng, releases, tracks)
    return Block(number, artists, labels, releases, tracks, {}, frozenset())


def artists_of(seed: int, number: int) -> dict[int, Artist]:
    """Return the artists of a block at generation 0: four to six, no two of one name, and the duplicate last."""
    rng = Random(f"{seed}/{number}/artists")
    artists: dict[int, Artist] = {}
    taken: set[str] = set()
    for slot in range(rng.randint(4, 6)):
        kind = rng.choice(("Person", "Group"))
        name = names.artist(rng, kind)
        while name in taken:
            name = names.artist(rng, kind)
        taken.add(name)
        index = number * ids.SLOTS + slot
        remark = f"{rng.choice(names.GENRES)} act" if rng.random() < figures.ARTISTS_WITH_DISAMBIGUATION else ""
        artists[index] = Artist(index, name, names.sort_name(name, kind), kind, rng.choice(names.COUNTRIES), remark)
    if number % DUPLICATE_EVERY == 0:
        index = number * ids.SLOTS + DUPLICATE_SLOT
        original = artists[number * ids.SLOTS]
        artists[index] = replace(original, index=index, name=f"{original.name} (Official)", disambiguation="")
    return artists


def labels_of(seed: int, number: int) -> dict[int, Label]:
    """Return the two labels of a block."""
    rng = Random(f"{seed}/{number}/labels")
    indexes = range(number * ids.SLOTS, number * ids.SLOTS + 2)
    return {index: Label(index, names.label(rng), rng.choice(names.COUNTRIES)) for index in indexes}


def new_release(
    rng: Random,
    index: int,
    kind: str,
    credited: tuple[Credit, ...],
    *,
    labels: dict[int, Label],
    year: int | None = None,
) -> Release:
    """Return a release of the type and credits given, the rest of it drawn; ``year`` settles when it came out."""
    label = None if rng.random() < figures.MISSING_LABEL else rng.choice(tuple(labels.values()))
    return Release(
        index=index,
        title=names.title(rng),
        type=kind,
        credits=credited,
        date=_date(rng) if year is None else f"{year}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        label=label,
        catalog_number=None if label is None else f"{label.name[:3].upper()}-{index % 100_000:05}",
        barcode=_barcode(rng, index),
        genre=rng.choice(names.GENRES),
        vinyl=rng.random() < figures.VINYL_RELEASES,
    )


def new_track(
    rng: Random,
    index: int,
    release: Release,
    place: tuple[int, int],
    *,
    artists: dict[int, Artist],
    changed: int = 0,
) -> Track:
    """Return a track with a recording of its own at this disc and position. A single is named after its first track."""
    disc, position = place
    main = release.credits[0].artist
    has_isrc = rng.random() >= figures.MISSING_ISRC
    return Track(
        index=index,
        recording=index,
        release=release.index,
        disc=disc,
        position=position,
        title=release.title if release.type == "single" and position == 1 else names.title(rng),
        version=names.version(rng),
        isrc=ids.encode_isrc(index, main.country, int(release.date[:4] or 2000)) if has_isrc else None,
        duration_ms=int(figures.draw(rng, figures.DURATION_SECONDS) * 1000),
        explicit=rng.random() < figures.EXPLICIT_TRACKS,
        credits=_track_credits(rng, release, artists),
        untimed=rng.random() < figures.UNKNOWN_LENGTH,
        unusual_isrc=rng.random() < figures.UNUSUAL_ISRC,
        changed=changed,
    )


def _shapes(rng: Random, number: int) -> list[tuple[str, int]]:
    """Return type and size of the block's releases; the sizes add up to 100, the duplicate's single comes first."""
    sizes = [2] if number % DUPLICATE_EVERY == 0 else []
    while (left := BLOCK_TRACKS - sum(sizes)) > 0:
        sizes.append(min(left, round(figures.draw(rng, figures.TRACKS_PER_RELEASE))))
    kinds = [_kind(size) for size in sizes]
    albums = [slot for slot, kind in enumerate(kinds) if kind == "album"]
    wanted = rng.random() < figures.BLOCKS_WITH_COMPILATION or kinds.count("single") <= 1
    if wanted and len(albums) > 1:
        kinds[rng.choice(albums)] = "compilation"
    return list(zip(kinds, sizes, strict=True))


def _kind(size: int) -> str:
    if size <= figures.LONGEST_SINGLE:
        return "single"
    return "ep" if size <= figures.LONGEST_EP else "album"


def _places(rng: Random, size: int) -> list[tuple[int, int]]:
    """Return disc and position of the tracks of a release: long ones come on two discs, a few begin before track 1."""
    if size >= figures.SHORTEST_DOUBLE_ALBUM and rng.random() < figures.TWO_DISCS_OF_LONG_RELEASES:
        half = size // 2
        return [(1, place + 1) for place in range(half)] + [(2, place + 1) for place in range(size - half)]
    start = 0 if size > figures.LONGEST_EP and rng.random() < figures.PREGAP_RELEASES else 1
    return [(1, place + start) for place in range(size)]


def _release_credits(rng: Random, artists: dict[int, Artist], slot: int) -> tuple[Credit, ...]:
    regular = [artist for index, artist in artists.items() if index % ids.SLOTS != DUPLICATE_SLOT]
    if slot == 0 and len(regular) < len(artists):
        return (Credit(artists[max(artists)]),)
    if rng.random() < figures.TWO_ARTIST_RELEASES:
        first, second = rng.sample(regular, 2)
        return (Credit(first, " & "), Credit(second))
    return (Credit(rng.choice(regular)),)


def _track_credits(rng: Random, release: Release, artists: dict[int, Artist]) -> tuple[Credit, ...]:
    count = figures.draw_key(rng, figures.ARTISTS_PER_TRACK)
    main = rng.choice(release.credits).artist
    if count == 1 or main.index % ids.SLOTS == DUPLICATE_SLOT:
        return (Credit(main),)
    others = [a for a in artists.values() if a.index != main.index and a.index % ids.SLOTS != DUPLICATE_SLOT]
    credited = [main, *rng.sample(others, min(count - 1, len(others)))]
    joins = [rng.choice(JOIN_PHRASES) for _ in credited[1:]] + [""]
    return tuple(Credit(artist, join) for artist, join in zip(credited, joins, strict=True))


def _date(rng: Random) -> str:
    precision = figures.draw_key(rng, figures.DATE_PRECISIONS)
    day = f"{rng.randint(1965, 2024)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return day[: {"day": 10, "month": 7, "year": 4, "none": 0}[precision]]


def _barcode(rng: Random, release: int) -> str | None:
    if rng.random() < figures.MISSING_BARCODE:
        return None
    return ids.encode_barcode(release, rng.choice((12, 13)), valid=rng.random() >= figures.INVALID_BARCODE)


def _by_release(releases: dict[int, Release], tracks: dict[int, Track]) -> dict[int, list[Track]]:
    listing: dict[int, list[Track]] = {index: [] for index in releases}
    for track in tracks.values():
        listing[track.release].append(track)
    for listed in listing.values():
        listed.sort(key=lambda track: (track.disc, track.position))
    return listing


def _share_recordings(rng: Random, releases: dict[int, Release], tracks: dict[int, Track]) -> None:
    """Put recordings of albums and EPs in the place of some tracks of singles and compilations.

    The last track of a longer release stays its own, so that there is always one that a later generation can remove.
    """
    sources: list[Track] = []
    copies: list[Track] = []
    for index, listed in _by_release(releases, tracks).items():
        release = releases[index]
        if release.credits[0].artist.index % ids.SLOTS != DUPLICATE_SLOT:
            own = listed if len(listed) == 1 else listed[:-1]
            (copies if release.type in ("single", "compilation") else sources).extend(own)
    sources = [track for track in sources if track.isrc is not None]
    count = min(SHARED_RECORDINGS, len(sources), len(copies))
    for source, copy in zip(rng.sample(sources, count), rng.sample(copies, count), strict=True):
        place = {"index": copy.index, "release": copy.release, "disc": copy.disc, "position": copy.position}
        tracks[copy.index] = replace(source, **place)
        release = releases[copy.release]
        if release.type == "single" and copy.position == 1:
            releases[copy.release] = replace(release, title=source.title)
