"""The table of a list as Unfold shows it, in a fraction of its time: what all rows share is made once.

Unfold makes the headers anew for each row, and each box and address by itself: more than half of what a page takes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import quote
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateField, ForeignKey, Model, TimeField
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from msgspec import Struct
from unfold.templatetags.unfold_list import CHECKBOX_CLASSES, LINK_CLASSES, ROW_CLASSES
from unfold.utils import display_for_field, display_for_value

from musicsync.admin.plain import PlainChangeList

_BOX = "action_checkbox"
_KEY = "-key-"
"""Stands for a row's key in what is made once for all rows."""
Show = Callable[[Any], Any]


class _Column(Struct, frozen=True):
    """What a row has in a column: ``show`` makes what stands between the two."""

    before: SafeString
    show: Show
    after: SafeString


def table_rows(changes: PlainChangeList, headers: Sequence[dict[str, Any]]) -> Iterator[SafeString]:
    """Return the cells of each row of the page."""
    columns = [
        _column(changes, str(name), "Select record" if name == _BOX else header["text"])
        for name, header in zip(changes.list_display, headers, strict=True)
    ]
    for row in changes.result_list:
        yield SafeString("".join(f"{c.before}{conditional_escape(c.show(row))}{c.after}" for c in columns))


def _column(changes: PlainChangeList, name: str, label: object) -> _Column:
    admin = changes.model_admin
    if name == _BOX:
        box = admin.action_checkbox(SimpleNamespace(pk=_KEY))
        return _cell("td", CHECKBOX_CLASSES, label, lambda row: SafeString(box.replace(_KEY, str(row.pk))))
    classes, show = [f"field-{name}", *ROW_CLASSES], _shown(changes, name)
    field = _field(changes.model, name)
    if isinstance(field, ForeignKey | DateField | TimeField):
        classes.append("nowrap")
    if name in changes.list_display_links:
        return _cell("th", classes, label, _linked(changes, show))
    return _cell("td", classes, label, show)


def _cell(tag: str, classes: Sequence[str], label: object, show: Show) -> _Column:
    before = format_html('<{} class="{}" data-label="{}">', tag, " ".join(classes), label)
    return _Column(before, show, format_html("</{}>", tag))


def _shown(changes: PlainChangeList, name: str) -> Show:
    admin, field = changes.model_admin, _field(changes.model, name)
    empty = admin.get_empty_value_display()
    if field is None:
        method = getattr(admin, name)
        return lambda row: display_for_value(method(row), empty)
    if isinstance(field, ForeignKey):
        return lambda row: empty if (other := getattr(row, name)) is None else other

    def in_words(value: object) -> Any:
        return display_for_field(value, field, empty)

    # Its picture is a template of its own.
    shown = cache(in_words) if isinstance(field, BooleanField) else in_words
    return lambda row: shown(getattr(row, name))


def _linked(changes: PlainChangeList, show: Show) -> Show:
    """Return what shows the same as a link to the row's page, which leads back to the list as it is."""
    address = changes.url_for_result(changes.model(pk=_KEY))
    address = add_preserved_filters({"preserved_filters": changes.preserved_filters, "opts": changes.opts}, address)
    before, after = format_html('<a href="{}" class="{}">', address, " ".join(LINK_CLASSES)).split(_KEY, 1)
    return lambda row: SafeString(f"{before}{quote(row.pk)}{after}{conditional_escape(show(row))}</a>")


def _field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
