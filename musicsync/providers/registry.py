"""The adapters that there are. To add one: docs/adding-a-provider.md."""

from collections.abc import Mapping
from typing import Any, Protocol

from musicsync.providers.base import Adapter, check_options
from musicsync.providers.deezer import Deezer
from musicsync.providers.discogs import Discogs
from musicsync.providers.feed import Feed
from musicsync.providers.file_feed import FileFeed
from musicsync.providers.itunes import ITunes
from musicsync.providers.jamendo import Jamendo
from musicsync.providers.json_feed import JsonFeed
from musicsync.providers.lastfm import LastFm
from musicsync.providers.musicbrainz import MusicBrainz
from musicsync.providers.spotify import Spotify, SpotifyDevelopment
from musicsync.providers.tidal import Tidal
from musicsync.records import MusicsyncError


class Configured(Protocol):
    """What of a provider's row tells how it is spoken to."""

    @property
    def adapter(self) -> str:
        """Return the adapter's name."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Return what the adapter is told besides."""


ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        MusicBrainz(),
        Deezer(),
        Feed(),
        Spotify(),
        SpotifyDevelopment(),
        Tidal(),
        Discogs(),
        ITunes(),
        Jamendo(),
        LastFm(),
        JsonFeed(),
        FileFeed(),
    )
}


def get(name: str) -> Adapter:
    """Return the adapter of this name.

    Raises:
        MusicsyncError: there is none.
    """
    try:
        return ADAPTERS[name]
    except KeyError:
        raise MusicsyncError(f"unknown provider adapter {name!r}; the known ones are: {', '.join(ADAPTERS)}") from None


def adapter_of(provider: Configured) -> Adapter:
    """Return the adapter of a provider, which reads as the provider's options say.

    Raises:
        MusicsyncError: there is none of this name, or the options are none that it takes.
    """
    check_options(provider.options)
    return get(provider.adapter).configured(provider.options)


def choices() -> list[tuple[str, str]]:
    """Return name and label of every adapter, as a form field offers them."""
    return [(adapter.name, adapter.label) for adapter in ADAPTERS.values()]
