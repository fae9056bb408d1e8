"""How PostgreSQL plans what people read."""

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse


def for_what_is_asked(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware by which each statement is planned for the values that it has.

    The engine's statements are prepared, which saves it their planning. Of a statement that was prepared PostgreSQL may
    take one plan for all values from some time on: over a million tracks, that reads all of them to search for a rare
    title, or for a state that no row has, as it cannot know which index will do.
    """

    def planned(request: HttpRequest) -> HttpResponse:
        # A connection that the request itself makes is too young to have anything prepared.
        if connection.connection is not None:
            connection.connection.prepare_threshold = None
        return get_response(request)

    return planned
