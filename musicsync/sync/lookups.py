"""Looking one thing up now: a run of its own at each provider that knows it, beside whatever else is under way."""

from typing import cast

from django.db import transaction
from msgspec import Struct

from musicsync.models import Artist, Provider, Release, Run, Scope, SourceArtist, SourceRelease, SourceTrack
from musicsync.providers import registry
from musicsync.providers.base import BadScope
from musicsync.records import MusicsyncError, ScopeKind
from musicsync.sync import runs
from musicsync.sync.sources import LIVE

Source = SourceArtist | SourceRelease | SourceTrack


class Target(Struct, frozen=True):
    """What to ask a provider for: an artist, release or recording by ``key``, in any form that its adapter takes."""

    provider: Provider
    kind: ScopeKind
    key: str


class Lookup(Struct, frozen=True):
    """The run that looks a target up; not ``is_new`` where it was under way before."""

    run: Run
    is_new: bool


def target_of(source: Source) -> Target:
    """Return what to ask for a source row: itself, or of a track the release that it stands on.

    Some providers know a track by its release alone, and by itself only the recording.
    """
    if isinstance(source, SourceTrack):
        on_release = source.release_key is not None
        kind, key = ("release", source.release_key) if on_release else ("recording", source.external_id)
    else:
        kind, key = "artist" if isinstance(source, SourceArtist) else "release", source.external_id
    return Target(source.provider, cast("ScopeKind", kind), cast("str", key))


def targets_of(row: Artist | Release) -> list[Target]:
    """Return what to ask for a row of the catalogue: each live source of it, the most trusted provider first."""
    sources = row.sources.filter(state__in=LIVE).select_related("provider__budget")
    return [target_of(source) for source in sources.order_by("provider__trust", "provider__slug", "pk")]


def start(target: Target, trigger: str) -> Lookup:
    """Open the lookup of a target, or find the one that is under way. Nothing is sent.

    What no scope names gets one that is not followed.

    Raises:
        MusicsyncError: the provider cannot look this up, or a setting is missing.
    """
    provider = target.provider
    try:
        key = registry.adapter_of(provider).scope_key(target.kind, target.key)
    except BadScope as error:
        raise MusicsyncError(f"{provider}: {error}") from error
    with transaction.atomic():
        scope, _ = Scope.objects.get_or_create(provider=provider, kind=target.kind, key=key, defaults={"active": False})
        try:
            return Lookup(runs.open_run(provider, "lookup", trigger, scope=scope), is_new=True)
        except runs.AlreadyRunning as error:
            if error.run is None:
                raise
            return Lookup(error.run, is_new=False)
