"""Files of a local folder, below one that the operator of the machine allowed, and nothing else of that machine.

Whoever edits providers chooses the folder and the names, and must not come by them to other files. So each part of the
way is opened from the folder before it, and no symbolic link is followed: nothing comes between looking and opening.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from musicsync.providers.base import one_line
from musicsync.records import MusicsyncError, Permanent

_SCHEME = "file:"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Named(Struct, frozen=True):
    """A file as it is now: ``version`` is another one as soon as it is written to or replaced."""

    name: str
    version: str


class Folder:
    """A folder of feeds."""

    def __init__(self, base_url: str, allowed: Iterable[Path]) -> None:
        """Take the folder of a ``file:`` URL; nothing is opened yet.

        Raises:
            MusicsyncError: it is not below one of the allowed folders.
        """
        self.base_url = base_url.rstrip("/")
        self._root, self._parts = _within(base_url, allowed)

    def files(self, path: str) -> list[Named]:
        """Return the regular files that a name or pattern means, in the order of their names.

        Raises:
            Permanent: a folder on the way is not there, or the name of a file is no text.
            MusicsyncError: a folder on the way cannot be opened.
        """
        *way, pattern = path.split("/")
        found = []
        with self._opened(way) as folder:
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - of an open folder
                if fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith(".")):
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append(Named(_printable(name), _version(status)))
        return found

    @contextmanager
    def reading(self, path: str, name: str, version: str | None = None) -> Iterator[BinaryIO]:
        """Open one of the files, in this version where one is named; it is the same one until the end.

        Raises:
            Permanent: it is gone, or was changed.
            MusicsyncError: it cannot be opened, or is no regular file.
        """
        with self._opened(path.split("/")[:-1]) as folder:
            number = _open(name, _FILE, folder)
        before = os.fstat(number)
        if not stat.S_ISREG(before.st_mode):
            os.close(number)
            raise MusicsyncError(f"{name} is no regular file: only such are read")
        with os.fdopen(number, "rb") as file:
            if version and _version(before) != version:
                raise changed(name)
            yield file
            if _version(os.fstat(number)) != _version(before):
                raise changed(name)

    @contextmanager
    def _opened(self, way: list[str]) -> Iterator[int]:
        number = _open(str(self._root), _FOLDER & ~os.O_NOFOLLOW, None)
        try:
            for part in (*self._parts, *way):
                inner = _open(part, _FOLDER, number)
                os.close(number)
                number = inner
            yield number
        finally:
            os.close(number)


def is_folder(base_url: str) -> bool:
    """Tell whether a base URL is that of a folder."""
    return base_url.lower().startswith(_SCHEME)


def changed(name: str) -> Permanent:
    """Return the error for a file that is another one than the run began with."""
    return Permanent(
        f"{name} has changed since this run began to read it, so nothing more of it is read and nothing is removed: "
        "start another run"
    )


def check(base_url: str, allowed: Iterable[Path]) -> None:
    """Check that a ``file:`` URL is below one of the allowed folders.

    Raises:
        MusicsyncError: it is not.
    """
    _within(base_url, allowed)


def _within(base_url: str, allowed: Iterable[Path]) -> tuple[Path, tuple[str, ...]]:
    """Return the allowed folder that the URL leads into, and the way from there."""
    host, way = _split(base_url)
    path = PurePosixPath(unquote(way))
    if host or not path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise MusicsyncError(f"{base_url} is no folder: write it as file:///srv/feeds/name, without ..")
    for folder in allowed:
        if path.is_relative_to(folder):
            return folder, path.relative_to(folder).parts
    named = ", ".join(map(str, allowed)) or "it names none"
    raise MusicsyncError(
        f"{path} is in no folder that MUSICSYNC_FEED_FOLDERS allows ({named}): put the files below one of them, or add "
        "the folder to it for web and worker"
    )


def _split(base_url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(base_url)
    except ValueError as error:
        raise MusicsyncError(f"{base_url} is no folder: {error}") from error
    if parts.query or parts.fragment:
        raise MusicsyncError(
            f"{base_url} is no folder: a folder has no query; write ? and # of its name as %3F and %23"
        )
    return parts.netloc, parts.path


def _printable(name: str) -> str:
    """Return the name of a file that can be written down.

    Raises:
        Permanent: it holds what is no text.
    """
    if not name.isprintable():
        raise Permanent(f"the name of the file {one_line(name)!a} is no text that can be kept: rename it")
    return name


def _open(name: str, flags: int, folder: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise Permanent(f"there is no {name} (any more): look where the files are, and start another run") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise MusicsyncError(f"{name} is a symbolic link or of another kind, which is not followed") from error
        raise MusicsyncError(f"{name} cannot be opened ({error.strerror}): let the worker's user read it") from error


def _version(status: os.stat_result) -> str:
    """Return what tells one content of a file from another, as rsync does: copies on other machines have the same."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"
