"""What the pages of all tables share: lists of any length, read-only rows, tables below the fields, filters by run."""

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from django.contrib.admin import RelatedFieldListFilter, ShowFacets, SimpleListFilter
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import StartsWith
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.paginator import InfinitePaginator

from musicsync.admin.paging import KeysetChangeList
from musicsync.admin.plain import PlainAdmin
from musicsync.admin.show import Table
from musicsync.identifiers import clean_text
from musicsync.models import Provider, Run
from musicsync.sync.runs import KEEP_FETCHES

Shown = TypeVar("Shown")
_RECENT_RUNS = 20
_MOST_MATCHES = 500


def once(show: Callable[[Any, Any], Shown]) -> Callable[[Any, Any], Shown]:
    """Let a display function that asks the database do so once for a row: for its page Unfold calls it twice."""

    @wraps(show)
    def shown(admin: Any, row: Any) -> Shown:
        known = vars(row).setdefault("_shown", {})
        if show not in known:
            known[show] = show(admin, row)
        found: Shown = known[show]
        return found

    return shown


class PanelAdmin(PlainAdmin):
    """Pages of rows with tables below the fields."""

    change_form_outer_after_template = "musicsync/panels.html"
    change_form_template = "musicsync/page.html"
    has_history = True

    def panels(self, _row: Any) -> list[Table]:
        """Return the tables to show below the fields of a row."""
        return []

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show the row's page, its tables included, and the history of edits where there are any."""
        if not self.has_history:
            context["show_history"] = False
        if obj is not None:
            context["panels"] = [*context.get("panels", ()), *self.panels(obj)]
        return super().render_change_form(request, context, add, change, form_url, obj)


class BrowseAdmin(PanelAdmin):
    """Pages of a table that may have millions of rows.

    Lists never count, sort or scan the table: they go by a key, newest first, and searches by an index.
    """

    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    # Facets would count every filter's rows.
    show_facets = ShowFacets.NEVER
    # For what looks rows up as one types: no count there either.
    paginator = InfinitePaginator
    list_fullwidth = True
    change_list_template = "musicsync/list.html"
    shows_of_others: tuple[str, ...] = ()
    """Columns of other rows that the list shows, such as ``run__provider__slug``: of those rows no more is read."""
    leaves_out: tuple[str, ...] = ()
    """Columns of its own that the list does not show, and that are long."""
    key_of_provider = ""
    """The field that is unique together with ``provider``: one provider's rows are listed by it."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:  # noqa: ARG002
        """Return the list that pages by key."""
        return KeysetChangeList

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Read what the rows of one page of the list need besides, all at once."""

    def find(self, rows: QuerySet[Any], _term: str) -> QuerySet[Any]:
        """Return the rows that match a search term, found by an index."""
        return rows

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match the search term; never the same one twice."""
        term = clean_text(search_term)
        return (self.find(queryset, term) if term else queryset), False


class ReadOnlyAdmin(BrowseAdmin):
    """Pages of rows that the engine writes: people look, and act through actions alone."""

    has_history = False

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: these rows come from runs."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: what is edited by hand would be overwritten by the next run."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: rows are what removals, feeds and reports rest on."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the user may look."""
        return super().has_view_permission(request, obj) or self.has_operate_permission(request)

    def has_operate_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Tell whether the user may set actions going: who has the permission to change such rows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class RunFilter(SimpleListFilter):
    """By run: the latest ones to choose from, and any other by its number in the address."""

    title = "run"
    parameter_name = "run"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the latest runs, and the chosen one where it is none of them."""
        runs = Run.objects.order_by("-pk").values_list("pk", "provider__slug", "mode")
        shown = list(runs[:_RECENT_RUNS])
        chosen = self.value() or ""
        if chosen.isdecimal() and int(chosen) not in {run for run, _, _ in shown}:
            shown += runs.filter(pk=chosen)
        return [(str(run), f"{run}: {provider} {mode}") for run, provider, mode in shown]

    def has_output(self) -> bool:
        """Show the filter even where there is no run yet."""
        return True

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen run."""
        chosen = self.value()
        if chosen is None:
            return queryset
        return queryset.filter(run=chosen) if chosen.isdecimal() else queryset.none()


class ProviderFilter(RelatedFieldListFilter):
    """By provider; no choice of rows without one, of which there are none: all rows would be looked through."""

    include_empty_choice = False


class RunProviderFilter(SimpleListFilter):
    """By the provider of a row's run, whose runs are named, so that they need not be joined with each row.

    Those are few that still have fetches: ``runs``, once the filter has been applied.
    """

    title = "provider"
    parameter_name = "provider"
    runs: Sequence[int] = ()

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the providers."""
        return [(str(key), slug) for key, slug in Provider.objects.order_by("slug").values_list("pk", "slug")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen provider's runs."""
        chosen = self.value()
        if chosen is None:
            return queryset
        if not chosen.isdecimal():
            return queryset.none()
        runs = Run.objects.filter(provider=int(chosen)).exclude(finished_at__lt=timezone.now() - 2 * KEEP_FETCHES)
        self.runs = list(runs.values_list("pk", flat=True))
        return queryset.filter(run__in=self.runs)


def starts_with(column: str, term: str) -> Q:
    """Return the condition that a text starts with the term, whatever the case, as the prefix indexes serve it."""
    return Q(StartsWith(Lower(column), Lower(Value(term))))


def contains(column: str, term: str) -> Q:
    """Return the condition that a text has the term in it, whatever the case.

    As a pattern, because PostgreSQL knows from its statistics how many rows match one, and so whether the page is soon
    full along the key. Of ``icontains``, which compares what UPPER makes, it knows nothing.
    """
    return Q((f"{column}__iregex", re.escape(term)))


def of_providers(rows: QuerySet[Any], columns: Sequence[str], term: str, wanted: str = "pk") -> list[Any]:
    """Return ``wanted`` of the source rows that have this id in one of the columns.

    Their indexes begin with the provider, so the few providers are named: otherwise the whole table would be read.
    """
    of_all = rows.filter(provider__in=list(Provider.objects.values_list("pk", flat=True)))
    found = (of_all.filter(**{column: term}).values_list(wanted, flat=True)[:_MOST_MATCHES] for column in columns)
    return [value for values in found for value in values]
