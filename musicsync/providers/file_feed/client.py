"""What is asked of files, and the answers: which there are, and the records of each, a page at a time."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from http import HTTPStatus
from typing import BinaryIO

import msgspec
from msgspec import Struct

from musicsync.providers.file_feed import FileFeed
from musicsync.providers.file_feed.answers import (
    AFTER,
    LINE,
    MARK,
    NAME,
    OFFSET,
    PAGE,
    SAMPLE,
    SINCE,
    VERSION,
    Found,
    Look,
)
from musicsync.providers.file_feed.cutting import Position, cut
from musicsync.providers.file_feed.folders import Folder, Named
from musicsync.providers.file_feed.spool import Spool, head, is_packed
from musicsync.records import Permanent, Request, Response, Transient
from musicsync.redaction import Secret

_JSON = msgspec.json.Encoder()
_SAMPLE_BYTES = 256_000
_SAMPLE_ROWS = 100


class FileClient:
    """Reads the files of one provider from a folder. As a client of HTTP it answers requests."""

    credential = Secret("")

    def __init__(self, adapter: FileFeed, folder: Folder, spool: Spool) -> None:
        """Take where the files are, and where copies of packed ones are kept; nothing is opened yet."""
        self._options, self._folder, self._spool = adapter.options, folder, spool

    def get(
        self,
        request: Request,
        etag: str | None = None,
        *,
        sending: AbstractContextManager[None] | None = None,
        before_redirect: Callable[[], None] = lambda: None,  # noqa: ARG002 - no file leads elsewhere
    ) -> Response:
        """Return the answer: 200 with its body, or 304 when ``etag`` still holds.

        ``sending`` is entered when reading begins.

        Raises:
            Permanent: there is no such file, or it is not the one that the request was made for, damaged or cut off.
            Transient: it cannot be read at present.
            Shed: another process makes a copy of it.
            MusicsyncError: a folder is not allowed or cannot be opened, or there is no room for a copy.
        """
        with sending or nullcontext():
            pass
        try:
            if PAGE in request.params:
                return self._page(request, etag)
            return self._sample() if SAMPLE in request.params else self._look(request, etag)
        except OSError as error:
            raise Transient(f"{request.path} cannot be read: {error.strerror or error}") from error

    def _files(self) -> list[Found]:
        """Return the files that are to be read, in order, each marked.

        Raises:
            Permanent: there are none.
        """
        files = self._folder.files(self._options.path)
        if not files:
            raise Permanent(
                f"there is no file {self._options.path}: look whether it was delivered, or correct the option path"
            )
        return marked(files if self._options.files == "all" else files[-1:])

    def _look(self, request: Request, etag: str | None) -> Response:
        files = self._files()
        last = files[-1]
        behind = request.params.get(AFTER) or _known(files, request.params.get(SINCE, ""))
        found = next((file for file in files if file.name > behind), None)
        mark = (found or last).mark
        if mark == etag:
            return _answer(mark)
        return _answer(mark, Look(found=found, watermark=f"{last.mark} {last.name}"))

    def _page(self, request: Request, etag: str | None) -> Response:
        state = request.state
        mark = state[MARK]
        with self._folder.reading(self._options.path, state[NAME], state[VERSION]) as file:
            if mark == etag:
                return _answer(mark)
            at = Position(int(state.get(OFFSET, "0")), int(state.get(LINE, "1")))
            with self._plain(file, state) as plain:
                return _answer(mark, self._part(plain, at, self._options.rows))

    def _sample(self) -> Response:
        first = self._files()[0]
        with self._folder.reading(self._options.path, first.name) as file:
            plain, is_whole = head(file, _SAMPLE_BYTES)
        whole_lines = plain if is_whole else plain[: plain.rfind(b"\n") + 1]
        return _answer(None, self._part(io.BytesIO(whole_lines or plain), Position(), _SAMPLE_ROWS))

    def _part(self, plain: BinaryIO, at: Position, rows: int) -> Struct:
        return cut(plain, self._options.form, at, rows)

    @contextmanager
    def _plain(self, file: BinaryIO, state: dict[str, str]) -> Iterator[BinaryIO]:
        """Open the copy of a packed file, made where there is none yet; any other one is read as it is."""
        if not is_packed(file):
            yield file
            return
        source, version = f"{self._folder.base_url}/{self._options.path}", f"{state[NAME]} {state[VERSION]}"
        copy = self._spool.copy(source, version, lambda draft: self._spool.pour(file, draft))
        with copy.open("rb") as plain:
            yield plain


def marked(files: list[Named]) -> list[Found]:
    """Return the files, each with a mark of itself and all before it."""
    digest, found = blake2b(digest_size=16), []
    for file in files:
        digest.update(f"{file.name}\0{file.version}\0".encode())
        found.append(Found(file.name, file.version, digest.hexdigest()))
    return found


def _known(files: list[Found], watermark: str) -> str:
    """Return the name of the last file that was read when the watermark was made, if none up to it is another now."""
    mark, _, name = watermark.partition(" ")
    return name if any((file.name, file.mark) == (name, mark) for file in files) else ""


def _answer(mark: str | None, said: Struct | None = None) -> Response:
    """Return what was found, or without it that what is known still holds."""
    status = HTTPStatus.OK if said else HTTPStatus.NOT_MODIFIED
    headers = {"etag": mark} if mark else {}
    return Response(status=status, headers=headers, body=_JSON.encode(said) if said else b"", url="")
