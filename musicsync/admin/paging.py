"""Lists of any length: pages found by primary key, and a total that is estimated instead of counted."""

import json
from typing import Any

from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from msgspec import Struct

from musicsync.admin.plain import PlainChangeList


class Neighbours(Struct, frozen=True):
    """Where a page's neighbours are, and how many rows there are in all."""

    newest: str | None
    newer: str | None
    older: str | None
    estimated: bool
    total: str
    template_name: str = "musicsync/pagination.html"


class KeysetChangeList(PlainChangeList):
    """A list from the newest row to the oldest, any page of which costs what its rows cost.

    The page parameter is a primary key, not a number: the page holds the rows below it; negative, those above it.
    An offset would read all rows before the page, and a count all rows of the table.
    """

    model_admin: Any

    def get_ordering(self, _request: HttpRequest, _queryset: QuerySet[Model]) -> list[str | Combinable]:
        """Return the one order that an index serves for every list, whatever the address asks for."""
        return ["-pk"]

    def get_results(self, _request: HttpRequest) -> None:
        """Read the page, and one row more to know whether there is another."""
        rows = self._rows()
        further = len(rows) > self.list_per_page
        newest, back = self.page_num == 1, self.page_num < 0
        rows = rows[: self.list_per_page]
        if back:
            rows.reverse()
        self.result_list = rows
        estimated = bool(rows) and (further or not newest)
        # More than the page shows, or the list would not offer to choose all that there are.
        self.result_count = max(self._estimate(), len(rows) + 1) if estimated else len(rows)
        self.paginator = Neighbours(
            newest=None if newest else self._url(None),
            newer=self._url(-rows[0].pk) if rows and (further if back else not newest) else None,
            older=self._url(rows[-1].pk) if rows and (back or further) else None,
            estimated=estimated,
            total=f"{self.result_count:,}",
        )
        # Equal, or the page's head would offer to "show all".
        self.full_result_count = self.result_count
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.model_admin.prepare_rows(rows)

    def _rows(self) -> list[Model]:
        page = self.queryset
        if self.page_num < 0:
            page = page.filter(pk__gt=-self.page_num).order_by("pk")
        elif self.page_num > 1:
            page = page.filter(pk__lt=self.page_num)
        return list(page[: self.list_per_page + 1])

    def _url(self, page: int | None) -> str:
        return str(self.get_query_string({PAGE_VAR: page}))

    def _estimate(self) -> int:
        """Return how many rows the planner expects, which it knows from statistics, without running anything."""
        plan: list[dict[str, Any]] = json.loads(self.queryset.order_by().explain(format="json"))
        return int(plan[0]["Plan"]["Plan Rows"])
