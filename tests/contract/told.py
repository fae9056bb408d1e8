"""Which request an answer belongs to, by what it says of itself, for recordings whose address is not known."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from musicsync.providers import wire
from musicsync.records import Kind, ProviderError

Answer = dict[str, Any]

PLACES = {
    "spotify": ("albums", "tracks", "artists", "search", "browse"),
    "musicbrainz": ("artist", "label", "release", "recording", "isrc"),
    "discogs": ("releases", "masters", "artists", "labels", "database"),
    "tidal": ("albums", "tracks", "artists"),
    "jamendo": ("albums", "tracks", "artists"),
}
"""How the paths begin by which an adapter tells its answers apart. The others tell them by the body alone."""

_KIND_OF_A_PLACE: dict[str, Kind] = {
    "album": "release",
    "albums": "release",
    "release": "release",
    "releases": "release",
    "recording": "track",
    "track": "track",
    "tracks": "track",
}
_SPOTIFY_OBJECTS = ("album", "track", "artist", "playlist")
_MUSICBRAINZ_ENTITIES = {
    "release": ("media", "barcode"),
    "recording": ("length",),
    "label": ("label-code",),
    "artist": ("gender",),
}
_JAMENDO_LISTS = {"tracks": "duration", "artists": "joindate", "albums": "releasedate"}


def address(provider: str, body: bytes) -> str:
    """Return the path and query of the request that a body is the answer to; empty where it does not tell."""
    try:
        answer = wire.load(body)
    except ProviderError:
        return ""
    return _TOLD_BY[provider](answer) if provider in _TOLD_BY and isinstance(answer, dict) else ""


def kind(provider: str, body: bytes) -> Kind | None:
    """Return what a body is the whole of, a release or a track; ``None`` where it is none, or does not tell."""
    entity, _, asked = urlsplit(address(provider, body)).path.partition("/")
    return _KIND_OF_A_PLACE.get(entity) if asked and "/" not in asked else None


def _named(answer: Answer) -> str:
    return f"{answer['type']}/{answer['id']}" if {"type", "id"} <= answer.keys() else ""


def _spotify(answer: Answer) -> str:
    if answer.get("type") in _SPOTIFY_OBJECTS:
        return f"{answer['type']}s/{answer.get('id')}"
    lists = [answer, *(answer.get(name) for name in ("tracks", "albums", "artists"))]
    links = (listed.get("href") for listed in lists if isinstance(listed, dict))
    return next((_below("/v1/", link) for link in links if isinstance(link, str)), "")


def _musicbrainz(answer: Answer) -> str:
    if "recording" in answer or "id" not in answer:
        return ""
    entities = (entity for entity, marks in _MUSICBRAINZ_ENTITIES.items() if not answer.keys().isdisjoint(marks))
    return next((f"{entity}/{answer['id']}" for entity in entities), "")


def _discogs(answer: Answer) -> str:
    is_release = "/releases/" in str(answer.get("resource_url")) or "tracklist" in answer
    return f"releases/{answer.get('id')}" if is_release and "versions_url" not in answer else ""


def _tidal(answer: Answer) -> str:
    own = wire.within(answer, ["links"]).get("self")
    if isinstance(own, str):
        return _below("/v2/", own)
    return _named(wire.within(answer, ["data"]))


def _jamendo(answer: Answer) -> str:
    results = answer.get("results")
    first = results[0] if isinstance(results, list) and results else None
    return next((place for place, mark in _JAMENDO_LISTS.items() if isinstance(first, dict) and mark in first), "")


def _below(base: str, link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path.rpartition(base)[2].strip('/')}?{parts.query}"


_TOLD_BY: dict[str, Callable[[Answer], str]] = {
    "spotify": _spotify,
    "musicbrainz": _musicbrainz,
    "deezer": _named,
    "discogs": _discogs,
    "tidal": _tidal,
    "jamendo": _jamendo,
}
