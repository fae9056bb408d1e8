"""Lists of any length: pages found by a key, a total that is estimated instead of counted, rows shown at once."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from msgspec import Struct
from unfold.templatetags.unfold_list import result_headers

from musicsync.admin.plain import PlainChangeList
from musicsync.admin.table import table_rows

FromHere = Callable[[QuerySet[Model]], QuerySet[Model]]


class Neighbours(Struct, frozen=True):
    """Where a page's neighbours are, what they are called, and how many rows there are in all."""

    first: str | None
    before: str | None
    after: str | None
    names: tuple[str, str, str]
    estimated: bool
    total: str
    template_name: str = "musicsync/pagination.html"


class KeysetChangeList(PlainChangeList):
    """A list from the newest row to the oldest, any page of which costs what its rows cost.

    The page parameter is a primary key, not a number: the page holds the rows after that one; negative, those before
    it. An offset would read all rows before the page, and a count all rows of the table.

    Filtered by one provider, the rows of a table that has a unique key for each of them go by that key: the newest of
    one that was read long ago would be found behind all rows of the others.
    """

    model_admin: Any

    def get_ordering(self, _request: HttpRequest, _queryset: QuerySet[Model]) -> list[str | Combinable]:
        """Return the one order that an index serves for every list, whatever the address asks for."""
        return [f"{'' if self._goes_up else '-'}{self._key}"]

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and one row more to know whether there is another."""
        # Unless the address has another number, or one that is a key too.
        is_first, back = request.GET.get(PAGE_VAR) != str(self.page_num), self.page_num < 0

        def from_here(rows: QuerySet[Model]) -> QuerySet[Model]:
            return rows if is_first else self._beyond(rows, back=back)

        rows = list(self._lean(self.nearest(from_here, self.list_per_page + 1)))
        further = len(rows) > self.list_per_page
        rows = rows[: self.list_per_page]
        if back:
            rows.reverse()
        self.result_list = rows
        estimated = bool(rows) and (further or not is_first)
        # More than the page shows, or the list would not offer to choose all that there are.
        self.result_count = max(self._estimate(), len(rows) + 1) if estimated else len(rows)
        self.paginator = Neighbours(
            first=None if is_first else self._url(None),
            before=self._url(-rows[0].pk) if rows and (further if back else not is_first) else None,
            after=self._url(rows[-1].pk) if rows and (back or further) else None,
            names=("First", "Previous", "Next") if self._goes_up else ("Newest", "Newer", "Older"),
            estimated=estimated,
            total=f"{self.result_count:,}",
        )
        # Equal, or the page's head would offer to "show all".
        self.full_result_count = self.result_count
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.model_admin.prepare_rows(rows)

    def nearest(self, from_here: FromHere, count: int) -> QuerySet[Model]:
        """Return the first so many of the rows from the place on that the address names."""
        return from_here(self.queryset)[:count]

    @cached_property
    def headers(self) -> list[dict[str, Any]]:
        """Return the heads of the columns."""
        return list(result_headers(self))

    def table_rows(self) -> Iterator[SafeString]:
        """Return the cells of each row."""
        return table_rows(self, self.headers)

    @cached_property
    def _goes_up(self) -> bool:
        """Tell whether the rows go by their provider's key, which people read from its start."""
        return bool(self.model_admin.key_of_provider) and "provider__id__exact" in self.filter_params

    @property
    def _key(self) -> str:
        return self.model_admin.key_of_provider if self._goes_up else "pk"

    def _beyond(self, rows: QuerySet[Model], *, back: bool) -> QuerySet[Model]:
        """Return the rows after the one that the address names, or with ``back`` those before it, the nearest first."""
        named: Any = abs(self.page_num)
        if self._goes_up:
            named = self.root_queryset.filter(pk=named).values(self._key)
        beyond: QuerySet[Model] = rows.filter(**{f"{self._key}__{'gt' if self._goes_up != back else 'lt'}": named})
        return beyond.reverse() if back else beyond

    def _lean(self, rows: QuerySet[Model]) -> QuerySet[Model]:
        """Return the rows with no more of themselves and of others than the list shows."""
        own = (field.name for field in self.lookup_opts.concrete_fields)
        others = self.model_admin.shows_of_others
        joined = {name.rpartition("__")[0] for name in others}
        lean = rows.only(*(name for name in own if name not in self.model_admin.leaves_out), *others)
        return lean.select_related(*joined) if joined else lean.select_related(None)

    def _url(self, page: int | None) -> str:
        return str(self.get_query_string({PAGE_VAR: page}))

    def _estimate(self) -> int:
        """Return how many rows the planner expects, which it knows from statistics, without running anything."""
        plan: list[dict[str, Any]] = json.loads(self.queryset.order_by().values("pk").explain(format="json"))
        return int(plan[0]["Plan"]["Plan Rows"])
