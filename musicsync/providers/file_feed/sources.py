"""Where files are: in a folder of this machine, or with a web server. Each is asked for the same things."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from msgspec import Struct

from musicsync.providers.base import one_line
from musicsync.providers.file_feed.answers import Found
from musicsync.providers.file_feed.folders import Folder, Named, changed
from musicsync.providers.file_feed.options import Options
from musicsync.providers.file_feed.spool import Spool, is_packed
from musicsync.providers.http import Client, Take
from musicsync.records import Gone, MusicsyncError, Permanent, Request, Response, Shed, Transient
from musicsync.words import counted

UNPACK_WITHIN_SECONDS = 10.0
"""What took longer to download is unpacked in the next step: both have to end before the time limit of a task."""

_ENCODINGS = ("", "identity", "gzip", "x-gzip")
_SINCE = {"If-None-Match", "If-Modified-Since"}


class Turn(Struct, frozen=True):
    """When to ask, and what to call before asking again, as ``http.Client.get`` takes them."""

    sending: AbstractContextManager[None] | None
    before_redirect: Callable[[], None]


class Source(Protocol):
    """A place where files are. What it raises is as ``FileClient.get`` says."""

    def files(self, known: str, turn: Turn) -> list[Found]:
        """Return the files that are to be read, in order, at least one; ``known`` is the mark of the last known one."""

    def head(self, size: int, turn: Turn) -> tuple[bytes, bool]:
        """Return the first bytes of the file that is read first, as they are, and whether these are all."""

    def check(self, file: Found) -> None:
        """Check, where that asks nobody, that the file is still this one."""

    def opened(self, file: Found, turn: Turn) -> AbstractContextManager[BinaryIO]:
        """Open a file to be read from any place in it, unpacked; it is this one until the end."""


class OfFolder:
    """The files of a folder; of packed ones copies are read."""

    def __init__(self, options: Options, folder: Folder, spool: Spool) -> None:
        """Take where they are; nothing is opened yet."""
        self._options, self._folder, self._spool = options, folder, spool

    def files(self, known: str, turn: Turn) -> list[Found]:  # noqa: ARG002 - for those that ask somebody
        """Return all files of the pattern, or the one whose name comes last."""
        path = self._options.path
        files = self._folder.files(path)
        if not files:
            raise Permanent(f"there is no file {path}: look whether it was delivered, or correct the option path")
        return marked(files if self._options.files == "all" else files[-1:])

    def head(self, size: int, turn: Turn) -> tuple[bytes, bool]:
        """Return the first bytes of the file that is read first, and whether these are all."""
        first = self.files("", turn)[0]
        with self._folder.reading(self._options.path, first.name) as file:
            found = file.read(size + 1)
        return found[:size], len(found) <= size

    def check(self, file: Found) -> None:
        """Check that the file is still this one."""
        with self._folder.reading(self._options.path, file.name, file.version):
            pass

    @contextmanager
    def opened(self, file: Found, turn: Turn) -> Iterator[BinaryIO]:  # noqa: ARG002 - for those that ask somebody
        """Open a file, or the copy of a packed one, made where there is none yet."""
        with self._folder.reading(self._options.path, file.name, file.version) as there:
            if not is_packed(there):
                yield there
                return
            source, version = f"{self._folder.base_url}/{self._options.path}", f"{file.name} {file.version}"
            copy = self._spool.copy(source, version, lambda draft: self._spool.pour(there, draft))
            with copy.open("rb") as plain:
                yield plain


class OfServer:
    """One file of a web server; a copy is read, which is downloaded once for each version."""

    def __init__(self, options: Options, client: Client, base_url: str, spool: Spool) -> None:
        """Take whom to ask; nothing is sent yet.

        Raises:
            MusicsyncError: the options name files by a pattern.
        """
        if options.is_pattern:
            raise MusicsyncError(
                f"options: path: {options.path} is a pattern, but a web server tells nobody what it has: name one file"
            )
        self._client, self._spool = client, spool
        self._request = Request(path=options.path, params=options.params)
        self._source = f"{base_url}/{self._request.key}"
        self._name = PurePosixPath(options.path).name

    def files(self, known: str, turn: Turn) -> list[Found]:
        """Return the one file; its mark is its version, so that it is asked for unless it is the known one."""
        answer, _ = self._start(_unless(known), 0, turn)
        version = known if answer.status == HTTPStatus.NOT_MODIFIED else self._version(answer.headers)
        return [Found(self._name, version, version)]

    def head(self, size: int, turn: Turn) -> tuple[bytes, bool]:
        """Return the first bytes of the file, and whether these are all; the rest is not fetched."""
        answer, found = self._start({}, size, turn)
        # Without a version a run would end at once, so a test has to say so.
        self._version(answer.headers)
        return found[:size], len(found) <= size

    def check(self, file: Found) -> None:
        """Check nothing: it would be another request for each page, and what is read is a copy of this version."""

    @contextmanager
    def opened(self, file: Found, turn: Turn) -> Iterator[BinaryIO]:
        """Open the copy of the file, downloaded where there is none yet."""
        copy = self._spool.copy(self._source, file.version, lambda draft: self._make(draft, file, turn))
        with copy.open("rb") as plain:
            yield plain

    def _start(self, conditions: Mapping[str, str], size: int, turn: Turn) -> tuple[Response, bytes]:
        """Ask for the file, and read little more of it than so many bytes."""
        found = bytearray()

        def take(_status: int, _headers: dict[str, str], pieces: Iterator[bytes]) -> None:
            for piece in pieces:
                found.extend(piece)
                if len(found) > size:
                    return

        return self._ask(conditions, take, turn), bytes(found)

    def _ask(self, conditions: Mapping[str, str], take: Take, turn: Turn) -> Response:
        """Ask for the file, and take no answer that does not fit the conditions."""

        def check(status: int, headers: dict[str, str], pieces: Iterator[bytes]) -> None:
            if status == HTTPStatus.PARTIAL_CONTENT and "Range" not in conditions:
                raise Permanent(f"the server sent a part of {self._name} (206), though it was asked for the whole")
            if (encoding := headers.get("content-encoding", "").strip().lower()) not in _ENCODINGS:
                raise Permanent(
                    f"the server sent {self._name} encoded as {one_line(encoding, 40)!r} (Content-Encoding), which was "
                    "not asked for: let it send the file as it is, or as gzip"
                )
            take(status, headers, pieces)

        try:
            answer = self._client.download(
                self._request, conditions, check, sending=turn.sending, before_redirect=turn.before_redirect
            )
        except Gone as error:
            # Of a file that is away nothing is known, least of all that its tracks are no more.
            raise Permanent(f"{error}: look whether it was delivered, or correct the option path") from error
        if answer.status == HTTPStatus.NOT_MODIFIED and not conditions.keys() & _SINCE:
            raise Permanent(
                f"the server says that {self._name} is not modified (304), though nothing was said of what is known"
            )
        return answer

    def _version(self, headers: Mapping[str, str]) -> str:
        version = headers.get("etag") or headers.get("last-modified")
        if not version:
            raise Permanent(
                f"the server states neither ETag nor Last-Modified of {self._name}, by which versions are told apart: "
                "ask for one of them, or put the file into a folder"
            )
        return version

    def _make(self, draft: Path, file: Found, turn: Turn) -> None:
        """Download the file and unpack it; what took too long is gone on with where it was."""
        part, began = draft.with_suffix(".part"), time.monotonic()
        try:
            self._download(part, file, turn)
            with part.open("rb") as there:
                if not is_packed(there):
                    part.replace(draft)
                    return
                if time.monotonic() - began > UNPACK_WITHIN_SECONDS:
                    raise Shed(f"{self._name} is here, and is unpacked next")
                self._spool.pour(there, draft, beside=part.stat().st_size)
        except Permanent:
            # It would fail in the same way for ever, and count as in use.
            part.unlink(missing_ok=True)
            raise
        part.unlink()

    def _download(self, part: Path, file: Found, turn: Turn) -> None:
        """Fetch what the part lacks of the file, or all of it where the server does not go on with it.

        Raises:
            Shed: it did not come to its end, but further than before.
            Permanent: it did not come to its end again, and is not gone on with.
        """
        had = _size_of(part, file.version)
        # The last byte is asked for again, so that there is something to be sent of a file that is whole. By a weak
        # ETag nobody may ask for the rest (RFC 9110, 13.1.5).
        start = 0 if file.version.startswith("W/") else max(0, had - 1)
        began: list[int] = []

        def take(status: int, headers: dict[str, str], pieces: Iterator[bytes]) -> None:
            begin = start if status == HTTPStatus.PARTIAL_CONTENT else 0
            if begin and not headers.get("content-range", "").startswith(f"bytes {begin}-"):
                raise Permanent(f"the server sent another part of {self._name} than the one it was asked for")
            began.append(begin)
            if self._version(headers) != file.version:
                raise changed(self._name)
            if (length := headers.get("content-length", "")).isdecimal():
                self._spool.check_size(begin + int(length))
            with part.open("r+b" if begin else "wb") as copy:
                copy.seek(begin)
                self._spool.fill(copy, pieces)

        try:
            self._ask_for_rest(start, file.version, take, turn, began)
        except Transient as error:
            got = _size_of(part, file.version)
            if had and began[-1:] == [0]:
                raise Permanent(
                    f"{self._name}: the server broke off again, after {counted(got, 'byte')}, and does not go on "
                    "where it was, which takes Range and an ETag that is not weak: ask for that, for a smaller file, "
                    "or put the file into a folder"
                ) from error
            if got > had:
                raise Shed(
                    f"{self._name}: {counted(got, 'byte is', 'bytes are')} here, and the rest follows ({error})"
                ) from error
            raise

    def _ask_for_rest(self, start: int, version: str, take: Take, turn: Turn, began: list[int]) -> None:
        """Ask for the file from a place on; once more for all of it where the server has no rest that fits."""
        if start:
            try:
                self._ask({"Range": f"bytes={start}-", "If-Range": version}, take, turn)
            except Permanent:
                if began:
                    raise
                turn.before_redirect()
            else:
                return
            turn = Turn(None, turn.before_redirect)
        self._ask({}, take, turn)


def marked(files: list[Named]) -> list[Found]:
    """Return the files, each with a mark of itself and all before it."""
    digest, found = blake2b(digest_size=16), []
    for file in files:
        digest.update(f"{file.name}\0{file.version}\0".encode())
        found.append(Found(file.name, file.version, digest.hexdigest()))
    return found


def _unless(known: str) -> dict[str, str]:
    """Return the condition that a file is another one than the known, which is told by ETag or Last-Modified."""
    if not known:
        return {}
    return {"If-Modified-Since" if known.endswith(" GMT") else "If-None-Match": known}


def _size_of(part: Path, version: str) -> int:
    """Return how much there is of this version; what there is of another one goes."""
    note = part.with_suffix(".version")
    with suppress(FileNotFoundError):
        if note.read_text(encoding="utf-8") == version:
            return part.stat().st_size
    part.unlink(missing_ok=True)
    note.write_text(version, encoding="utf-8")
    return 0
