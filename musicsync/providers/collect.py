"""The records of one page, each thing once."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import UNSET, structs

from musicsync.records import Credit, Kind, MergedId, Page, PageBefore, Record, RejectedItem, Request

R = TypeVar("R", bound=Record)


class PageBuilder:
    """Gathers what a page says, in the order of the body.

    A page often names the same artist many times and with different detail; the first to state a field has the word.
    """

    def __init__(self, rejected: list[RejectedItem] | None = None) -> None:
        self.rejected = rejected or []
        self.follow_ups: list[Request] = []
        self.merged: list[MergedId] = []
        self.following: Request | None = None
        self.total: int | None = None
        self.watermark: str | None = None
        self.form = ""
        self.credits: dict[tuple[object, ...], tuple[Credit, ...]] = {}
        """The credits that were read already, by what the provider says: most tracks of a release have the same."""
        self._records: dict[tuple[Kind, str], Record] = {}

    def add(self, record: Record) -> None:
        """Add a record, or fill in what an earlier record of the same thing left unset."""
        key = (record.kind, record.external_id)
        known = self._records.setdefault(key, record)
        if known is not record:
            self._records[key] = complete(known, record)

    def merge(self, kind: Kind, asked: str, answered: str) -> None:
        """Note that the provider answered for another id than the one asked for, if it did."""
        if asked != answered:
            self.merged.append(MergedId(kind=kind, old=asked, new=answered))

    def page(self) -> Page:
        """Return the finished page."""
        return Page(
            records=tuple(self._records.values()),
            rejected=tuple(self.rejected),
            follow_ups=tuple(self.follow_ups),
            following=self.following,
            merged=tuple(self.merged),
            total=self.total,
            watermark=self.watermark,
            form=self.form,
        )


def page_after(
    request: Request,
    params: Mapping[str, str],
    total: int | None,
    *,
    path: str = "",
    items: str = "",
    seam: Mapping[str, str] | None = None,
) -> Request:
    """Return the page after the one that ``request`` was answered with, in the same list (ADR 16).

    ``params`` are those that lead there, ``path`` where it is another; ``total`` and ``items`` are what the answer
    said of the list, as ``PageBefore`` has them. ``seam`` are the parameters of a second look, where the same page once
    more might end before what has moved to its end.
    """
    params_again = {**request.params, **(seam or {})}
    asked = structs.replace(request, params=params_again, refreshes=None, before=None, again=False)
    before = None if total is None and not items else PageBefore(request=asked, total=total, items=items)
    return Request(
        path=path or request.path,
        params={**request.params, **params},
        refreshes=request.refreshes,
        before=before,
    )


def complete(first: R, later: R) -> R:
    """Return the first of two records of one thing, with what it leaves unset as the later one states it."""
    if first == later:
        return first
    missing = {
        name: value
        for name, value in structs.asdict(later).items()
        if value is not UNSET and getattr(first, name) is UNSET
    }
    return structs.replace(first, **missing)
