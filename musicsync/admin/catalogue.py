"""The catalogue: read-only, each row with who said what of it, and what changed."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString

from musicsync.admin.base import ProviderFilter, ReadOnlyAdmin, RunFilter, of_providers, once, starts_with
from musicsync.admin.refreshing import RefreshableAdmin
from musicsync.admin.show import (
    ACTION_COLOURS,
    NOTHING,
    STATE_COLOURS,
    Table,
    badge,
    before_after,
    duration,
    link,
    list_link,
    moment,
    preformatted,
    short,
    status_badge,
)
from musicsync.identifiers import normalise_gtin, normalise_isrc
from musicsync.models import (
    Artist,
    Change,
    Isrc,
    Recording,
    RecordingCredit,
    Release,
    ReleaseCredit,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)
from musicsync.queries import who_said_what

_SAMPLE = 50
_MOST_TRACKS = 300
_MOST_FIELDS = 4
_MODEL_OF: dict[str, type[Artist | Release | Recording | Track]] = {
    "artist": Artist,
    "release": Release,
    "recording": Recording,
    "track": Track,
}


class EntityAdmin(ReadOnlyAdmin):
    """What the four kinds of catalogue rows have in common."""

    list_filter = ("state",)
    leaves_out = ("provenance",)
    name_column = "title"

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows whose name starts with the term, and those that it identifies."""
        found = starts_with(self.name_column, term)
        identified = list(self.identified(term))
        return rows.filter(Q(pk__in=identified) | found) if identified else rows.filter(found)

    def identified(self, _term: str) -> Iterable[int]:
        """Return the keys of the rows that the term names by an identifier."""
        return ()

    @admin.display(description="state")
    def existence(self, row: Any) -> SafeString:
        """Show the state as a label."""
        return status_badge(row, STATE_COLOURS, "state")

    @admin.display(description="changed")
    def changed(self, row: Any) -> str:
        """Show when it changed."""
        return moment(row.changed_at)

    @admin.display(description="length")
    def length(self, row: Any) -> str:
        """Show the duration as people write it."""
        return duration(row.duration_ms)

    def panels(self, row: Any) -> list[Table]:
        """Show who said what, where it stands at each provider, and its changes."""
        return [_who_said_what(row), _sources(row), _changes(row)]


@admin.register(Artist)
class ArtistAdmin(RefreshableAdmin, EntityAdmin):
    """Artists, with what they are credited on."""

    list_display = ("name", "disambiguation", "type", "country", "existence", "changed")
    name_column = "name"
    search_fields = ("name",)
    search_help_text = "Start of the name, or a provider's id"
    fieldsets = (
        (None, {"fields": (("name", "sort_name"), "disambiguation", ("type", "country"), ("existence", "changed"))}),
    )

    def identified(self, term: str) -> Iterable[int]:
        """Return the artist with this id at a provider."""
        return of_providers(SourceArtist.objects.all(), ("external_id",), term, "artist")

    def panels(self, artist: Artist) -> list[Table]:
        """Show what the artist is credited on besides."""
        releases = artist.release_credits.select_related("release").order_by("-release")[:_SAMPLE]
        recordings = artist.recording_credits.select_related("recording").order_by("-recording")[:_SAMPLE]
        return [
            *super().panels(artist),
            Table(
                "Latest releases",
                ("Release", "Credit", "Released"),
                [(link(c.release, c.release.title), c.release.artist_credit, c.release.released) for c in releases],
            ),
            Table(
                "Latest recordings",
                ("Recording", "Credit", "Length"),
                [
                    (link(c.recording, c.recording.title), c.recording.artist_credit, duration(c.recording.duration_ms))
                    for c in recordings
                ],
            ),
        ]


@admin.register(Release)
class ReleaseAdmin(RefreshableAdmin, EntityAdmin):
    """Releases, with their tracks."""

    list_display = ("title", "artist_credit", "type", "released", "label", "gtin", "existence", "changed")
    search_fields = ("title",)
    search_help_text = "Start of the title, UPC/EAN, or a provider's id"
    fieldsets = (
        (None, {"fields": (("title", "version"), "artist_credit", ("existence", "changed"))}),
        (
            "Product",
            {
                "fields": (
                    ("type", "released", "released_precision"),
                    ("label", "catalog_number", "gtin"),
                    ("track_count", "explicit", "genres"),
                )
            },
        ),
    )

    def identified(self, term: str) -> Iterable[int]:
        """Return the release with this UPC/EAN, or this id at a provider."""
        return [
            *Release.objects.filter(gtin=normalise_gtin(term)).values_list("pk", flat=True),
            *of_providers(SourceRelease.objects.all(), ("external_id",), term, "release"),
        ]

    def panels(self, release: Release) -> list[Table]:
        """Show the tracks and the credit first."""
        tracks = release.tracks.select_related("recording").order_by("disc", "position")[:_MOST_TRACKS]
        return [
            Table(
                "Tracks",
                ("Place", "Title", "Recording", "Length", "State"),
                [
                    (
                        f"{t.disc}.{t.position}",
                        link(t, t.title),
                        link(t.recording),
                        duration(t.duration_ms),
                        status_badge(t, STATE_COLOURS, "state"),
                    )
                    for t in tracks
                ],
            ),
            _credits(release.credits.select_related("artist").order_by("position")),
            *super().panels(release),
        ]


@admin.register(Recording)
class RecordingAdmin(EntityAdmin):
    """Recordings, with their ISRCs and where they stand."""

    list_display = ("title", "artist_credit", "length", "codes", "existence", "changed")
    search_fields = ("title",)
    search_help_text = "Start of the title, or an ISRC"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("title", "version"),
                    "artist_credit",
                    ("length", "explicit", "codes"),
                    ("existence", "changed"),
                )
            },
        ),
    )

    def get_queryset(self, request: Any) -> QuerySet[Recording]:
        """Return recordings with their ISRCs, read for a page at once."""
        return super().get_queryset(request).prefetch_related("isrcs")

    def identified(self, term: str) -> Iterable[int]:
        """Return the recording that this ISRC names."""
        return Isrc.objects.filter(code=normalise_isrc(term)).values_list("recording", flat=True)

    @admin.display(description="ISRC")
    def codes(self, recording: Recording) -> str:
        """Show the ISRCs."""
        return ", ".join(sorted(isrc.code for isrc in recording.isrcs.all())) or NOTHING

    def panels(self, recording: Recording) -> list[Table]:
        """Show the credit and the places first."""
        tracks = recording.tracks.select_related("release").order_by("-pk")[:_SAMPLE]
        return [
            _credits(recording.credits.select_related("artist").order_by("position")),
            Table(
                "Stands on",
                ("Release", "Place", "Title there", "State"),
                [
                    (
                        link(t.release),
                        f"{t.disc}.{t.position}",
                        link(t, t.title),
                        status_badge(t, STATE_COLOURS, "state"),
                    )
                    for t in tracks
                ],
            ),
            *super().panels(recording),
        ]


@admin.register(Track)
class TrackAdmin(EntityAdmin):
    """Tracks: each a recording at its place on a release."""

    list_display = ("title", "credit", "release_link", "place", "length", "existence", "changed")
    shows_of_others = ("release__title", "recording__artist_credit")
    search_fields = ("title",)
    search_help_text = "Start of the title, an ISRC, or a provider's id"
    fieldsets = (
        (None, {"fields": (("title", "version"), "credit", ("release_link", "place", "number"))}),
        ("Sound", {"fields": (("recording_link", "length", "codes"), ("existence", "changed"))}),
    )

    def identified(self, term: str) -> Iterable[int]:
        """Return the tracks whose recording has this ISRC, or that have this id at a provider."""
        recordings = list(Isrc.objects.filter(code=normalise_isrc(term)).values_list("recording", flat=True))
        tracks = Track.objects.filter(recording__in=recordings).values_list("pk", flat=True)
        sources = of_providers(SourceTrack.objects.filter(track__isnull=False), ("external_id",), term, "track")
        return [*(tracks if recordings else ()), *sources]

    @admin.display(description="artist")
    def credit(self, track: Track) -> str:
        """Show whom the recording is credited to."""
        return track.recording.artist_credit or NOTHING

    @admin.display(description="release")
    def release_link(self, track: Track) -> SafeString | str:
        """Link to the release."""
        return link(track.release, track.release.title)

    @admin.display(description="recording")
    def recording_link(self, track: Track) -> SafeString | str:
        """Link to the recording."""
        return link(track.recording)

    @admin.display(description="place")
    def place(self, track: Track) -> str:
        """Show disc and position."""
        return f"{track.disc}.{track.position}"

    @admin.display(description="ISRC")
    @once
    def codes(self, track: Track) -> str:
        """Show the ISRCs of the recording."""
        return ", ".join(track.recording.isrcs.order_by("code").values_list("code", flat=True)) or NOTHING

    def panels(self, track: Track) -> list[Table]:
        """Show the recording's credit first."""
        return [
            _credits(track.recording.credits.select_related("artist").order_by("position")),
            *super().panels(track),
        ]


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """Changes: what became of which field, by whom and in which run."""

    list_display = ("number", "entity_link", "act", "fields_changed", "provider", "run_link", "at")
    list_filter = ("entity", "action", ("provider", ProviderFilter), RunFilter)
    shows_of_others = ("provider__slug", "run__id")
    search_fields = ("entity_id",)
    search_help_text = 'Row, such as "track 12"'
    fieldsets = (
        (None, {"fields": (("entity_link", "act"), ("provider", "run_link", "at"), "fields_changed")}),
        ("As stored", {"fields": ("raw_before", "raw_after", "transaction")}),
    )

    def find(self, rows: QuerySet[Change], term: str) -> QuerySet[Change]:
        """Return the changes of one row."""
        kind, _, number = term.rpartition(" ")
        if not number.isdecimal():
            return rows.none()
        return rows.filter(entity__in=[kind.strip().lower()] if kind else list(_MODEL_OF), entity_id=number)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Read the rows that the changes speak of, one query for each kind."""
        for entity, model in _MODEL_OF.items():
            of_kind = [change for change in rows if change.entity == entity]
            named = model.objects.in_bulk({change.entity_id for change in of_kind}) if of_kind else {}
            for change in of_kind:
                change.row = named.get(change.entity_id)

    def get_object(self, request: Any, object_id: str, from_field: str | None = None) -> Any:
        """Return the change with the row that it speaks of."""
        change = super().get_object(request, object_id, from_field)
        if change is not None:
            self.prepare_rows([change])
        return change

    @admin.display(description="change")
    def number(self, change: Change) -> str:
        """Show the number alone, without a thousands separator."""
        return str(change.pk)

    @admin.display(description="of")
    def entity_link(self, change: Any) -> SafeString | str:
        """Link to the row, or name one that was merged into another."""
        named = f"{change.entity} {change.entity_id}"
        return link(change.row, f"{named}: {short(str(change.row), 60)}") if change.row else named

    @admin.display(description="action")
    def act(self, change: Change) -> SafeString:
        """Show the action as a label."""
        return status_badge(change, ACTION_COLOURS, "action")

    @admin.display(description="before → after")
    def fields_changed(self, change: Change) -> SafeString:
        """Show each changed field."""
        return before_after(change.before, change.after, _MOST_FIELDS)

    @admin.display(description="before")
    def raw_before(self, change: Change) -> SafeString | str:
        """Show the fields as they were."""
        return preformatted(change.before)

    @admin.display(description="after")
    def raw_after(self, change: Change) -> SafeString | str:
        """Show the fields as they are."""
        return preformatted(change.after)

    @admin.display(description="run")
    def run_link(self, change: Change) -> SafeString | str:
        """Link to the run."""
        return link(change.run, change.run_id)

    @admin.display(description="time")
    def at(self, change: Change) -> str:
        """Show when it was."""
        return moment(change.created_at)


def _who_said_what(row: Artist | Release | Recording | Track) -> Table:
    """Show for each field what the catalogue shows, whose word that is, and what the other providers say."""
    rows = [
        (
            said["field"],
            short(said["shown"]),
            badge(said["by"], "primary") if said["by"] else NOTHING,
            ", ".join(f"{by}: {short(value, 60)}" for by, value in said["said"].items() if by != said["by"]) or NOTHING,
        )
        for said in who_said_what(row)
    ]
    return Table("Who said what", ("Field", "Shown", "Says who", "Others say"), rows)


def _sources(row: Artist | Release | Recording | Track) -> Table:
    sources = row.sources.select_related("provider", "changed_run").order_by("provider__trust", "pk")[:_SAMPLE]
    return Table(
        "At the providers",
        ("Provider", "Its id", "State", "Flags", "Last changed", "Run"),
        [
            (
                link(source.provider),
                link(source, source.external_id),
                status_badge(source, STATE_COLOURS, "state"),
                ", ".join(source.flags) or NOTHING,
                moment(source.changed_at),
                link(source.changed_run, source.changed_run_id),
            )
            for source in sources
        ],
    )


def _changes(row: Artist | Release | Recording | Track) -> Table:
    entity = row._meta.model_name
    changes = (
        Change.objects.filter(entity=entity, entity_id=row.pk)
        .select_related("provider", "run")
        .order_by("-pk")[:_SAMPLE]
    )
    return Table(
        "Changes",
        ("Time", "Action", "Before → after", "Provider", "Run"),
        [
            (
                link(change, moment(change.created_at)),
                status_badge(change, ACTION_COLOURS, "action"),
                before_after(change.before, change.after),
                link(change.provider),
                link(change.run, change.run_id),
            )
            for change in changes
        ],
        list_link(Change, "all its changes", q=f"{entity} {row.pk}"),
    )


def _credits(credits_: QuerySet[ReleaseCredit] | QuerySet[RecordingCredit]) -> Table:
    return Table(
        "Credit",
        ("Credited as", "Join phrase", "Artist"),
        [(line.name, line.join_phrase or NOTHING, link(line.artist)) for line in credits_],
    )
