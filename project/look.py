"""The admin's site: Unfold's, without what no page of it shows."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.apps import BasicAppConfig
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):  # type: ignore[misc]  # it comes without types
    """Every page is handed the list of applications; the sidebar has links of its own instead, so few look at it."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the applications that the user may see, made when they are looked at: it takes as long as a query."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class Look(BasicAppConfig):  # type: ignore[misc]  # the same
    """Unfold, with this site as that of the admin."""

    def ready(self) -> None:
        """Take the place of Django's own site before pages are registered."""
        admin.site = sites.site = Site()
