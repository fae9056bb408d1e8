"""A page that ends every process that reads it."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import pytest

from musicsync.models import Failure, Fetch
from tests.faults.compare import assert_as_if_nothing_happened
from tests.faults.conftest import FaultFree
from tests.faults.stack import Stack
from tests.faults.table import Recovers

TRACKS = 300


@pytest.mark.slow
def test_a_page_that_ends_its_process_is_read_three_times_and_holds_nothing_up(
    new_stack: Callable[..., Stack], fault_free: FaultFree, recovers: Recovers
) -> None:
    stack = new_stack("--tracks", str(TRACKS), "--no-limits")
    poison = tracks_of_an_album(stack)
    stack.sandbox.control("faults", json=[{"kind": "headers", "path": f"^{poison}$"}])
    worker = stack.worker("poisoned", env={"DJANGO_SETTINGS_MODULE": "tests.faults.poisoned", "POISON": poison})
    followed = stack.follow("musicbrainz", "deezer")
    stack.start(worker, stack.beat())
    opened = stack.sync(*followed)
    dead = Fetch.objects.filter(status="dead")
    recovers(
        "an item crashes the process that reads it",
        "dead after 3 starts, and the rest is done",
        dead.exists,
        within=30,
    )

    done, with_errors = stack.wait_for(*opened)
    assert (done.status, with_errors.status) == ("done", "errors")
    (fetch,) = dead
    assert (fetch.request["path"], fetch.attempts, fetch.crashes) == (poison, 3, 3)
    assert asked_for(stack) == 3
    assert Failure.objects.filter(kind="worker_lost").count() == 3
    assert Counter(with_errors.fetches.values_list("status", flat=True)).keys() == {"applied", "dead"}

    # A release that reads the page.
    worker.stop()
    stack.start(stack.worker("mended"))
    stack.manage("run", "replay", str(with_errors.pk))
    assert_as_if_nothing_happened(stack.wait_for(*opened), fault_free("musicbrainz", "deezer", tracks=TRACKS))


def tracks_of_an_album(stack: Stack) -> str:
    """Return the path of the tracks of one of the artists' albums."""
    artist = stack.sandbox.control("scopes?provider=deezer")["artist"][0]
    album = asked(stack, f"deezer/artist/{artist}/albums")["data"][0]
    return f"album/{album['id']}/tracks"


def asked(stack: Stack, path: str) -> dict[str, Any]:
    with urlopen(f"{stack.sandbox.url}/{path}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def asked_for(stack: Stack) -> int:
    """Return how often the page that a fault rule watches was asked for."""
    (rule,) = stack.sandbox.control("faults")
    return rule["hits"]
