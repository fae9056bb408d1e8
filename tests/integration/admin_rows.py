"""One row of everything, for the admin to show."""

from datetime import timedelta
from types import SimpleNamespace

from django.utils import timezone

from musicsync.models import (
    Alert,
    Artist,
    Budget,
    Change,
    Circuit,
    Failure,
    Fetch,
    Isrc,
    KnownPage,
    Leader,
    Profile,
    Provider,
    Recording,
    RecordingCredit,
    Rejection,
    Release,
    ReleaseCredit,
    Run,
    Scope,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
    Worker,
)

HOSTILE = "<script>alert(1)</script>"


def make_provider(slug: str = "shop", adapter: str = "feed", base_url: str = "http://127.0.0.1:9/feed") -> Provider:
    budget = Budget.objects.create(name=slug, rate=10, burst=5)
    return Provider.objects.create(
        slug=slug, adapter=adapter, base_url=base_url, allow_private=True, budget=budget, trust=1
    )


def make_run(provider: Provider, status: str = "done", dead: int = 0, **values: object) -> Run:
    run = Run.objects.create(provider=provider, mode="full", trigger="cli", status=status, **values)
    scope, _ = Scope.objects.get_or_create(provider=provider, kind="feed", key="")
    for number in range(dead):
        request = {"path": "tracks", "params": {"cursor": str(number)}, "refreshes": None}
        Fetch.objects.create(
            run=run,
            scope=scope,
            key=f"tracks?cursor={number}",
            request=request,
            status="dead",
            failures=5,
            error="gone",
        )
    return run


def make_world(title: str = "Blue Heart") -> SimpleNamespace:
    provider = make_provider()
    run = make_run(provider, "errors", dead=1, error="1 fetch is dead", summary={"requests": 2, "track.created": 1})
    scope = provider.scopes.get()
    page = KnownPage.objects.create(provider=provider, scope=scope, key="tracks", parser_version=1, rejected=1)
    artist = Artist.objects.create(name=title, provenance={"name": "shop"})
    release = Release.objects.create(title=title, gtin="00724384960650", artist_credit=title, released="1987-07")
    recording = Recording.objects.create(title=title, artist_credit=title, duration_ms=187_000)
    track = Track.objects.create(
        title=title, release=release, recording=recording, disc=1, position=2, provenance={"title": "shop"}
    )
    Isrc.objects.create(code="USRC17607839", recording=recording)
    ReleaseCredit.objects.create(release=release, artist=artist, position=0, name=title)
    RecordingCredit.objects.create(recording=recording, artist=artist, position=0, name=title)
    said = {"provider": provider, "fingerprint": b"1" * 16, "changed_run": run}
    SourceArtist.objects.create(external_id="artist-7", artist=artist, fields={"name": title}, **said)
    SourceRelease.objects.create(external_id="release-7", release=release, fields={"title": title}, **said)
    SourceTrack.objects.create(
        external_id="track-7",
        track=track,
        recording=recording,
        release_key="release-7",
        recording_key="recording-7",
        fields={"title": title, "duration_ms": 187_000},
        **said,
    )
    Change.objects.create(
        entity="track",
        entity_id=track.pk,
        action="updated",
        before={"title": "Old"},
        after={"title": title},
        provider=provider,
        run=run,
    )
    Rejection.objects.create(page=page, provider=provider, run=run, path="$[3]", reason=f"no id {title}", excerpt=title)
    Failure.objects.create(kind="failure", task="musicsync.tasks.sweep", error=title, traceback=title, run=run)
    Alert.objects.create(key="run-errors:shop", subject=title)
    Worker.objects.create(name=f"{title}@host")
    Leader.objects.create(name="beat", holder=title, expires_at=timezone.now() + timedelta(seconds=15))
    Circuit.objects.create(
        provider=provider, failures=4, opened_at=timezone.now(), probe_at=timezone.now(), reason=title
    )
    Profile.objects.create(provider=provider, shape=f"tracks?{title} v1", statistics={"track": {"past": {"seen": 7}}})
    return SimpleNamespace(
        provider=provider, run=run, scope=scope, artist=artist, release=release, recording=recording, track=track
    )
