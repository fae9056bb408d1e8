"""Fixtures for tests of the engine."""

from collections.abc import Iterator
from typing import Any

import pytest

from musicsync.providers import deezer
from musicsync.sync import budget, fetches
from tests.unit.sandbox.serving import serve

TRACKS, SEED = 300, 1
CREDENTIALS = {"MUSICSYNC_CREDENTIAL_JAMENDO": "jamendo-client-id", "MUSICSYNC_CREDENTIAL_LASTFM": "lastfm-api-key"}


@pytest.fixture
def base(transactional_db: None, settings: Any) -> Iterator[str]:
    """The URL of a sandbox of 300 tracks a provider, with no limits, beside an empty database that commits."""
    settings.MUSICSYNC_CONTACT = "tests@localhost"
    settings.MUSICSYNC_CREDENTIALS = dict(CREDENTIALS)
    with serve(TRACKS, SEED) as url:
        yield url


@pytest.fixture
def small(transactional_db: None, settings: Any) -> Iterator[str]:
    """As ``base``, with 100 tracks: the same for each provider."""
    settings.MUSICSYNC_CONTACT = "tests@localhost"
    settings.MUSICSYNC_CREDENTIALS = dict(CREDENTIALS)
    with serve(100, SEED) as url:
        yield url


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries and pauses take a hundredth of their time."""
    monkeypatch.setattr(fetches, "_FIRST_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(budget, "DEFAULT_COOLDOWN_SECONDS", 0.1)
    monkeypatch.setattr(budget, "SHORTEST_COOLDOWN_SECONDS", 0.05)
    monkeypatch.setattr(deezer, "_WINDOW_SECONDS", 0.1)
