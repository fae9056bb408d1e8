import json

import pytest

from musicsync.providers import registry
from musicsync.providers.discogs.places import Places
from musicsync.records import Page, Request, Response

DISCOGS = registry.get("discogs")
RELEASE = {"id": 7, "title": "First Light"}


def parse(path: str, body: object) -> Page:
    response = Response(status=200, headers={}, body=json.dumps(body).encode(), url="")
    return DISCOGS.parse(Request(path=path), response)


def of_release(kind: str, **fields: object) -> dict[str, object]:
    page = parse("releases/7", {**RELEASE, **fields})
    record = next(record for record in page.records if record.kind == kind)
    return {name: getattr(record, name) for name in record.__struct_fields__}


@pytest.mark.parametrize(
    ("printed", "places"),
    [
        ("A B", [(1, 1), (1, 2)]),
        ("A1 A2 B1 C1 D", [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]),
        ("A-1 B-1 C-1", [(1, 1), (1, 2), (2, 1)]),
        ("A1a A1b A2", [(1, 1), (1, 2), (1, 3)]),
        ("1 2 10", [(1, 1), (1, 2), (1, 10)]),
        ("1 1 2", [(1, 1), (1, 2), (1, 3)]),
        ("1-01 1-02 2-01", [(1, 1), (1, 2), (2, 1)]),
        ("CD1-1 CD1-2 CD2-1 DVD-1", [(1, 1), (1, 2), (2, 1), (3, 1)]),
        ("A1 B1 CD1 CD2", [(1, 1), (1, 2), (2, 1), (2, 2)]),
        ("0 A1 A2", [(1, 0), (1, 1), (1, 2)]),
        ("0 1", [(1, 0), (1, 1)]),
        ("A1-A3 A4 B", [(1, 1), (1, 2), (1, 3)]),
        ("1-A1 1-A2 2-A1", [(1, 1), (1, 2), (1, 3)]),
        ("1.1 1.2 2", [(1, 1), (1, 2), (1, 3)]),
        ("Video", [(1, 1)]),
        ("7" * 50, [(1, 1)]),
        ("-" * 100_000, [(1, 1)]),
    ],
)
def test_a_printed_position_says_disc_and_place(printed: str, places: list[tuple[int, int]]) -> None:
    counted = Places()
    assert [counted.next(text) for text in printed.split(" ")] == places


def test_no_two_tracks_of_a_release_are_known_by_one_name() -> None:
    places = Places()
    assert [places.name(text) for text in ("A", "", "A", "")] == ["A", "#1", "A#2", "#2"]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("3:32", 212_000),
        (" 3:32 ", 212_000),
        ("74:10", 4_450_000),
        ("1:02:03", 3_723_000),
        ("0:00", None),
        ("", None),
        ("3", None),
        ("about 3:32", None),
    ],
)
def test_a_duration_is_minutes_and_seconds_or_nothing(text: str, milliseconds: int | None) -> None:
    assert of_release("track", tracklist=[{"title": "Dawn", "duration": text}])["duration_ms"] == milliseconds


@pytest.mark.parametrize(
    ("released", "year", "date"),
    [
        ("1987-07-00", 1987, "1987-07"),
        ("1987-00-00", 1987, "1987"),
        ("1987-07-04", 1987, "1987-07-04"),
        ("", 1987, "1987"),
        (None, 1987, "1987"),
        ("", 0, None),
        (None, None, None),
    ],
)
def test_a_date_is_as_precise_as_it_is_known(released: str | None, year: int | None, date: str | None) -> None:
    assert of_release("release", released=released, year=year)["released"] == date


@pytest.mark.parametrize(
    ("join", "phrase"),
    [("&", " & "), (",", ", "), ("", ", "), (None, ", "), ("Feat.", " Feat. "), (" vs ", " vs "), ("; and", "; and ")],
)
def test_what_stands_between_two_names_is_kept(join: str | None, phrase: str) -> None:
    first, second = of_release("release", artists=[{"name": "A", "join": join}, {"name": "B", "join": "&"}])["credits"]
    assert (first.join_phrase, second.join_phrase) == (phrase, "")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Tim Baker (2)", "Tim Baker"), ("Sunn O)))", "Sunn O)))"), ("(3)", "(3)"), ("Abc (Official)", "Abc (Official)")],
)
def test_the_number_of_a_namesake_is_no_part_of_the_name(name: str, plain: str) -> None:
    assert of_release("artist", artists=[{"id": 1, "name": name}])["name"] == plain


@pytest.mark.parametrize(
    ("descriptions", "kind"),
    [
        (["LP", "Album"], "album"),
        (["Album", "Compilation"], "compilation"),
        (['12"', "Maxi-Single"], "single"),
        (["EP"], "ep"),
        (['12"'], None),
        ([], None),
        (None, None),
    ],
)
def test_formats_say_what_kind_of_release_it_is(descriptions: list[str] | None, kind: str | None) -> None:
    assert of_release("release", formats=[{"descriptions": descriptions}])["type"] == kind


def test_counters_prices_and_dates_of_edits_are_no_change() -> None:
    volatile = {"community": {"have": 1}, "lowest_price": 3.5, "num_for_sale": 2, "date_changed": "2014-01-01"}
    assert parse("releases/7", {**RELEASE, **volatile}) == parse("releases/7", RELEASE)
    assert DISCOGS.volatile


def test_lists_that_are_null_are_as_those_that_are_left_out() -> None:
    lists = ("artists", "extraartists", "labels", "formats", "identifiers", "genres", "styles", "tracklist")
    assert parse("releases/7", {**RELEASE, **dict.fromkeys(lists)}) == parse("releases/7", RELEASE)


def test_what_is_wrong_beside_the_tracks_costs_itself_alone() -> None:
    wrong = {
        "labels": [None, {"name": "Moss"}],
        "identifiers": [{"value": 5}],
        "genres": [None, "Folk"],
        "year": "1987",
    }
    page = parse("releases/7", {**RELEASE, **wrong})
    assert (
        page.records
        == parse("releases/7", {**RELEASE, "labels": [{"name": "Moss"}], "genres": ["Folk"], "year": 1987}).records
    )
    assert [item.path for item in page.rejected] == ["$.labels[0]", "$.identifiers[0]"]


def test_a_master_without_a_main_release_leads_nowhere() -> None:
    page = parse("artists/1/releases", {"releases": [{"id": 3, "title": "x", "type": "master", "role": "Main"}]})
    assert page == Page()


def test_the_token_is_sent_in_the_way_of_discogs() -> None:
    assert DISCOGS.auth_headers("abc") == {"Authorization": "Discogs token=abc"}


def test_the_default_rate_keeps_inside_a_minute_without_a_token() -> None:
    assert DISCOGS.rate * 60 + DISCOGS.burst <= 25
