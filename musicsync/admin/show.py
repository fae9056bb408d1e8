"""How values look. Text of providers is foreign: everything here is escaped, and links lead to http(s) only."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from msgspec import Struct

RUN_COLOURS = {
    "running": "info",
    "done": "success",
    "errors": "warning",
    "held": "warning",
    "failed": "danger",
    "cancelled": "default",
}
FETCH_COLOURS = {
    "pending": "default",
    "queued": "info",
    "leased": "info",
    "waiting": "warning",
    "applied": "success",
    "dead": "danger",
    "cancelled": "default",
    "discarded": "default",
}
STATE_COLOURS = {"present": "success", "missing": "warning", "gone": "danger", "merged": "info"}
ACTION_COLOURS = {
    "created": "success",
    "updated": "info",
    "removed": "danger",
    "restored": "success",
    "merged": "warning",
}
FAILURE_COLOURS = {"retry": "warning"} | dict.fromkeys(
    ("failure", "revoked", "rejected", "unknown", "worker_lost"), "danger"
)

NOTHING = "–"
_LONGEST_VALUE = 80
_KEY = "-key-"


class Table(Struct, frozen=True):
    """A titled table below a page's fields. ``more`` links to the list that it is the start of."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: SafeString | str = ""

    def labelled_rows(self) -> Iterator[Iterable[tuple[str, Any]]]:
        """Return the cells of each row, each with the head of its column."""
        return (zip(self.headers, row, strict=True) for row in self.rows)


@lru_cache(maxsize=1000, typed=True)
def badge(text: str, colour: str) -> SafeString:
    """Return a coloured label. There are few, and a list has one in each row: rendering them took a tenth of a page."""
    return SafeString(render_to_string("unfold/helpers/label.html", {"text": text, "type": colour}))


def status_badge(row: Any, colours: Mapping[str, str], name: str = "status") -> SafeString:
    """Return the label of a row's status; what its display says after a colon is left off."""
    shown = getattr(row, f"get_{name}_display")()
    return badge(shown.partition(":")[0], colours[getattr(row, name)])


def link(row: Model | None, text: object = None) -> SafeString | str:
    """Return a link to the row's page."""
    return NOTHING if row is None else anchor(link_address(row), text or row)


def link_address(row: Model) -> str:
    """Return the address of the row's page."""
    return _address(type(row), "change", get_script_prefix(), _KEY).replace(_KEY, str(quote(row.pk)))


def list_link(model: type[Model], text: object, **filters: object) -> SafeString:
    """Return a link to the model's list with these filters set."""
    return anchor(list_url(model, **filters), text)


def list_url(model: type[Model], **filters: object) -> str:
    """Return the address of the model's list with these filters set."""
    address = _address(model, "changelist", get_script_prefix())
    return f"{address}?{urlencode(filters)}" if filters else address


@cache
def _address(model: type[Model], page: str, _prefix: str, *keys: str) -> str:
    """Return the address of one of a model's pages; most cells of tables ask for one, the sidebar for each list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=keys)


def anchor(address: str, text: object) -> SafeString:
    """Return a link to a page of the admin."""
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', address, text)


def external(address: str, text: object = None) -> SafeString | str:
    """Return a link to a page elsewhere where the address is http(s), else its text alone."""
    shown = text or address
    try:
        harmless = urlsplit(address).scheme in ("http", "https")
    except ValueError:
        harmless = False
    if not harmless:
        return str(shown)
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
        address,
        shown,
    )


def duration(milliseconds: int | None) -> str:
    """Return a duration as people write it: "3:07", or "1:02:03" from an hour on."""
    if milliseconds is None:
        return NOTHING
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def elapsed(seconds: float) -> str:
    """Return how long something took: "0.4 s", "35 s", "12 min", "3.5 h"."""
    for limit, unit, form in ((10, 1, "{:.1f} s"), (120, 1, "{:.0f} s"), (7200, 60, "{:.0f} min")):
        if seconds < limit:
            return form.format(seconds / unit)
    return f"{seconds / 3600:.1f} h"


def moment(time: Any) -> str:
    """Return a time in UTC to the second."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else NOTHING


def short(value: object, limit: int = _LONGEST_VALUE) -> str:
    """Return a value on one line, cut where it is long."""
    if value is None:
        return NOTHING
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def preformatted(value: object) -> SafeString | str:
    """Return a text as it stands, or any other value as indented JSON."""
    if value in (None, "", {}, []):
        return NOTHING
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    # By style: Unfold's sheet has no class that wraps, and one long line would make the page wider than the window.
    return format_html('<pre class="text-xs" style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)


def totals(counts: Mapping[str, int]) -> SafeString | str:
    """Return a run's or a fetch's totals in words: "track: 12 created, 3 updated"; zeros are left out."""
    groups: dict[str, list[str]] = {}
    for name, count in sorted(counts.items()):
        kind, dot, what = name.partition(".")
        if count:
            groups.setdefault(kind if dot else "", []).append(f"{count:,} {(what if dot else name).replace('_', ' ')}")
    return lines(f"{kind}: {', '.join(said)}" if kind else ", ".join(said) for kind, said in groups.items()) or NOTHING


def lines(texts: Iterable[object]) -> SafeString:
    """Return the texts one below the other."""
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))


def before_after(before: Mapping[str, Any], after: Mapping[str, Any], most: int | None = None) -> SafeString:
    """Return each changed field with its old and its new value; ``most`` of them, and how many more there are."""
    names = [name for name in after if before.get(name) != after[name]] + [name for name in before if name not in after]
    left = len(names[most:]) if most else 0
    shown = format_html_join(
        "",
        '<div><span class="font-semibold">{}</span>: {}{}</div>',
        (
            (
                name,
                format_html('<s class="opacity-60">{}</s> → ', short(before[name])) if name in before else "",
                short(after.get(name)),
            )
            for name in names[:most]
        ),
    )
    return format_html("{}<div>… and {} more</div>", shown, left) if left else shown
