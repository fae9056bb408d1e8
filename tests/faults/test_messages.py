"""Messages that come twice, and in any order."""

from collections.abc import Callable

from tests.faults.compare import assert_as_if_nothing_happened
from tests.faults.conftest import FaultFree
from tests.faults.relay import Relay
from tests.faults.stack import Stack
from tests.faults.table import Recovers
from tests.servers import RedisServer

ALL = ("musicbrainz", "deezer", "feed")
LIMITS = ("--musicbrainz-rate", "20", "--deezer-quota", "100", "--feed-rate", "20")
TRACKS, RATE = 200, 20.0


def test_every_message_twice_and_in_random_order_changes_nothing(
    new_stack: Callable[..., Stack], fault_free: FaultFree, recovers: Recovers
) -> None:
    stack = new_stack("--tracks", str(TRACKS), *LIMITS)
    assert isinstance(stack.broker, RedisServer)
    sent_to, read_from = 1, 0
    # Celery takes these two where messages are read elsewhere than they are sent to.
    stack.env["CELERY_BROKER_WRITE_URL"] = f"redis://127.0.0.1:{stack.broker.port}/{sent_to}"
    stack.env["CELERY_BROKER_READ_URL"] = f"redis://127.0.0.1:{stack.broker.port}/{read_from}"
    followed = stack.follow(*ALL, rate=RATE, burst=1)
    with Relay(stack.broker.port, sent_to=sent_to, read_from=read_from) as relay:
        stack.start(stack.worker("one"), stack.worker("two"), stack.beat())
        ended = stack.wait_for(*stack.sync(*followed))
    assert_as_if_nothing_happened(ended, fault_free(*ALL, tracks=TRACKS))
    assert relay.overtaken > relay.messages > len(ALL)
    for run in ended:
        asked = stack.sandbox.asked(run.provider.adapter)
        assert (asked["refused"], asked["served"]) == (0, run.fetches.count())
    recovers.note("every message comes twice, in random order", "nothing is asked for or written twice", 0)
