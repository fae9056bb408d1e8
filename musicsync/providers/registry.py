"""The adapters that there are. To add one: docs/adding-a-provider.md."""

from musicsync.providers.base import Adapter
from musicsync.providers.deezer import Deezer
from musicsync.providers.discogs import Discogs
from musicsync.providers.feed import Feed
from musicsync.providers.itunes import ITunes
from musicsync.providers.jamendo import Jamendo
from musicsync.providers.lastfm import LastFm
from musicsync.providers.musicbrainz import MusicBrainz
from musicsync.providers.spotify import Spotify, SpotifyDevelopment
from musicsync.providers.tidal import Tidal
from musicsync.records import MusicsyncError

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


def choices() -> list[tuple[str, str]]:
    """Return name and label of every adapter, as a form field offers them."""
    return [(adapter.name, adapter.label) for adapter in ADAPTERS.values()]
