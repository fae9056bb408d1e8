import doctest
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicsync import identifiers
from musicsync.identifiers import (
    clean_text,
    is_gtin,
    is_isrc,
    normalise_date,
    normalise_gtin,
    normalise_isrc,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
ISRCS = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)
GTINS = st.integers(1, 10**13 - 1).map(lambda number: with_check_digit(f"{number:013}"))


def with_check_digit(digits: str) -> str:
    """Return the digits with the check digit of GS1's own description: odd places from the right count three times."""
    odd, even = digits[::-1][::2], digits[::-1][1::2]
    total = 3 * sum(map(int, odd)) + sum(map(int, even))
    return f"{digits}{-total % 10}"


def test_the_examples_in_the_docstrings_hold() -> None:
    failed, attempted = doctest.testmod(identifiers)
    assert failed == 0
    assert attempted > 0


@given(ANY_TEXT)
def test_clean_text_can_be_stored_and_is_clean_already_the_second_time(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    clean.encode("utf-8")
    assert clean_text(clean) == clean


def test_clean_text_keeps_what_is_not_refused() -> None:
    assert clean_text(" \ud800紅 \x00蓮\n𝄞 ") == "紅 蓮\n𝄞"


@pytest.mark.parametrize(
    "text",
    [
        "USRC17607839",
        "us-rc1-76-07839",
        "US RC1 76 07839",
        "US.RC1.76.07839",
        "ISRC US-RC1-76-07839",
        " isrcusrc17607839 ",
        "US\x00RC17607839",
    ],
)
def test_an_isrc_has_one_form(text: str) -> None:
    assert normalise_isrc(text) == "USRC17607839"


def test_an_icelandic_isrc_may_begin_with_the_letters_of_isrc() -> None:
    assert normalise_isrc("is-rc1-76-07839") == "ISRC17607839"
    assert normalise_isrc("ISRC IS-RC1-76-07839") == "ISRC17607839"


@pytest.mark.parametrize(
    "text", ["", "-", "USRC1760783", "USRC176078390", "U1RC17607839", "USRC1760783X", "USRC1760783\u0669", "ISRC"]
)
def test_another_text_is_kept_as_given_and_is_no_isrc(text: str) -> None:
    assert normalise_isrc(f" {text} ") == text
    assert not is_isrc(text)


@given(ANY_TEXT | ISRCS)
def test_normalising_an_isrc_twice_changes_nothing(text: str) -> None:
    once = normalise_isrc(text)
    assert normalise_isrc(once) == once
    once.encode("utf-8")


@given(ISRCS, st.sampled_from(["-", " ", ".", ""]), st.booleans())
def test_every_isrc_is_found_with_separators_and_in_either_case(isrc: str, separator: str, lower: bool) -> None:
    written = separator.join((isrc[:2], isrc[2:5], isrc[5:7], isrc[7:]))
    assert normalise_isrc(written.lower() if lower else written) == isrc


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("036000291452", "00036000291452"),
        ("36000291452", "00036000291452"),
        ("4006381333931", "04006381333931"),
        ("0 36000 29145-2", "00036000291452"),
        ("96385074", "00000096385074"),
        ("10614141000415", "10614141000415"),
        ("0360002\x0091452", "00036000291452"),
    ],
)
def test_a_valid_gtin_has_fourteen_digits(text: str, gtin: str) -> None:
    assert normalise_gtin(text) == gtin
    assert is_gtin(gtin)


@pytest.mark.parametrize(
    "text", ["", "036000291453", "000000000000", "123", "none", "03600029145\u0662", "036000291452036", "963850741"]
)
def test_another_text_is_kept_as_given_and_is_no_gtin(text: str) -> None:
    assert normalise_gtin(f" {text} ") == text
    assert not is_gtin(text)


@given(GTINS)
def test_every_gtin_is_found_without_its_leading_zeros(gtin: str) -> None:
    assert is_gtin(gtin)
    short = gtin.lstrip("0")
    assert normalise_gtin(short.zfill(12)) == gtin


@given(GTINS, st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_always_seen(gtin: str, place: int, change: int) -> None:
    digit = (int(gtin[place]) + change) % 10
    assert not is_gtin(f"{gtin[:place]}{digit}{gtin[place + 1 :]}")


@given(ANY_TEXT)
def test_normalising_a_gtin_twice_changes_nothing(text: str) -> None:
    once = normalise_gtin(text)
    assert normalise_gtin(once) == once
    once.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("1987", "1987"),
        ("1987-07", "1987-07"),
        ("1987-07-04", "1987-07-04"),
        (" 1987-07-04T12:00:00Z ", "1987-07-04"),
        ("1987-07-00", "1987-07"),
        ("1987-00-00", "1987"),
        ("1987-00-04", "1987"),
        ("1987-13-01", "1987"),
        ("2023-02-29", "2023-02"),
        ("2024-02-29", "2024-02-29"),
        ("0987", "0987"),
        ("0000", None),
        ("0000-00-00", None),
        ("", None),
        ("soon", None),
        ("12345", None),
        ("19870704", None),
        ("\u0661987", None),
    ],
)
def test_a_date_is_as_precise_as_it_is_known(text: str, normal: str | None) -> None:
    assert normalise_date(text) == normal


@given(ANY_TEXT | st.dates().map(str) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
def test_a_normalised_date_stays_as_it_is(text: str) -> None:
    normal = normalise_date(text)
    if normal is not None:
        assert normalise_date(normal) == normal
        assert len(normal) in (4, 7, 10)


@given(st.dates())
def test_every_day_survives(day: date) -> None:
    assert normalise_date(day.isoformat()) == day.isoformat()
