"""A folder of feeds is no way to the rest of the machine, and a file that changes is no mix of two versions."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from musicsync.providers.file_feed.folders import Folder, check
from musicsync.records import MusicsyncError, Permanent


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text("secret\n")
    (tmp_path / "feeds" / "partner").mkdir(parents=True)
    return tmp_path / "feeds"


def opened(feeds: Path, path: str, name: str = "") -> bytes:
    folder = Folder(feeds.as_uri(), [feeds])
    with folder.reading(path, name or path.rpartition("/")[2]) as file:
        return file.read()


def test_files_are_named_by_a_pattern_in_the_order_of_their_names(feeds: Path) -> None:
    for name in ("b.csv", "a.csv", ".hidden.csv", "c.txt"):
        (feeds / "partner" / name).write_text(name)
    (feeds / "partner" / "d.csv").mkdir()
    (feeds / "partner" / "e.csv").symlink_to(feeds.parent / "secret.csv")
    folder = Folder((feeds / "partner").as_uri(), [feeds])
    assert [file.name for file in folder.files("*.csv")] == ["a.csv", "b.csv"]
    assert [file.name for file in folder.files("b.csv")] == ["b.csv"]
    assert folder.files("none.csv") == []
    assert [file.name for file in Folder(feeds.as_uri(), [feeds]).files("partner/[ab].csv")] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "file:///srv/feeds/../secrets",
        "file:///srv/feeds/%2e%2e/secrets",
        "file:///srv/feeds2",
        "file://host/srv/feeds",
        "file:srv/feeds",
        "file:///srv/feeds/%00",
        "file://[::1/srv/feeds",
        "file:///",
        "file:///srv/feeds?a",
        "file:///srv/feeds#a",
    ],
)
def test_a_base_url_leads_into_an_allowed_folder_only(url: str) -> None:
    with pytest.raises(MusicsyncError, match=r"in no folder that MUSICSYNC_FEED_FOLDERS allows|is no folder: "):
        check(url, [Path("/srv/feeds")])
    with pytest.raises(MusicsyncError, match=r"\(it names none\)|is no folder"):
        check(url, [])


def test_the_allowed_folder_itself_and_what_is_below_it_may_be_read() -> None:
    check("file:///srv/feeds", [Path("/srv/other"), Path("/srv/feeds")])
    check("file:///srv/feeds/a%20partner/", [Path("/srv/feeds")])


def a_link(feeds: Path) -> str:
    (feeds / "link.csv").symlink_to(feeds.parent / "secret.csv")
    return "link.csv"


def a_linked_folder(feeds: Path) -> str:
    (feeds / "out").symlink_to(feeds.parent)
    return "out/secret.csv"


def a_folder(feeds: Path) -> str:
    (feeds / "folder.csv").mkdir()
    return "folder.csv"


def a_pipe(feeds: Path) -> str:
    os.mkfifo(feeds / "pipe.csv")
    return "pipe.csv"


def a_socket(feeds: Path) -> str:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(feeds / "socket.csv"))
    return "socket.csv"


@pytest.mark.parametrize("made", [a_link, a_linked_folder, a_folder, a_pipe, a_socket])
def test_what_is_no_regular_file_of_the_folder_is_not_read(feeds: Path, made: Callable[[Path], str]) -> None:
    with pytest.raises(MusicsyncError) as raised:
        opened(feeds, made(feeds))
    assert "\n" not in str(raised.value)


def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(feeds: Path) -> None:
    folder = Folder((feeds / "partner").as_uri(), [feeds])
    (feeds / "partner").rmdir()
    (feeds / "partner").symlink_to(feeds.parent)
    with pytest.raises(MusicsyncError, match="partner is a symbolic link"):
        folder.files("*.csv")


def test_the_allowed_folder_may_be_a_link_itself(feeds: Path, tmp_path: Path) -> None:
    (feeds / "a.csv").write_text("a")
    (tmp_path / "linked").symlink_to(feeds)
    assert opened(tmp_path / "linked", "a.csv") == b"a"


def test_what_is_not_there_is_said_in_one_line(feeds: Path) -> None:
    with pytest.raises(Permanent, match=r"there is no a\.csv \(any more\)"):
        opened(feeds, "a.csv")
    with pytest.raises(Permanent, match=r"there is no nowhere \(any more\)"):
        Folder(f"{feeds.as_uri()}/nowhere", [feeds]).files("*.csv")
    (feeds / "line\nbreak.csv").write_text("a")
    with pytest.raises(Permanent, match="the name of the file 'line break.csv' is no text that can be kept: rename it"):
        Folder(feeds.as_uri(), [feeds]).files("*.csv")


def test_a_file_that_is_another_one_is_not_read_on(feeds: Path) -> None:
    path = feeds / "a.csv"
    path.write_text("a")
    folder = Folder(feeds.as_uri(), [feeds])
    [file] = folder.files("a.csv")
    path.write_text("ab")
    with (
        pytest.raises(Permanent, match=r"a\.csv has changed since this run began"),
        folder.reading("a.csv", file.name, file.version),
    ):
        pytest.fail("it was opened")
    [file] = folder.files("a.csv")
    with pytest.raises(Permanent, match="has changed"), folder.reading("a.csv", file.name, file.version):
        path.write_text("abc")


def test_a_copy_with_the_same_time_is_the_same_version(feeds: Path) -> None:
    (feeds / "a.csv").write_text("a")
    (feeds / "partner" / "a.csv").write_text("a")
    status = (feeds / "a.csv").stat()
    os.utime(feeds / "partner" / "a.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    folder = Folder(feeds.as_uri(), [feeds])
    assert folder.files("a.csv") == folder.files("partner/a.csv")
