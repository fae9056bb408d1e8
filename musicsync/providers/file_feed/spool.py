"""Copies of files that cannot be read from any place in them: packed ones, and those of a web server.

A copy is made once for each version and machine, unpacked, so that a page of it costs a seek. What was used last stays
longest; all copies together are never larger than the bound.
"""

import fcntl
import gzip
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self

from musicsync.records import MusicsyncError, Permanent, Shed

GZIP = b"\x1f\x8b"
IN_USE_SECONDS = 600.0
"""A copy that was read within this time is not deleted for another."""
OLD_SECONDS = 3600.0
_STEP = 16_000_000
_CHUNK = 1_000_000
_KEY = 20


class Spool:
    """The copies of this machine in one folder, of at most so many bytes together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most = folder, most_bytes

    def find(self, source: str, version: str) -> Path | None:
        """Return the copy of a version, which counts as used now; ``None`` where there is none."""
        path = self._path(source, version)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    @contextmanager
    def making(self, source: str) -> Iterator[Path]:
        """Let nobody else on this machine copy the source meanwhile; gives the path of a draft, which is kept.

        Raises:
            Shed: somebody else does at present.
            MusicsyncError: the folder cannot be written, or the copies would be too large.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / f"{_key(source)}.lock").open("wb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise Shed("another process copies this file at present") from None
                yield self._folder / f"{_key(source)}.draft"
        except OSError as error:
            raise MusicsyncError(
                f"MUSICSYNC_SPOOL: {self._folder} cannot be written ({error.strerror or error}): make room, or name a "
                "folder that the worker may write to"
            ) from error

    def pour(self, packed: BinaryIO, draft: Path) -> None:
        """Write the content of a file, unpacked where it is gzip.

        Raises:
            Permanent: it is damaged, or cut off.
            MusicsyncError: as ``making`` does.
        """
        is_packed = packed.read(len(GZIP)) == GZIP
        packed.seek(0)
        try:
            with draft.open("wb") as copy, Room(self) as room:
                plain: BinaryIO = gzip.GzipFile(fileobj=packed) if is_packed else packed  # type: ignore[assignment]
                while chunk := plain.read(_CHUNK):
                    room.take(len(chunk))
                    copy.write(chunk)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Permanent(
                f"the compressed file is damaged or cut off ({error}): is its upload still under way? When it is "
                "whole, start another run"
            ) from error

    def keep(self, draft: Path, source: str, version: str) -> Path:
        """Make a draft the copy of a version; older ones of the source go, where nobody reads them any more."""
        path = self._path(source, version)
        draft.replace(path)
        for other in self._folder.glob(f"{_key(source)}-*"):
            if other != path and time.time() - other.stat().st_mtime > OLD_SECONDS:
                other.unlink(missing_ok=True)
        return path

    def make_room(self, size: int) -> None:
        """Delete what was not used for longest, until there is room for so many bytes more.

        Raises:
            MusicsyncError: what is in use leaves too little.
        """
        files = sorted(self._files(), key=lambda file: file[1].st_mtime)
        used = sum(status.st_size for _, status in files)
        for path, status in files:
            if used + size <= self._most:
                return
            if time.time() - status.st_mtime > IN_USE_SECONDS:
                path.unlink(missing_ok=True)
                used -= status.st_size
        if used + size > self._most:
            raise MusicsyncError(
                f"MUSICSYNC_SPOOL_MB: the copies of files would exceed {self._most // 1_000_000:,} MB: raise it "
                "where the disk has room"
            )

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                yield path, path.stat()

    def _path(self, source: str, version: str) -> Path:
        return self._folder / f"{_key(source)}-{_key(version)}"


class Room:
    """Room in a spool for what is being written, asked for in steps."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._left = spool, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def take(self, size: int) -> None:
        """Use up room.

        Raises:
            MusicsyncError: there is none left.
        """
        if size > self._left:
            self._spool.make_room(max(size, _STEP))
            self._left = max(size, _STEP)
        self._left -= size


def _key(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_KEY]
