"""Copies of packed files: made once, bounded, and never half a copy."""

import gzip
import io
import os
import time
from pathlib import Path

import pytest

from musicsync.providers.file_feed import spool as spools
from musicsync.providers.file_feed.spool import IN_USE_SECONDS, Spool, unpacked
from musicsync.records import MusicsyncError, Permanent, Shed

MEGABYTE = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 10 * MEGABYTE)


def copy(spool: Spool, content: bytes, source: str = "a", version: str = "1") -> Path:
    return spool.copy(source, version, lambda draft: spool.pour(io.BytesIO(content), draft))


def copies(spool: Spool) -> int:
    return sum(path.suffix == "" for path, _ in spool._files())


def leave(path: Path) -> None:
    """Let a copy not have been read for long."""
    then = time.time() - IN_USE_SECONDS - 1
    os.utime(path, (then, then))


def test_a_copy_is_made_once_and_unpacked(spool: Spool) -> None:
    made = copy(spool, gzip.compress(b"one") + gzip.compress(b"two"))
    assert made.read_bytes() == b"onetwo"
    assert spool.copy("a", "1", lambda _: pytest.fail("made again")) == made
    assert copy(spool, b"plain", version="2").read_bytes() == b"plain"


def test_a_copy_that_nobody_reads_goes_with_the_next_version(spool: Spool) -> None:
    leave(copy(spool, b"one"))
    kept = copy(spool, b"two", version="2")
    last = copy(spool, b"three", version="3")
    assert (kept.exists(), last.exists(), copies(spool)) == (True, True, 2)


def test_the_copies_never_exceed_their_bound(spool: Spool) -> None:
    first = copy(spool, b"x" * 6 * MEGABYTE)
    with pytest.raises(MusicsyncError, match="MUSICSYNC_SPOOL_MB: the copies of files would exceed 10 MB: raise it"):
        copy(spool, gzip.compress(b"x" * 6 * MEGABYTE), source="b")
    assert first.exists()
    assert sum(status.st_size for _, status in spool._files()) <= 10 * MEGABYTE
    leave(first)
    assert copy(spool, b"x" * 6 * MEGABYTE, source="b").stat().st_size == 6 * MEGABYTE
    assert not first.exists()


def test_a_file_that_unpacks_to_more_than_there_is_room_for_stops_there(spool: Spool) -> None:
    bomb = gzip.compress(bytes(100 * MEGABYTE))
    for _ in range(2):
        with pytest.raises(Permanent, match="MUSICSYNC_SPOOL_MB"):
            copy(spool, bomb)
        assert not list(spool._files())


def test_a_file_that_is_too_large_alone_keeps_no_other_from_being_read(spool: Spool) -> None:
    with pytest.raises(
        Permanent, match=r"the file takes 1\d MB or more, and MUSICSYNC_SPOOL_MB allows .* 10 MB: raise"
    ):
        copy(spool, gzip.compress(b"x" * 12 * MEGABYTE))
    with pytest.raises(Permanent, match="MUSICSYNC_SPOOL_MB"):
        spool.copy("a", "1", lambda draft: spool.pour(io.BytesIO(b"x" * 8 * MEGABYTE), draft, beside=3 * MEGABYTE))
    assert copy(spool, b"y" * 10 * MEGABYTE, source="b").exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(b"x" * 5000)[:-9], id="cut off"),
        pytest.param(gzip.compress(b"x")[:-4] + b"xxxx", id="another length"),
        pytest.param(b"\x1f\x8bx", id="no header"),
    ],
)
def test_a_damaged_file_leaves_no_copy(spool: Spool, content: bytes) -> None:
    with pytest.raises(Permanent, match="the compressed file is damaged or cut off .*: is its upload still under way"):
        copy(spool, content)
    assert not list(spool._files())


def test_what_takes_too_long_to_unpack_is_said(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "UNPACKING_SECONDS", -1.0)
    with pytest.raises(Permanent, match="takes longer than -1 s to unpack: ask for smaller files"):
        copy(spool, gzip.compress(b"x"))


def test_one_process_at_a_time_makes_a_copy(spool: Spool) -> None:
    def meanwhile(draft: Path) -> None:
        with pytest.raises(Shed, match="another process makes a copy of this file at present"):
            copy(spool, b"other", version="2")
        draft.write_bytes(b"mine")

    assert spool.copy("a", "1", meanwhile).read_bytes() == b"mine"
    assert copy(spool, b"other", version="2").read_bytes() == b"other"


def test_a_copy_that_another_process_made_meanwhile_is_taken(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = copy(spool, b"other")
    looks = iter([False, True])
    monkeypatch.setattr(spools, "_touched", lambda _: next(looks))
    assert spool.copy("a", "1", lambda _: pytest.fail("made again")) == made


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MusicsyncError, match=r"MUSICSYNC_SPOOL: .*/file/spool cannot be written \(Not a directory\)"):
        copy(Spool(tmp_path / "file" / "spool", MEGABYTE), b"x")


def test_what_a_file_begins_with_is_unpacked() -> None:
    packed, longer = gzip.compress(b"abc"), gzip.compress(os.urandom(5000))
    assert unpacked(b"abc", True, 3) == (b"abc", True)
    assert unpacked(b"abc", False, 3) == (b"abc", False)
    assert unpacked(packed, True, 3) == (b"abc", True)
    assert unpacked(packed + packed, True, 100) == (b"abc", False)
    assert unpacked(gzip.compress(b"x" * MEGABYTE), True, 1000) == (b"x" * 1000, False)
    plain, is_whole = unpacked(longer[:1000], False, 5000)
    assert (0 < len(plain) < 1000, is_whole) == (True, False)
    with pytest.raises(Permanent, match="damaged or cut off .it has no end."):
        unpacked(longer[:1000], True, 5000)
    with pytest.raises(Permanent, match="damaged or cut off"):
        unpacked(b"\x1f\x8bno gzip at all", True, 5000)
