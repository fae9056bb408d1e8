from collections.abc import Iterator

import pytest
import requests

from tests.unit.sandbox.serving import Served, serve


@pytest.fixture
def served() -> Served:
    return serve


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
