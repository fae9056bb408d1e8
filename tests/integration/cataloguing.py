"""The whole catalogue as plain values, named by what providers call things, so that two databases can be compared."""

from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from musicsync.models import (
    Artist,
    Change,
    Isrc,
    KnownPage,
    PageCheck,
    Recording,
    RecordingCredit,
    Release,
    ReleaseCredit,
    Run,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)

Name = tuple[str, ...]

_NOT_SAID = {"id", "created_at", "changed_at", "recording_id", "release_id", "released_precision"}
_WRITTEN_BY_PAGES = (
    *(SourceArtist, SourceRelease, SourceTrack, Artist, Release, Recording, Track, Isrc),
    *(ReleaseCredit, RecordingCredit, KnownPage, Change),
)


def catalogue() -> dict[str, Any]:
    """Return every row that sources speak of, with credits, ISRCs, provenance and state, and what the sources say."""
    assert loose_links() == {}
    artists, releases = names_of(SourceArtist, "artist_id"), names_of(SourceRelease, "release_id")
    recordings, tracks = names_of(SourceTrack, "recording_id"), names_of(SourceTrack, "track_id")
    said = {
        model._meta.db_table: {
            (row.provider.slug, row.external_id): (row.fields, row.flags, row.state, row.merged_into)
            for row in model.objects.select_related("provider")
        }
        for model in (SourceArtist, SourceRelease, SourceTrack)
    }
    return {
        "artists": {artists[row.pk]: _values(row) for row in Artist.objects.filter(pk__in=artists)},
        "releases": {
            releases[row.pk]: _values(row) | {"credits": _credits(row, artists)}
            for row in Release.objects.filter(pk__in=releases).prefetch_related("credits")
        },
        "recordings": {
            recordings[row.pk]: _values(row)
            | {"credits": _credits(row, artists), "isrcs": sorted(isrc.code for isrc in row.isrcs.all())}
            for row in Recording.objects.filter(pk__in=recordings).prefetch_related("credits", "isrcs")
        },
        "tracks": {
            tracks[row.pk]: _values(row)
            | {"release": releases[row.release_id], "recording": recordings.get(row.recording_id)}
            for row in Track.objects.filter(pk__in=tracks)
        },
        "said": said,
    }


def loose_links() -> dict[str, int]:
    """Return how many links lead nowhere, of those that the database does not check, by column."""
    links = [
        field
        for model in _WRITTEN_BY_PAGES
        for field in model._meta.fields
        if field.is_relation and not field.db_constraint
    ]
    loose = {}
    for field in links:
        there = field.related_model.objects.filter(pk=OuterRef(field.attname))
        found = field.model.objects.filter(~Exists(there), **{f"{field.attname}__isnull": False}).count()
        if found:
            loose[str(field)] = found
    assert len(links) > 10
    return loose


def forget_all_but_providers() -> None:
    for model in (Run, Artist, Release, Recording, Change, KnownPage, PageCheck):
        model.objects.all().delete()


def row_versions() -> dict[str, set[tuple[Any, ...]]]:
    """Return where each row stands in its table and which transaction wrote it: both move whenever it is written."""
    versions = {}
    with connection.cursor() as cursor:
        for model in _WRITTEN_BY_PAGES:
            cursor.execute(f"SELECT ctid::text, xmin::text FROM {model._meta.db_table}")
            versions[model._meta.db_table] = set(cursor.fetchall())
    return versions


def names_of(model: type[Any], link: str) -> dict[int, Name]:
    """Return by which names the providers call each catalogue row."""
    names: dict[int, list[str]] = {}
    rows = model.objects.exclude(**{link: None}).values_list(link, "provider__slug", "external_id")
    for entity_id, slug, external_id in rows:
        names.setdefault(entity_id, []).append(f"{slug}:{external_id}")
    return {entity_id: tuple(sorted(found)) for entity_id, found in names.items()}


def _values(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.fields if field.attname not in _NOT_SAID}


def _credits(row: Any, artists: dict[int, Name]) -> list[tuple[str, str, Name | None]]:
    lines = sorted(row.credits.all(), key=lambda line: line.position)
    return [(line.name, line.join_phrase, artists.get(line.artist_id)) for line in lines]
