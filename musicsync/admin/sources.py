"""What each provider last said, row by row."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from musicsync.admin.base import of_providers
from musicsync.admin.refreshing import RefreshableAdmin
from musicsync.admin.show import NOTHING, STATE_COLOURS, link, moment, preformatted, short, status_badge
from musicsync.models import SourceArtist, SourceRelease, SourceTrack


class SourceAdmin(RefreshableAdmin):
    """What the three kinds of source rows have in common."""

    list_display = ("external_id", "provider", "named", "entity_link", "existence", "flagged", "changed")
    list_filter = ("state", "provider")
    leaves_out = ("fingerprint",)
    key_of_provider = "external_id"
    search_fields = ("external_id",)
    search_help_text = "A provider's id"
    keys: tuple[str, ...] = ("external_id",)
    entity = ""

    def get_fieldsets(self, _request: Any, _obj: Any = None) -> list[Any]:
        """Return the fields of the row's page."""
        return [
            (None, {"fields": [("provider", *self.keys), "entity_link", ("existence", "merged_into", "flagged")]}),
            ("Record", {"fields": ["record", ("created_at", "changed", "run_link")]}),
        ]

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows that have this id."""
        return rows.filter(pk__in=of_providers(self.model.objects.all(), self.keys, term))

    @admin.display(description="name")
    def named(self, source: Any) -> str:
        """Show the name or title that the provider gives."""
        return short(source.fields.get("title") or source.fields.get("name") or NOTHING)

    @admin.display(description="in the catalogue")
    def entity_link(self, source: Any) -> SafeString | str:
        """Link to the row that it describes."""
        return link(getattr(source, self.entity))

    @admin.display(description="state")
    def existence(self, source: Any) -> SafeString:
        """Show the state as a label."""
        return status_badge(source, STATE_COLOURS, "state")

    @admin.display(description="flags")
    def flagged(self, source: Any) -> str:
        """Show what is wrong with it."""
        return ", ".join(source.flags) or NOTHING

    @admin.display(description="record")
    def record(self, source: Any) -> SafeString | str:
        """Show the record as it was parsed."""
        return preformatted(source.fields)

    @admin.display(description="changed")
    def changed(self, source: Any) -> str:
        """Show when it changed."""
        return moment(source.changed_at)

    @admin.display(description="changed in run")
    def run_link(self, source: Any) -> SafeString | str:
        """Link to the run in which it changed."""
        return link(source.changed_run, source.changed_run_id)


@admin.register(SourceArtist)
class SourceArtistAdmin(SourceAdmin):
    """Artists as providers describe them."""

    entity = "artist"
    shows_of_others = ("provider__slug", "artist__name")


@admin.register(SourceRelease)
class SourceReleaseAdmin(SourceAdmin):
    """Releases as providers describe them."""

    entity = "release"
    shows_of_others = ("provider__slug", "release__title", "release__artist_credit")


@admin.register(SourceTrack)
class SourceTrackAdmin(SourceAdmin):
    """Tracks, or recordings by themselves, as providers describe them."""

    entity = "recording"
    shows_of_others = ("provider__slug", "recording__title", "recording__artist_credit")
    keys = ("external_id", "release_key", "recording_key")
    search_help_text = "A provider's id of the track, the release or the recording"
