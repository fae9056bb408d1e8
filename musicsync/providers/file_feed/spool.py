"""Copies of files that cannot be read from any place in them: packed ones, and those of a web server.

A copy is made once for each version and machine, unpacked, so that a page of it costs a seek. What was used last stays
longest; all copies together are never larger than the bound.
"""

import errno
import fcntl
import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from musicsync.records import MusicsyncError, Permanent, Shed

IN_USE_SECONDS = 600.0
"""A copy that was read within this time is not deleted for another."""
UNPACKING_SECONDS = 40.0
"""Well below the time limit of a task: some gigabytes."""
_GZIP = b"\x1f\x8b"
_LARGEST_STEP = 16_000_000
_CHUNK = 1_000_000
_KEY = 20
_UNUSABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)


class Spool:
    """The copies of this machine in one folder, of at most so many bytes together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Take where they are; nothing is written yet."""
        self._folder, self._most = folder, most_bytes
        # Room is asked for in steps, so that the folder is not gone over for each piece.
        self._step = min(_LARGEST_STEP, most_bytes // 10)

    def copy(self, source: str, version: str, make: Callable[[Path], None]) -> Path:
        """Return the copy of a version, which counts as used now; where there is none, ``make`` writes it to a path.

        Nothing is left at that path where it fails.

        Raises:
            Shed: another process makes a copy of the source at present.
            Permanent: it alone is larger than all copies together may be.
            MusicsyncError: the folder cannot be written, or the copies that are in use leave too little room.
        """
        path = self._folder / f"{_key(source)}-{_key(version)}"
        if _touched(path):
            return path
        with self._making(source) as draft:
            if not _touched(path):
                try:
                    make(draft)
                    draft.replace(path)
                finally:
                    # What failed half-way would count as in use.
                    draft.unlink(missing_ok=True)
            self._drop_others(source, path)
        return path

    def pour(self, packed: BinaryIO, draft: Path, beside: int = 0) -> None:
        """Write the content of a file, unpacked where it is gzip; it takes so many bytes ``beside`` until then.

        Raises:
            Permanent: it is damaged, cut off, or takes too long to unpack; or as ``copy`` does.
            MusicsyncError: as ``copy`` does.
        """
        with draft.open("wb") as copy:
            self.fill(copy, _plain_chunks(packed), beside)

    def fill(self, copy: BinaryIO, chunks: Iterable[bytes], beside: int = 0) -> None:
        """Write what comes, as long as there is room for it; ``beside`` is as in ``pour``.

        Raises:
            Permanent, MusicsyncError: as ``copy`` does.
        """
        left, taken = 0, copy.tell() + beside
        for chunk in chunks:
            self.check_size(taken + len(chunk))
            if len(chunk) > left:
                left = min(max(len(chunk), self._step), self._most - taken)
                self._make_room(left)
            left -= len(chunk)
            taken += len(chunk)
            copy.write(chunk)

    def check_size(self, size: int) -> None:
        """Check that one file of so many bytes may be there at all.

        Raises:
            Permanent: it may not.
        """
        if size > self._most:
            raise Permanent(
                f"the file takes {size / 1_000_000:,.0f} MB or more, and MUSICSYNC_SPOOL_MB allows all copies together "
                f"{self._most // 1_000_000:,} MB: raise it where the disk has room, or ask for smaller files"
            )

    def _make_room(self, size: int) -> None:
        """Delete what was not used for longest, until there is room for so many bytes more.

        Raises:
            MusicsyncError: what is in use leaves too little.
        """
        files = sorted(self._files(), key=lambda file: file[1].st_mtime)
        used = sum(status.st_size for _, status in files)
        for path, status in files:
            if used + size <= self._most:
                return
            if _is_idle(status):
                path.unlink(missing_ok=True)
                used -= status.st_size
        if used + size > self._most:
            raise MusicsyncError(
                f"MUSICSYNC_SPOOL_MB: the copies of files would exceed {self._most // 1_000_000:,} MB: raise it "
                "where the disk has room"
            )

    @contextmanager
    def _making(self, source: str) -> Iterator[Path]:
        """Let nobody else on this machine copy the source meanwhile; gives the path of a draft, which is kept."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / f"{_key(source)}.lock").open("wb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise Shed("another process makes a copy of this file at present") from None
                yield self._folder / f"{_key(source)}.draft"
        except OSError as error:
            if error.errno not in _UNUSABLE:
                raise
            raise MusicsyncError(
                f"MUSICSYNC_SPOOL: {self._folder} cannot be written ({error.strerror}): make room, or name a folder "
                "that the worker may write to"
            ) from error

    def _drop_others(self, source: str, path: Path) -> None:
        """Delete the copies of other versions that nobody reads any more."""
        for other, status in self._files():
            if other.name.startswith(f"{_key(source)}-") and other != path and _is_idle(status):
                other.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            # A lock that is deleted would lock nothing any more, and a note is of no size.
            if path.suffix not in (".lock", ".version"):
                with suppress(FileNotFoundError):
                    yield path, path.stat()


def is_packed(file: BinaryIO) -> bool:
    """Tell whether a file is gzip; it is read from its start next."""
    file.seek(0)
    magic = file.read(len(_GZIP))
    file.seek(0)
    return magic == _GZIP


def unpacked(head: bytes, is_whole: bool, size: int) -> tuple[bytes, bool]:
    """Return so many bytes of what a file begins with, unpacked where it is gzip, and whether these are all of it.

    Raises:
        Permanent: it is damaged, or cut off.
    """
    if not head.startswith(_GZIP):
        return head[:size], is_whole and len(head) <= size
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = member.decompress(head, size)
    except zlib.error as error:
        raise _damaged(error) from error
    if is_whole and not (member.eof or member.unconsumed_tail):
        raise _damaged("it has no end")
    return plain, is_whole and member.eof and not member.unused_data


def _plain_chunks(file: BinaryIO) -> Iterator[bytes]:
    deadline = time.monotonic() + UNPACKING_SECONDS
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if is_packed(file) else file
    try:
        while chunk := plain.read(_CHUNK):
            yield chunk
            if time.monotonic() > deadline:
                raise Permanent(
                    f"the compressed file takes longer than {UNPACKING_SECONDS:g} s to unpack: ask for smaller files, "
                    "or for one that is not compressed"
                )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(error) from error


def _damaged(reason: object) -> Permanent:
    return Permanent(
        f"the compressed file is damaged or cut off ({reason}): is its upload still under way? When it is whole, "
        "start another run"
    )


def _touched(path: Path) -> bool:
    """Tell whether there is such a copy, and let it count as used now."""
    try:
        os.utime(path)
    except OSError:
        return False
    return True


def _is_idle(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > IN_USE_SECONDS


def _key(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_KEY]
