"""A release at Discogs and its tracks, as records."""

import re
from collections.abc import Iterable, Iterator

from msgspec import UNSET, UnsetType

from musicsync.identifiers import clean_text, is_gtin, normalise_gtin
from musicsync.providers import wire
from musicsync.providers.collect import PageBuilder
from musicsync.providers.discogs.credits import credits_of, is_guest, plain_name
from musicsync.providers.discogs.forms import Credited, Format, Identifier, Label, Release, Track
from musicsync.providers.discogs.places import Places
from musicsync.records import Credit, Page, RejectedItem, ReleaseRecord, TrackRecord

_DURATION = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{2})", re.ASCII)
_OF_A_TRACK = re.compile(r"(?:track ?)?#? ?(\S+)", re.IGNORECASE)
_TYPES = (
    ("Compilation", "compilation"),
    ("EP", "ep"),
    ("Single", "single"),
    ("Maxi-Single", "single"),
    ("Album", "album"),
    ("Mini-Album", "album"),
)
"""What a description among the formats makes of a release: the first of these that is there."""


def release_page(release: Release, rejected: list[RejectedItem], asked: str = "") -> Page:
    """Return a release and its tracks; ``asked`` is the id that was asked for, where one was."""
    page = PageBuilder(rejected)
    if asked.isdigit():
        page.merge("release", asked, str(release.id))
    guests = [one for one in release.extraartists or () if is_guest(one) and not one.tracks]
    everybody = credits_of(page, release.artists or [], guests)
    page.add(_release_record(release, everybody))
    isrcs = _isrcs(release.identifiers or ())
    places = Places()
    for track, artists in _tracks(release):
        own_guests = [one for one in track.extraartists or () if is_guest(one)]
        if artists:
            credited = credits_of(page, artists, own_guests)
        elif own_guests:
            credited = credits_of(page, release.artists or [], [*guests, *own_guests])
        else:
            credited = everybody
        printed = clean_text(track.position or "")
        disc, position = places.next(printed)
        page.add(
            TrackRecord(
                external_id=f"{release.id}:{places.name(printed)}",
                release_id=str(release.id),
                disc=disc,
                position=position,
                number=printed or None,
                title=clean_text(track.title),
                isrcs=wire.optional_isrcs(isrcs.get(printed.upper(), UNSET)),
                duration_ms=_duration(track.duration or ""),
                credits=credited,
            )
        )
    return page.page()


def _release_record(release: Release, everybody: tuple[Credit, ...] | UnsetType) -> ReleaseRecord:
    label, number = _label(release.labels or [])
    return ReleaseRecord(
        external_id=str(release.id),
        title=clean_text(release.title),
        gtin=_gtin(release.identifiers or ()),
        type=_release_type(release.formats or ()),
        released=wire.optional_date(release.released) or wire.optional_date(str(release.year)),
        label=label,
        catalog_number=number,
        genres=_genres(release),
        credits=everybody,
    )


def _genres(release: Release) -> tuple[str, ...]:
    names = (*(release.genres or ()), *(release.styles or ()))
    return tuple(sorted({text for name in names if (text := clean_text(name or ""))}))


def _tracks(release: Release) -> Iterator[tuple[Track, list[Credited]]]:
    """Yield what can be heard, each with the artists that it names or that the index above it does."""
    for line in release.tracklist or ():
        if line.type_ == "index" and line.sub_tracks:
            yield from ((track, track.artists or line.artists or []) for track in line.sub_tracks)
        elif line.type_ not in ("heading", "index"):
            yield line, line.artists or []


def _duration(text: str) -> int | None:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 or None


def _gtin(identifiers: Iterable[Identifier]) -> str | None:
    codes = [normalise_gtin(one.value or "") for one in identifiers if one.type == "Barcode"]
    return next(filter(is_gtin, codes), None) or next(filter(None, codes), None)


def _isrcs(identifiers: Iterable[Identifier]) -> dict[str, list[str]]:
    """Return by position, in upper case, the ISRCs whose description names one ("A1", "Track 3")."""
    found: dict[str, list[str]] = {}
    for one in identifiers:
        match = _OF_A_TRACK.fullmatch(clean_text(one.description or ""))
        if one.type == "ISRC" and one.value and match:
            found.setdefault(match[1].upper(), []).append(one.value)
    return found


def _release_type(formats: Iterable[Format]) -> str | None:
    described = {text for one in formats for text in one.descriptions or ()}
    return next((kind for description, kind in _TYPES if description in described), None)


def _label(labels: list[Label]) -> tuple[str | None, str | None]:
    names = [plain_name(label.name or "") for label in labels]
    numbers = [clean_text(label.catno or "") for label in labels]
    return (
        next((name for name in names if name and not name.startswith("Not On Label")), None),
        next((number for number in numbers if number and number.lower() != "none"), None),
    )
