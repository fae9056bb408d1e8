"""Names in Discogs' credits."""

import re
from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from musicsync.identifiers import clean_text
from musicsync.providers.collect import PageBuilder
from musicsync.providers.discogs.forms import Credited
from musicsync.records import ArtistRecord, Credit

_NAMESAKE = re.compile(r" \([0-9]{1,6}\)$")


def add_artist(page: PageBuilder, number: int | None, name: str) -> str | None:
    """Add an artist and return its id; ``None`` for one that has none."""
    if not number:
        return None
    page.add(ArtistRecord(external_id=str(number), name=plain_name(name)))
    return str(number)


def plain_name(text: str) -> str:
    """Return a name without the number that tells it from others of that name ("Tim Baker (2)")."""
    cleaned = clean_text(text)
    return _NAMESAKE.sub("", cleaned) or cleaned


def credits_of(
    page: PageBuilder, artists: list[Credited], guests: Sequence[Credited] = ()
) -> tuple[Credit, ...] | UnsetType:
    """Return the artists and their guests as one credit; unset where no artist is named."""
    if not artists:
        return UNSET
    phrases = [_join_phrase(artist.join or "") for artist in artists[:-1]]
    phrases += [" feat. ", *[", "] * (len(guests) - 1)] if guests else []
    return tuple(
        Credit(
            name=clean_text(one.anv or "") or plain_name(one.name),
            artist_id=add_artist(page, one.id, one.name),
            join_phrase=phrase,
        )
        for one, phrase in zip([*artists, *guests], [*phrases, ""], strict=True)
    )


def is_guest(artist: Credited) -> bool:
    """Tell whether one of the ``extraartists`` is named with the artists: by a role as in "Vocals, Featuring [Rap]"."""
    return any(role.partition("[")[0].strip() == "Featuring" for role in (artist.role or "").split(","))


def _join_phrase(text: str) -> str:
    words = clean_text(text) or ","
    return f"{words} " if words[0] in ",;:" else f" {words} "
