"""The sidebar: how it is going first, then the catalogue, then where it comes from."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from musicsync.admin.show import list_url
from musicsync.models import (
    Alert,
    Artist,
    Budget,
    Change,
    Circuit,
    Failure,
    Fetch,
    Leader,
    Profile,
    Provider,
    Recording,
    Rejection,
    Release,
    Run,
    Scope,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
    Worker,
)

_GROUPS: tuple[tuple[str, tuple[tuple[type[Model], str], ...]], ...] = (
    ("Work", ((Run, "sync"), (Fetch, "download"), (Rejection, "block"), (Failure, "error"), (Alert, "notifications"))),
    ("Health", ((Worker, "memory"), (Leader, "flag"), (Circuit, "power"), (Profile, "monitoring"))),
    ("Set-up", ((Provider, "hub"), (Scope, "filter_alt"), (Budget, "speed"), (PeriodicTask, "schedule"))),
    (
        "Catalogue",
        ((Track, "music_note"), (Recording, "graphic_eq"), (Release, "album"), (Artist, "artist"), (Change, "history")),
    ),
    ("Sources", ((SourceTrack, "queue_music"), (SourceRelease, "library_music"), (SourceArtist, "groups"))),
    ("People", ((User, "person"), (Group, "group"))),
)
_UNUSED = dict.fromkeys(("title", "separator", "collapsible", "badge", "link_callback"))
"""What Unfold's template asks of each group and link: a name that is not there takes it as long as all the rest."""


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links that the user may follow."""
    groups = [_group(request, title, models) for title, models in _GROUPS]
    overview = _UNUSED | {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    start = _UNUSED | {"items": [overview]}
    return [start, *(group for group in groups if group["items"])]


def icon(_request: HttpRequest) -> str:
    """Return the address of the icon that browsers show beside the title."""
    return static("musicsync/icon.svg")


def _group(request: HttpRequest, title: str, models: tuple[tuple[type[Model], str], ...]) -> dict[str, Any]:
    links = [
        _UNUSED | {"title": str(model._meta.verbose_name_plural).capitalize(), "icon": icon, "link": list_url(model)}
        for model, icon in models
        if _may_view(request, model)
    ]
    return _UNUSED | {"title": title, "separator": True, "items": links}


def _may_view(request: HttpRequest, model: type[Model]) -> bool:
    names = (f"{model._meta.app_label}.{verb}_{model._meta.model_name}" for verb in ("view", "change"))
    return any(request.user.has_perm(name) for name in names)
