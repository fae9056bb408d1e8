from pathlib import Path

import pytest

from tests.contract.recordings import Tally

TALLY = pytest.StashKey[Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="folder with index.csv and recorded bodies of real providers, to be run through the adapters",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash[TALLY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[TALLY].lines()
    if lines:
        terminalreporter.section("recorded answers")
        for line in lines:
            terminalreporter.write_line(line)
