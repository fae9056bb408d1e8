"""A feed of files: from a folder into the catalogue, and what changes, damages or withholds the files on the way."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from musicsync.admin.show import link_address
from musicsync.models import Budget, Change, Fetch, Provider, Rejection, Run, Scope, SourceTrack
from musicsync.sync import drift, runs
from musicsync.sync.work import work
from tests.integration.cataloguing import catalogue, forget_all_but_providers, row_versions
from tests.integration.driving import drive, sync
from tests.integration.test_admin import button, said_by
from tests.unit.providers.server import answer, serving

pytestmark = pytest.mark.usefixtures("transactional_db")

HEADER = "Track ID,Title,No,ISRC,Seconds,Artist,Album ID,Album"
OPTIONS: dict[str, Any] = {
    "path": "dump-*.csv",
    "rows": 10,
    "duration": "s",
    "lists": {"ISRC": ";", "Artist": "|"},
    "track": {
        "id": "Track ID",
        "title": "Title",
        "position": "No",
        "isrcs": "ISRC",
        "duration": "Seconds",
        "artists": "Artist",
    },
    "release": {"id": "Album ID", "title": "Album"},
}
OF_LINES = {
    "path": "dump.jsonl",
    "rows": 10,
    "duration": "s",
    "track": {"id": "id", "title": "title", "position": "no", "isrcs": "isrcs", "duration": "len", "artists": "by"},
    "release": {"id": "album.id", "title": "album.title"},
    "artist": {"name": "@"},
}


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder that the operator allows."""
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    settings.MUSICSYNC_FEED_FOLDERS = [feeds]
    settings.MUSICSYNC_SPOOL = tmp_path / "spool"
    return feeds


def row(number: int, title: str = "") -> str:
    album = number // 5
    return (
        f'{number},"{title or f"Song, {number}"}",{number % 5 + 1},GBABC19{number:05},201.5,'
        f'"Ada Lov|Bén {album}",a{album},"Album ""{album}"""'
    )


def write(path: Path, rows: list[str], header: str = HEADER) -> None:
    text = "".join(f"{line}\r\n" for line in [header, *rows]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def line(number: int) -> str:
    album = number // 5
    return json.dumps(
        {
            "id": str(number),
            "title": f"Song, {number}",
            "no": number % 5 + 1,
            "isrcs": [f"GBABC19{number:05}"],
            "len": 201.5,
            "by": ["Ada Lov", f"Bén {album}"],
            "album": {"id": f"a{album}", "title": f'Album "{album}"'},
        }
    )


def made(folder: Path, **options: object) -> Provider:
    budget = Budget.objects.create(name="partner", rate=1000.0, burst=100)
    provider = Provider.objects.create(
        slug="partner",
        adapter="file-feed",
        base_url=folder.as_uri(),
        budget=budget,
        trust=1,
        removal_limit=0.1,
        options=OPTIONS | options,
    )
    Scope.objects.create(provider=provider, kind="feed")
    return provider


def outcomes(run: Run) -> set[str | None]:
    return set(Fetch.objects.filter(run=run).values_list("outcome", flat=True))


def read_pages(run: Run, number: int) -> None:
    """Work on so many fetches of the run, and let its process end there."""
    owed = Fetch.objects.filter(run=run, status__in=("pending", "queued")).order_by("pk")
    for _ in range(number):
        work(owed[0].pk)
    owed.update(status="pending")


@pytest.fixture
def provider(folder: Path) -> Provider:
    """A partner whose dump of 35 tracks, four pages, was read."""
    write(folder / "dump-1.csv", [row(number) for number in range(35)])
    partner = made(folder)
    run = sync(partner, threads=2)
    assert (run.status, run.summary["track.created"], run.summary["rejected"]) == ("done", 35, 0)
    return partner


def test_an_unchanged_dump_costs_no_write(provider: Provider) -> None:
    before, changes = row_versions(), Change.objects.count()
    again = sync(provider)
    assert (again.status, outcomes(again), again.summary["requests"]) == ("done", {"not_modified"}, 5)
    assert (row_versions(), Change.objects.count()) == (before, changes)


def test_an_incremental_run_looks_once_where_nothing_is_new(provider: Provider) -> None:
    again = sync(provider, "incremental")
    assert (again.status, again.summary["requests"], again.summary.get("track.unchanged", 0)) == ("done", 1, 0)


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_the_next_dump_changes_what_differs(provider: Provider, folder: Path, mode: Any) -> None:
    write(
        folder / "dump-2.csv", [row(99, "New"), *[row(number, "Other" if number == 7 else "") for number in range(34)]]
    )
    run = sync(provider, mode)
    assert (run.status, run.summary["track.created"], run.summary["track.updated"]) == ("done", 1, 1)
    assert run.summary["track.unchanged"] == 33
    assert run.summary.get("track.removed", 0) == (1 if mode == "full" else 0)
    assert SourceTrack.objects.get(external_id="34").state == ("gone" if mode == "full" else "present")
    assert SourceTrack.objects.get(external_id="7").fields["title"] == "Other"


def test_packed_or_as_lines_of_json_it_is_the_same_catalogue(provider: Provider, folder: Path) -> None:
    expected = catalogue()
    write(folder / "packed.csv.gz", [row(number) for number in range(35)])
    (folder / "dump.jsonl").write_text("".join(f"{line(number)}\n" for number in range(35)), encoding="utf-8")
    for options in (OPTIONS | {"path": "packed.csv.gz"}, OF_LINES):
        forget_all_but_providers()
        Provider.objects.update(options=options)
        assert sync(Provider.objects.get()).status == "done"
        assert catalogue() == expected


def test_a_packed_dump_is_unpacked_once(provider: Provider, folder: Path, tmp_path: Path) -> None:
    write(folder / "packed.csv.gz", [row(number) for number in range(35)])
    Provider.objects.update(options=OPTIONS | {"path": "packed.csv.gz"})
    forget_all_but_providers()
    sync(Provider.objects.get(), threads=2)
    [copy] = [path for path in (tmp_path / "spool").iterdir() if path.suffix != ".lock"]
    written = copy.stat().st_ctime_ns, copy.stat().st_size
    assert outcomes(sync(Provider.objects.get())) == {"not_modified"}
    assert (copy.stat().st_ctime_ns, copy.stat().st_size) == written


def test_a_dump_of_far_fewer_rows_is_held(provider: Provider, folder: Path) -> None:
    for rows in ([row(0)], []):
        write(folder / "dump-2.csv", rows)
        run = sync(provider)
        assert run.status == "held"
        assert "would be removed" in run.error
        assert SourceTrack.objects.filter(state="present").count() == 35


def test_a_dump_whose_column_is_empty_all_at_once_is_held(folder: Path) -> None:
    rows = [row(number) for number in range(200)]
    write(folder / "dump-1.csv", rows)
    provider = made(folder, rows=50)
    sync(provider)
    before = catalogue()
    write(folder / "dump-2.csv", [re.sub("GBABC[0-9]+", "", one) for one in rows])
    run = sync(provider)
    assert (run.status, drift.HELD in run.error) == ("errors", True)
    assert catalogue() == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty: is its upload still under way?"),
        (lambda path: path.unlink(), "there is no file dump-\\*.csv: look whether it was delivered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "line 36, the last one, is cut off"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"ISRC", b"Code", 1)),
            "'ISRC', the option .* is no col",
        ),
        (lambda path: path.write_bytes(path.read_bytes().decode().encode("utf-16")), "the file is in UTF-16"),
    ],
)
def test_a_dump_that_cannot_be_believed_fails_its_run_and_removes_nothing(
    provider: Provider, folder: Path, spoil: Any, said: str
) -> None:
    before = catalogue()
    spoil(folder / "dump-1.csv")
    run = sync(provider)
    assert run.status in ("errors", "failed")
    [dead] = Fetch.objects.filter(run=run, status="dead")
    assert re.search(said, dead.error)
    assert "\n" not in dead.error
    assert catalogue() == before


def test_a_dump_that_changes_while_it_is_read_is_no_mix_of_two(provider: Provider, folder: Path) -> None:
    path = folder / "dump-1.csv"
    write(path, [row(number, f"B {number}") for number in range(35)])
    run = runs.open_run(provider, "full", "cli")
    read_pages(run, 2)
    write(path, [row(number, f"C {number}") for number in range(100, 135)])
    ended = drive(run)
    assert ended.status == "errors"
    assert "dump-1.csv has changed since this run began" in ended.error
    assert not SourceTrack.objects.exclude(state="present").exists()
    assert not SourceTrack.objects.filter(fields__title__startswith="C").exists()
    Provider.objects.update(removal_limit=1.0)
    assert sync(Provider.objects.get()).status == "done"
    assert set(SourceTrack.objects.filter(state="present").values_list("external_id", flat=True)) == {
        str(number) for number in range(100, 135)
    }


def test_a_run_goes_on_where_it_was(provider: Provider, folder: Path) -> None:
    """Which page of which version comes next stands in the ledger, whatever becomes of the process."""
    write(folder / "dump-2.csv", [row(number, f"B {number}") for number in range(35)])
    run = runs.open_run(provider, "full", "cli")
    read_pages(run, 3)
    [owed] = Fetch.objects.filter(run=run, status="pending")
    assert owed.key == "dump-*.csv?page=3"
    assert owed.request["state"]["line"] == "22"
    assert (drive(run).status, run.fetches.count()) == ("done", 5)
    assert SourceTrack.objects.filter(fields__title__startswith="B").count() == 35


def test_bad_rows_are_rejected_with_their_line(folder: Path) -> None:
    rows = [row(number) for number in range(35)]
    rows[3], rows[20], rows[30] = "3,too,few", row(20).replace("20,", ",", 1), row(30).replace("Bén", "B\udcffn")
    text = "".join(f"{one}\n" for one in [HEADER, *rows]).encode(errors="surrogateescape")
    (folder / "dump-1.csv").write_bytes(text)
    run = sync(made(folder))
    assert (run.status, run.summary["track.created"], run.summary["rejected"]) == ("done", 32, 3)
    assert dict(Rejection.objects.values_list("path", "reason")) == {
        "line 5": "it has 3 cells, and there are 8 columns",
        "line 22": 'track.id (`"Track ID"`): Expected `int | str`, got `null`',
        "line 32": "it is not in utf-8 (byte 0xff): set the option encoding",
    }


def test_all_files_are_read_in_order_and_the_last_word_counts(folder: Path) -> None:
    write(folder / "delta-1.csv", [row(number) for number in range(15)])
    write(folder / "delta-2.csv", [row(3, "Second"), row(40), row(3, "Third")])
    provider = made(folder, path="delta-*.csv", files="all")
    run = sync(provider, threads=2)
    assert (run.status, run.summary["distinct_tracks"]) == ("done", 16)
    assert SourceTrack.objects.get(external_id="3").fields["title"] == "Third"
    assert outcomes(sync(provider)) == {"not_modified"}
    write(folder / "delta-3.csv", [row(3, "Fourth")])
    run = sync(provider, "incremental")
    assert (run.status, list(run.fetches.order_by("pk").values_list("key", flat=True))[1:]) == (
        "done",
        ["delta-*.csv?file=delta-3.csv&page=1", "delta-*.csv?after=delta-3.csv"],
    )
    assert SourceTrack.objects.get(external_id="3").fields["title"] == "Fourth"
    # What came before is another now, so that all behind it is read again and still has the last word.
    write(folder / "delta-1.csv", [row(number, f"Anew {number}") for number in range(15)])
    sync(provider, "incremental")
    assert SourceTrack.objects.get(external_id="3").fields["title"] == "Fourth"
    assert SourceTrack.objects.get(external_id="4").fields["title"] == "Anew 4"


def test_a_full_run_does_not_forget_the_files_that_were_read_since_the_one_before(folder: Path) -> None:
    for day in (1, 2, 3):
        write(folder / f"delta-{day}.csv", [row(day)])
    provider = made(folder, path="delta-*.csv", files="all")
    sync(provider)
    write(folder / "delta-4.csv", [row(4)])
    sync(provider, "incremental")
    watermark = Scope.objects.get().watermark
    assert "/delta-4.csv/" in (watermark or "")
    sync(provider)
    assert Scope.objects.get().watermark == watermark
    assert Fetch.objects.filter(run=sync(provider, "incremental")).count() == 1


def test_a_file_of_a_web_server_is_downloaded_once_and_asked_for_once_a_run(folder: Path) -> None:
    content = "".join(f"{one}\n" for one in [HEADER, *[row(number) for number in range(35)]]).encode()
    whole, same = answer(gzip.compress(content), "200 OK", 'ETag: "v1"'), answer(b"", "304 Not Modified")
    provider = made(folder, path="all.csv.gz")
    with serving(whole, whole, same, same, answer(b"", "404 Not Found")) as server:
        Provider.objects.update(base_url=server.url, allow_private=True)
        provider.refresh_from_db()
        run = sync(provider, threads=2)
        assert (run.status, run.summary["track.created"], len(server.requests)) == ("done", 35, 2)
        again = sync(provider)
        assert (outcomes(again), again.summary["track.unchanged"], len(server.requests)) == ({"not_modified"}, 35, 3)
        assert sync(provider, "incremental").summary["requests"] == 1
        away = sync(provider)
        assert (away.status, "404: look whether it was delivered" in away.error) == ("failed", True)
    assert SourceTrack.objects.filter(state="present").count() == 35


@pytest.fixture
def client(db: None) -> Client:
    logged_in = Client()
    logged_in.force_login(User.objects.create_superuser("operator"))
    return logged_in


def test_the_command_line_sets_it_up_and_shows_the_first_records(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "dump-1.csv.gz", [row(number) for number in range(500)])
    options = tmp_path / "options.json"
    options.write_text(json.dumps(OPTIONS | {"path": "dump-*.csv.gz", "rows": 1000}))
    add = ("provider", "add", "partner", "--adapter", "file-feed", "--options", str(options), "--base-url")
    with pytest.raises(CommandError, match=r"--base-url: /etc is in no folder that MUSICSYNC_FEED_FOLDERS allows"):
        call_command(*add, "file:///etc")
    call_command(*add, folder.as_uri())
    call_command("provider", "follow", "partner", "feed")
    capsys.readouterr()
    call_command("provider", "test", "partner")
    lines = capsys.readouterr().out.splitlines()
    assert "100 tracks, 0 rejected" in lines[0]
    assert not (tmp_path / "spool").exists()
    assert sync(Provider.objects.get()).summary["track.created"] == 500


def test_the_admin_tests_it_and_refuses_other_folders(folder: Path, client: Client) -> None:
    write(folder / "dump-1.csv", [row(number) for number in range(35)])
    provider = made(folder)
    page = client.get(link_address(provider)).content.decode()
    assert "file-feed" in page
    answer = client.post(button(provider, "test_now"), {"_form_submitted": "on"}, headers={"HX-Request": "true"})
    assert "0 rejected" in said_by(answer)[0]
    assert "First records of the test" in client.get(link_address(provider)).content.decode()
    given = {"slug": "other", "adapter": "file-feed", "base_url": "file:///etc", "trust": 5, "removal_limit": 0.1}
    answer = client.post(reverse("admin:musicsync_provider_add"), given | {"options": json.dumps(OPTIONS)})
    assert "MUSICSYNC_FEED_FOLDERS" in str(answer.context["adminform"].form.errors["base_url"])


def test_an_adapter_that_asks_a_web_server_takes_no_folder(folder: Path) -> None:
    provider = made(folder)
    provider.adapter, provider.options = "feed", {}
    with pytest.raises(ValidationError, match="feed asks a web server: give its address"):
        provider.full_clean()
    provider.base_url = "ftp://files.example"
    with pytest.raises(ValidationError, match="Enter a valid URL"):
        provider.full_clean()


def test_a_folder_that_is_allowed_no_more_is_not_read(provider: Provider, settings: Any) -> None:
    settings.MUSICSYNC_FEED_FOLDERS = []
    with pytest.raises(Exception, match=r"MUSICSYNC_FEED_FOLDERS allows \(it names none\)"):
        runs.open_run(provider, "full", "cli")


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_other_options_read_the_same_file_anew(provider: Provider, mode: Any) -> None:
    Provider.objects.update(options=OPTIONS | {"rows": 20})
    run = sync(Provider.objects.get(), mode)
    assert (outcomes(run), run.summary["track.unchanged"], run.summary.get("track.removed", 0)) == ({"page"}, 35, 0)
    assert run.fetches.count() == 3
