"""The button that looks one row up now."""

from typing import Any

from django.http import HttpRequest

from musicsync.admin import operations
from musicsync.admin.base import ReadOnlyAdmin
from musicsync.admin.dialogs import button


class RefreshableAdmin(ReadOnlyAdmin):
    """Pages of rows that can be looked up at the providers that know them."""

    actions_detail = ("refresh_now",)

    def has_refresh_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Tell whether the user may start lookups: who may change runs."""
        return request.user.has_perm("musicsync.change_run")

    @button(
        "Refresh now",
        "Each provider that knows this is asked for it now, ahead of the runs under way: for an artist with all "
        "releases, for a release, or for the release that a track stands on.",
        permission="refresh",
        icon="refresh",
    )
    def refresh_now(self, request: HttpRequest, row: Any) -> None:
        """Look this row up."""
        operations.refresh(request, row)
