import doctest

import pytest

from musicsync import words


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 requests"), (1, "1 request"), (2, "2 requests"), (1_000, "1,000 requests")]
)
def test_a_count_says_one_or_several(number: int, said: str) -> None:
    assert words.counted(number, "request") == said


def test_what_does_more_than_take_an_s_names_both_forms() -> None:
    said = [words.counted(number, "fetch is", "fetches are") for number in (0, 1, 2)]
    assert said == ["0 fetches are", "1 fetch is", "2 fetches are"]


def test_the_examples_hold() -> None:
    failed, attempted = doctest.testmod(words)
    assert (failed, attempted) == (0, 2)
