"""Discogs' database API, version 2.

Docs:       https://www.discogs.com/developers; the forms here were checked against recorded answers.
Auth:       ``Authorization: Discogs token=...``, optional for all but the search, which answers 401 "You must
            authenticate to access this resource." without it. So a release is found by its barcode with a token only.
Rate:       25 requests in a moving minute without a token, 60 with one
            (https://www.discogs.com/developers/#page:home,header:home-rate-limiting), over it 429 "You are making
            requests too quickly." Each answer counts in ``X-Discogs-Ratelimit-Remaining``, which is heeded
            (``outcomes.pause``). The default is for no token: with one, ``manage.py provider set SLUG --rate 1``.
Paging:     ``page`` from 1 to ``pagination.pages``, ``per_page`` 50 unless given, 100 at most. Where
            ``pagination.items`` differs from the page before, the list has changed in between (ADR 16).
Lists:      an artist's holds releases and masters, each with the artist's ``role``: those in the role "Main" are
            followed, appearances on what others released are not. Of a master (all editions of one thing) its main
            release is followed. A release scope "m4242" follows every edition of that master.
Incremental: lists say nothing of changes, so they are read again, and a listed release is looked up only where it was
            not before. An edited release is found by a full run.
Identity:   tracks have no id. One is known by its release and the position printed for it ("249504:A2").
Positions:  "A1" is on side A of the first record, C and D are the sides of the second; "2-3" and "CD2-03" are the third
            on the second disc; "7" stands alone. Media are counted in the order in which they appear.
Quirks:     ``released`` "1987-07-00", or blank beside a ``year``, which may be 0; durations "3:32" or blank; headings
            and index tracks in the list of tracks, of which the second have their tracks as ``sub_tracks``; tracks
            without ``artists`` are by those of the release; "Tim Baker (2)" is the second of that name, so the number
            is no part of it; ``anv`` is the name as credited; guests stand among ``extraartists`` as "Featuring";
            barcodes with spaces; a catalogue number "none"; the label "Not On Label" is none; ISRCs stand among the
            ``identifiers``, for the track that the description names; lists that are empty are left out.
Left out:   ``country`` is where a release came out, not where it may be had; ``community``, prices and ``date_changed``
            differ at almost every answer.
"""

from typing import Any, Final

import msgspec

from musicsync.identifiers import clean_text, normalise_gtin
from musicsync.providers import keys, wire
from musicsync.providers.base import Adapter, Scope, one_line
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.providers.discogs.credits import add_artist, credits_of
from musicsync.providers.discogs.forms import (
    ITEMS,
    LISTS_OF_A_RELEASE,
    LISTS_OF_ITEMS,
    Items,
    Listed,
    Master,
    Named,
    Release,
)
from musicsync.providers.discogs.releases import release_page
from musicsync.records import Mode, Page, Permanent, ReleaseRecord, Request, Response, ScopeKind

_PAGE = 100
_MASTER = "m"
_KEYS: Final[dict[ScopeKind, str]] = {
    "artist": "a Discogs id",
    "label": "a Discogs id",
    "release": 'a Discogs id, "m" and the id of a master, or a UPC/EAN of 12 to 14 digits with a right check digit',
}
_UNAUTHENTICATED = ("You must authenticate", "Invalid consumer")
_HOW_TO_AUTHENTICATE = (
    "(for this, Discogs wants a token of its own: set MUSICSYNC_CREDENTIAL_<SLUG>, "
    "or store one with `manage.py provider credential SLUG`)"
)


class Discogs(Adapter):
    """Follows artists, labels and releases at Discogs."""

    name = "discogs"
    label = "Discogs"
    base_url = "https://api.discogs.com"
    scope_kinds = tuple(_KEYS)
    rate = 0.4
    burst = 1
    credential = "optional"
    parser_version = 2
    volatile = True

    def auth_headers(self, credential: str) -> dict[str, str]:
        """Return the header that carries a personal access token."""
        return {"Authorization": f"Discogs token={credential}"}

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error body, which is ``{"message": "..."}``, and what to do for want of a token."""
        try:
            said = one_line(msgspec.json.decode(body, type=dict[str, str])["message"])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
            return super().error_text(body)
        return f"{said} {_HOW_TO_AUTHENTICATE}" if said.startswith(_UNAUTHENTICATED) else said

    def normalise_key(self, kind: ScopeKind, key: str) -> str:
        """Return an id without leading zeros, "m" and the id of a master, or a UPC/EAN of at least 12 digits."""
        found = None
        if kind == "release":
            found = _master_key(key) or keys.gtin_or_number_key(key)
        elif kind in _KEYS:
            found = keys.number_key(key)
        if found is None:
            raise keys.bad_scope(self.label, kind, key, _KEYS)
        return found

    def plan(self, scope: Scope, mode: Mode) -> list[Request]:  # noqa: ARG002 - the same in every mode
        """Return one request; releases that it leads to are asked at times of their own by ``refreshes``."""
        key = self.normalise_key(scope.kind, scope.key)
        if scope.kind != "release":
            return [Request(path=f"{scope.kind}s/{key}")]
        if key.startswith(_MASTER):
            return [Request(path=f"masters/{key.removeprefix(_MASTER)}")]
        if keys.has_gtin_length(key):
            return [_list("database/search", barcode=key, type="release")]
        return [Request(path=f"releases/{key}")]

    def probe(self) -> Request:
        """Return a request for the first release of all, which is there without a token too."""
        return Request(path="releases/1")

    def parse(self, request: Request, response: Response) -> Page:
        """Return what a release says, or else a master, artist, label or list, which its own fields tell apart."""
        entity, _, asked = request.path.partition("/")
        if entity == "releases" and asked:
            return release_page(*wire.decode(response.body, Release, LISTS_OF_A_RELEASE), asked)
        answer = wire.load(response.body)
        if not isinstance(answer, dict):
            raise Permanent(f"the answer to {request.path} is not a form that is synced: no object")
        if any(name in answer for name in LISTS_OF_ITEMS):
            return _list_page(answer, request)
        if "versions_url" in answer or entity == "masters":
            return _master_page(answer)
        if "tracklist" in answer:
            return release_page(*wire.shape(answer, Release, LISTS_OF_A_RELEASE))
        place = str(answer.get("resource_url") or request.path)
        if "artists/" in place:
            return _artist_page(answer, asked if entity == "artists" else "")
        if "labels/" in place:
            return _label_page(answer)
        raise Permanent(f"the answer to {request.path} is not a form that is synced: no release, artist, label or list")


def _master_key(key: str) -> str | None:
    prefix, _, number = key.strip().partition(_MASTER)
    found = keys.number_key(number) if not prefix else None
    return f"{_MASTER}{found}" if found else None


def _list(path: str, **params: str) -> Request:
    return Request(path=path, params={**params, "page": "1", "per_page": str(_PAGE)})


def _details(release: int) -> Request:
    return Request(path=f"releases/{release}", refreshes=("release", str(release)))


def _artist_page(answer: dict[str, Any], asked: str) -> Page:
    artist, _ = wire.shape(answer, Named)
    page = PageBuilder()
    if asked.isdigit():
        page.merge("artist", asked, str(artist.id))
    add_artist(page, artist.id, artist.name)
    page.follow_ups.append(_list(f"artists/{artist.id}/releases"))
    return page.page()


def _label_page(answer: dict[str, Any]) -> Page:
    label, _ = wire.shape(answer, Named)
    return Page(follow_ups=(_list(f"labels/{label.id}/releases"),))


def _master_page(answer: dict[str, Any]) -> Page:
    master, _ = wire.shape(answer, Master)
    page = PageBuilder()
    credits_of(page, master.artists or [])
    page.follow_ups.append(_list(f"masters/{master.id}/versions"))
    return page.page()


def _list_page(answer: dict[str, Any], request: Request) -> Page:
    items, rejected = wire.shape(answer, Items, ITEMS)
    page = PageBuilder(rejected)
    for item in (*items.releases, *items.versions):
        if item.role not in (None, "", "Main"):
            continue
        if item.type == "master":
            page.follow_ups += [_details(item.main_release)] if item.main_release else []
        else:
            page.add(ReleaseRecord(external_id=str(item.id), title=clean_text(item.title)))
            page.follow_ups.append(_details(item.id))
    asked = request.params.get("barcode")
    page.follow_ups += [_details(item.id) for item in items.results if item.type == "release" and _bears(item, asked)]
    number = keys.number_key(request.params.get("page", "1")) or "1"
    page.total = items.pagination.items
    if int(number) < items.pagination.pages:
        page.follow_ups.append(page_after(request, {"page": str(int(number) + 1)}, page.total))
    return page.page()


def _bears(item: Listed, barcode: str | None) -> bool:
    """Tell whether a result is what was searched for: the search takes parts of a barcode for the whole."""
    if barcode is None or not item.barcode:
        return True
    return normalise_gtin(barcode) in map(normalise_gtin, filter(None, item.barcode))
