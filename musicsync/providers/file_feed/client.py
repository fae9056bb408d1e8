"""What is asked of files, and the answers: which there are, and the records of each, a page at a time."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus

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
from musicsync.providers.file_feed.sources import Source, Turn
from musicsync.providers.file_feed.spool import unpacked
from musicsync.records import Request, Response, Transient
from musicsync.redaction import Secret

_JSON = msgspec.json.Encoder()
_SAMPLE_BYTES = 256_000
_SAMPLE_ROWS = 100


class FileClient:
    """Reads the files of one provider. As a client of HTTP it answers requests."""

    credential = Secret("")

    def __init__(self, adapter: FileFeed, source: Source) -> None:
        """Take where the files are; nothing is opened yet."""
        self._options, self._source = adapter.options, source

    def get(
        self,
        request: Request,
        etag: str | None = None,
        *,
        sending: AbstractContextManager[None] | None = None,
        before_redirect: Callable[[], None] = lambda: None,
    ) -> Response:
        """Return the answer: 200 with its body, or 304 when ``etag`` still holds.

        ``sending`` and ``before_redirect`` are as a client of HTTP has them, where a web server is asked.

        Raises:
            Permanent: there is no such file, or it is not the one that the request was made for, damaged or cut off.
            Transient: it cannot be read at present.
            Shed: a copy of it is being made.
            ProviderError: as a client of HTTP does, where a web server is asked.
            MusicsyncError: a folder is not allowed or cannot be opened, or there is no room for a copy.
        """
        turn = Turn(sending, before_redirect)
        try:
            if PAGE in request.params:
                return self._page(request, etag, turn)
            return self._sample(turn) if SAMPLE in request.params else self._look(request, etag, turn)
        except OSError as error:
            raise Transient(f"{request.path} cannot be read: {error.strerror or error}") from error

    def _look(self, request: Request, etag: str | None, turn: Turn) -> Response:
        """Say which file is to be read next: the first, that after the one named, or the first that is not known."""
        name, _, mark = request.params.get(SINCE, "").partition("/")
        files = self._source.files(etag or mark, turn)
        known = name if any((file.name, file.mark) == (name, mark) for file in files) else ""
        behind = request.params.get(AFTER, known)
        found = next((file for file in files if file.name > behind), None)
        # The mark of the last file stands for all of them, as the watermark does.
        last = files[-1]
        if last.mark == etag:
            return _answer(last.mark)
        return _answer(last.mark, Look(found=found, watermark=f"{last.name}/{last.mark}"))

    def _page(self, request: Request, etag: str | None, turn: Turn) -> Response:
        state = request.state
        file = Found(state[NAME], state[VERSION], state[MARK])
        if file.mark == etag:
            self._source.check(file)
            return _answer(file.mark)
        at = Position(int(state.get(OFFSET, "0")), int(state.get(LINE, "1")))
        with self._source.opened(file, turn) as plain:
            return _answer(file.mark, cut(plain, self._options.form, at, self._options.rows))

    def _sample(self, turn: Turn) -> Response:
        """Return the first records alone: no copy is made for them."""
        plain, is_whole = unpacked(*self._source.head(_SAMPLE_BYTES, turn), _SAMPLE_BYTES)
        whole_lines = plain if is_whole else plain[: plain.rfind(b"\n") + 1]
        return _answer(None, cut(io.BytesIO(whole_lines or plain), self._options.form, Position(), _SAMPLE_ROWS))


def _answer(mark: str | None, said: Struct | None = None) -> Response:
    """Return what was found, or without it that what is known still holds."""
    status = HTTPStatus.OK if said else HTTPStatus.NOT_MODIFIED
    headers = {"etag": mark} if mark else {}
    return Response(status=status, headers=headers, body=_JSON.encode(said) if said else b"", url="")
