"""What an operator says of a JSON feed: where it is asked, how it is paged, and which field of an item is what."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from msgspec import Meta, Struct, structs

from musicsync.providers.base import BadOptions, one_line

_LONGEST = 500
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_QUOTED = re.compile(r'"[^"\\]+"')
_CREDENTIAL = re.compile(
    r"(.*[-_.])?((api|app|access|auth|client|secret|private|subscription)[-_.]?)?"
    r"(key|token|secret|password|passwd|pwd|auth|authorization|credentials?|signature|sig|jwt)",
    re.IGNORECASE,
)
"""What parameters are named by which providers take a key, a token or a password."""
_OF_HTTP = frozenset(
    {
        *(
            "accept",
            "accept-encoding",
            "connection",
            "expect",
            "host",
            "keep-alive",
            "range",
            "te",
            "trailer",
            "upgrade",
        ),
        *("content-encoding", "content-length", "content-type", "transfer-encoding", "user-agent"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        *("proxy-authorization", "proxy-connection"),
    }
)
_NO_CHOICE = ("Invalid value", "Invalid enum value")
"""How reasons begin that say that a word is none of those that an option takes."""
_PLACE = re.compile(r" - at `\$(.*)`$")

Form = TypeVar("Form", bound=Struct)

Name = Annotated[str, Meta(pattern=r"^[!-~]+$")]
"""The name of a query parameter."""
Header = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+$")]
Scheme = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{0,20}$")]
"""A word such as "Bearer": too short for a credential, and without the space that would stand before one."""
Path = Annotated[str, Meta(pattern=r"^[^\s/?#][^\s?#]*$")]
"""A path below the base URL: no slash before it, no query."""


class Expression:
    """A JMESPath (jmespath.org) that is right; most are names, which are read without its machinery.

    ``names`` are those names; of any other expression there are none.

    Raises:
        ValueError: it is none; the text says where.
    """

    def __init__(self, text: object) -> None:
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
            raise ValueError(f"Expected a JMESPath of 1 to {_LONGEST} characters")
        self.text = text
        self.names = [text[1:-1]] if _QUOTED.fullmatch(text) else text.split(".") if _PLAIN.fullmatch(text) else []
        try:
            self._compiled = jmespath.compile(text)
        except (JMESPathError, RecursionError) as error:
            raise ValueError(f"{text!r} is no JMESPath: {one_line(str(error))}") from error

    def search(self, data: Any) -> Any:
        """Return what it finds, ``None`` where that is nothing.

        Raises:
            ValueError: a function of it cannot take what it found.
        """
        if self.text == "@":
            return data
        if not self.names:
            return self._search_all(data)
        for name in self.names:
            data = data.get(name) if isinstance(data, dict) else None
        return data

    def _search_all(self, data: Any) -> Any:
        try:
            return self._compiled.search(data)
        except (JMESPathError, TypeError, RecursionError) as error:
            raise ValueError(one_line(str(error))) from error


class HeaderAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="in", tag="header"):
    """The credential in a header, behind the scheme where there is one."""

    name: Header = "Authorization"
    scheme: Scheme = "Bearer"

    def headers(self, credential: str) -> dict[str, str]:
        """Return the header that carries it."""
        return {self.name: f"{self.scheme} {credential}".strip()}

    def params(self, credential: str) -> dict[str, str]:  # noqa: ARG002 - as the other one has it
        """Return none."""
        return {}


class QueryAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="in", tag="query"):
    """The credential in a query parameter."""

    name: Name

    def headers(self, credential: str) -> dict[str, str]:  # noqa: ARG002 - as the other one has it
        """Return none."""
        return {}

    def params(self, credential: str) -> dict[str, str]:
        """Return the parameter that carries it."""
        return {self.name: credential}


class Offset(Struct, frozen=True, forbid_unknown_fields=True, tag_field="style", tag="offset"):
    """Pages by the number of items before them; ``total`` is where an answer has the number of all."""

    param: Name = "offset"
    first: int = 0
    total: Expression | None = None


class Numbered(Struct, frozen=True, forbid_unknown_fields=True, tag_field="style", tag="page"):
    """Pages by their number; ``pages`` is where an answer has how many there are, ``total`` how many items."""

    param: Name = "page"
    first: int = 1
    pages: Expression | None = None
    total: Expression | None = None


class Cursor(Struct, frozen=True, forbid_unknown_fields=True, tag_field="style", tag="cursor"):
    """Pages by a text that the page before has at ``next``."""

    next: Expression
    param: Name = "cursor"


class Link(Struct, frozen=True, forbid_unknown_fields=True, tag_field="style", tag="link"):
    """Pages by a URL that the page before has at ``next``."""

    next: Expression


class Incremental(Struct, frozen=True, forbid_unknown_fields=True):
    """``watermark`` is where an answer has its mark of "everything up to here"; ``param`` takes it the next time."""

    watermark: Expression
    param: Name = "since"


class ArtistFields(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one of the artists has its fields; ``name`` is as credited."""

    name: Expression
    id: Expression | None = None
    join_phrase: Expression | None = None
    sort_name: Expression | None = None
    disambiguation: Expression | None = None
    type: Expression | None = None
    country: Expression | None = None


class ReleaseFields(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an item has the fields of the track's release."""

    id: Expression
    title: Expression
    version: Expression | None = None
    gtin: Expression | None = None
    type: Expression | None = None
    released: Expression | None = None
    label: Expression | None = None
    catalog_number: Expression | None = None
    explicit: Expression | None = None
    track_count: Expression | None = None
    genres: Expression | None = None
    territories: Expression | None = None
    artists: Expression | None = None


class TrackFields(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an item has the fields of the track."""

    id: Expression
    title: Expression
    version: Expression | None = None
    recording_id: Expression | None = None
    disc: Expression | None = None
    position: Expression | None = None
    number: Expression | None = None
    isrcs: Expression | None = None
    duration: Expression | None = None
    explicit: Expression | None = None
    territories: Expression | None = None
    artists: Expression | None = None


class Options(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it. ``items`` is the list in an answer; a release without ``release`` fields is none that tracks have."""

    path: Path
    items: Expression
    track: TrackFields
    params: dict[Name, str] = {}
    auth: HeaderAuth | QueryAuth = HeaderAuth()
    paging: Offset | Numbered | Cursor | Link | None = None
    incremental: Incremental | None = None
    duration: Literal["ms", "s", "m:ss", "iso8601"] = "ms"
    release: ReleaseFields | None = None
    artist: ArtistFields | None = None


EXAMPLE: dict[str, Any] = {
    "path": "v2/catalogue",
    "params": {"per_page": "100"},
    "auth": {"in": "header", "name": "X-Api-Key", "scheme": ""},
    "paging": {"style": "cursor", "param": "after", "next": "meta.next"},
    "items": "songs",
    "duration": "s",
    "track": {
        "id": "id",
        "title": "title",
        "disc": "disc",
        "position": "no",
        "isrcs": "isrc",
        "duration": "length",
        "artists": "performers",
    },
    "release": {"id": "album.id", "title": "album.title", "gtin": "album.barcode", "released": "album.date"},
    "artist": {"id": "id", "name": "name"},
}
"""Options as an operator may write them, to be shown beside the field that takes them."""

_SECTIONS: dict[str, type[Struct]] = {
    "track": TrackFields,
    "release": ReleaseFields,
    "artist": ArtistFields,
    "incremental": Incremental,
}


def read(given: Mapping[str, Any]) -> Options:
    """Return the options that are given as JSON.

    Raises:
        BadOptions: something is wrong with them.
    """
    return read_as(Options, given)


def read_as(form: type[Form], given: Mapping[str, Any]) -> Form:
    """Return the options of a feed whose items are read by ``track``, ``release`` and ``artist``.

    Raises:
        BadOptions: something is wrong with them.
    """
    if mistakes := list(_mistakes(given, form, "")):
        raise BadOptions(mistakes)
    options: Any = _convert(given, form)
    if options.artist is None and (options.track.artists or (options.release and options.release.artists)):
        raise BadOptions(["artist: is missing: say where each of the artists has its name."])
    if mistakes := [_is_credential(name) for name in options.params if _CREDENTIAL.fullmatch(name)]:
        raise BadOptions(mistakes)
    if isinstance(options.auth, HeaderAuth) and options.auth.name.lower() in _OF_HTTP:
        raise BadOptions([f"auth.name: {options.auth.name} is a header of HTTP itself: name that of the credential."])
    return cast("Form", options)


def _is_credential(name: str) -> str:
    return (
        f"params.{name}: is no place for a credential, since options are shown: name the parameter by auth "
        f'{{"in": "query", "name": "{name}"}}, and set MUSICSYNC_CREDENTIAL_<SLUG>, or store it with '
        "`manage.py provider credential SLUG`."
    )


def _mistakes(given: Any, form: type[Struct], where: str) -> Iterator[str]:
    """Yield a line for each mistake: sections are gone over field by field, so that one does not hide another."""
    if not isinstance(given, Mapping):
        yield f"{where.rstrip('.')}: is no object of names and values."
        return
    fields = {field.name: field for field in structs.fields(form)}
    for name in given.keys() - fields.keys():
        yield f"{where}{name}: there is no such option; there are {', '.join(fields)}."
    for name, field in fields.items():
        if name not in given:
            if field.required:
                yield f"{where}{name}: is missing."
        elif not where and name in _SECTIONS and given[name] is not None:
            yield from _mistakes(given[name], _SECTIONS[name], f"{name}.")
        else:
            try:
                _convert(given[name], field.type)
            except msgspec.ValidationError as error:
                yield _line(where + name, str(error), field.type)


def _line(where: str, reason: str, form: Any) -> str:
    inner = _PLACE.search(reason)
    choices = _choices(form) if reason.startswith(_NO_CHOICE) else []
    there_are = f"; there are {', '.join(choices)}" if choices else ""
    return f"{where}{inner[1] if inner else ''}: {_PLACE.sub('', reason)}{there_are}."


def _choices(form: Any) -> list[str]:
    """Return the words that an option takes, or the tag by which it is told which of several forms it has."""
    if get_origin(form) is Literal:
        return list(get_args(form))
    return [str(one.__struct_config__.tag) for one in get_args(form) if hasattr(one, "__struct_config__")]


def _convert(given: Any, form: Any) -> Any:
    return msgspec.convert(given, form, dec_hook=_expression)


def _expression(form: type, given: object) -> object:
    made: Callable[[object], object] = form
    return made(given)
