"""Lists of the sandbox that change between two of their pages."""

from collections.abc import Callable, Iterator

import pytest
import requests

Shift = Callable[..., None]


@pytest.fixture
def shift(base: str, http: requests.Session) -> Iterator[Shift]:
    def set_rules(**rule: object) -> None:
        answer = http.post(f"{base}/control/shifts", json=[rule])
        assert answer.status_code == 200, answer.text

    yield set_rules
    http.post(f"{base}/control/shifts", json=[])


def listed(base: str, http: requests.Session, index: int = 0) -> tuple[list[int], int]:
    """Return ids and total of a page of new releases."""
    page = http.get(f"{base}/deezer/editorial/0/releases", params={"index": index, "limit": 3}).json()
    return [album["id"] for album in page["data"]], page["total"]


def test_an_item_goes_after_a_page(base: str, http: requests.Session, shift: Shift) -> None:
    whole, total = listed(base, http)
    shift(kind="remove", dialect="deezer", path="releases$", after=2)
    assert listed(base, http) == listed(base, http) == (whole, total)
    after, fewer = listed(base, http)
    assert (after[:2], fewer) == (whole[1:], total - 1)


def test_an_item_comes_after_a_page(base: str, http: requests.Session, shift: Shift) -> None:
    whole, total = listed(base, http)
    shift(kind="insert", path="releases$")
    before, fewer = listed(base, http)
    assert (before[:2], fewer) == (whole[1:], total - 1)
    assert listed(base, http, 3)[1] == total
    assert listed(base, http) == (whole, total)


def test_each_list_counts_by_itself(base: str, http: requests.Session, shift: Shift) -> None:
    whole = listed(base, http)
    shift(kind="remove", dialect="deezer")
    assert http.get(f"{base}/deezer/chart/0/albums").json()["total"]
    assert listed(base, http) == whole
    shift(kind="remove", dialect="spotify", after=0)
    assert listed(base, http) == whole


@pytest.mark.parametrize("rule", [{"kind": "swap"}, {"kind": "insert", "path": "["}, {"kind": "insert", "colour": 1}])
def test_a_rule_that_is_none_is_refused(base: str, http: requests.Session, rule: dict[str, object]) -> None:
    answer = http.post(f"{base}/control/shifts", json=[rule])
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("shift rules: ")
    assert http.get(f"{base}/control/shifts").json() == []
