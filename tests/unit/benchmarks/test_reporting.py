from pathlib import Path

import pytest

from benchmarks import budgets, report
from benchmarks.__main__ import BY_ETAG, DLT_AGAIN, DLT_FIRST, FIRST, LIMIT, WITHOUT, goals
from benchmarks.end_to_end import OWN_ROWS, Measured, Outcome
from benchmarks.metering import Usage


def test_a_part_of_the_page_is_replaced_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- one end -->\nb\n<!-- two -->\n<!-- two end -->\n")
    report.write_part("one", "new", page)
    assert page.read_text() == "a\n<!-- one -->\nnew\n<!-- one end -->\nb\n<!-- two -->\n<!-- two end -->\n"


def test_a_part_that_the_page_does_not_have_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no part"):
        report.write_part("one", "new", page)
    assert page.read_text() == "nothing"


def test_every_part_that_a_benchmark_writes_has_its_place() -> None:
    page = report.PAGE.read_text()
    for name in ("comparison", "growth", "budgets", "freshness"):
        assert f"<!-- {name} -->" in page
        assert f"<!-- {name} end -->" in page


def test_goals_are_ratios_within_the_run() -> None:
    usage = {"worker": Usage(1.0, 150.0, 120.0)}
    ours = [Measured(FIRST, 100, 1.0, usage), Measured(BY_ETAG, 100, 0.1, usage), Measured(WITHOUT, 100, 0.2, usage)]
    peers = [
        Measured(DLT_FIRST, 100, 2.0),
        Measured(DLT_AGAIN, 100, 2.0),
        Measured(LIMIT, 100, 0.25),
        Measured(OWN_ROWS, 100, 0.5),
    ]
    found = [row[2] for row in goals(Outcome(100, ours, [1.0, 1.0], peers))]
    assert found == ["2.00", "0.50", "0.25", "10.00", "20.00", "120 MB"]


def test_a_peer_that_did_not_run_is_not_measured_against() -> None:
    ours = [Measured(FIRST, 100, 1.0, {"worker": Usage(1.0, 150.0, 120.0)})]
    found = [row[2] for row in goals(Outcome(100, ours, [1.0, 1.0], [Measured("dlt_merge", note="does not install")]))]
    assert found == ["not measured", "not measured", "not measured", "120 MB"]


@pytest.mark.parametrize(("rate", "latency_ms", "expected"), [(1, 50, 3), (10, 500, 10), (50, 2000, 152)])
def test_there_are_as_many_processes_as_the_rate_needs(rate: int, latency_ms: int, expected: int) -> None:
    assert budgets.processes_for(rate, latency_ms) == expected
