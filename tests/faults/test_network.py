"""A network that cuts, half-closes, delays and swallows what goes to each server."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from musicsync.models import Provider
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.going import ALL, RATE, SANDBOX, Going
from tests.faults.proxy import Proxy
from tests.faults.stack import Stack
from tests.faults.table import Recovers
from tests.helpers import wait_until

HELD_SECONDS = 6.0
"""Longer than what a broker is waited for, shorter than what makes a worker lost."""


def cut(proxy: Proxy, going: Going) -> None:
    proxy.cut()


def half_close(proxy: Proxy, going: Going) -> None:
    proxy.half_close()


def delay(proxy: Proxy, going: Going) -> None:
    proxy.trouble(delay=0.1)
    going.wait_for_more(5, 60)


def lose_now_and_then(proxy: Proxy, going: Going) -> None:
    before = proxy.done["cut"] + proxy.done["half_close"]
    proxy.trouble(cut=0.02, half_close=0.01, delay=0.01)
    wait_until(lambda: proxy.done["cut"] + proxy.done["half_close"] >= before + 5, 60)


def hold(proxy: Proxy, going: Going) -> None:
    end = time.monotonic() + HELD_SECONDS
    proxy.hold()
    wait_until(lambda: time.monotonic() > end, 2 * HELD_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["PostgreSQL", "Redis", "RabbitMQ", "the provider"])
def test_a_network_that_fails_costs_a_moment(
    new_stack: NewStack, fault_free: FaultFree, recovers: Recovers, request: pytest.FixtureRequest, server: str
) -> None:
    broker = request.getfixturevalue("rabbit") if server == "RabbitMQ" else None
    stack = new_stack(*SANDBOX, broker=broker)
    with proxy_before(server, stack) as proxy:
        # What a network holds back arrives at once: a provider's limit needs some room for that.
        going = Going(stack, rate=RATE * 0.9 if server == "the provider" else RATE)
        if server == "the provider":
            for provider in going.providers:
                base_url = provider.base_url.replace(stack.sandbox.url, f"http://{proxy.address}")
                Provider.objects.filter(pk=provider.pk).update(base_url=base_url)
        going.begin(applied=5)
        for fault in (cut, half_close, delay, lose_now_and_then, hold):
            fault(proxy, going)
            proxy.heal()
            recovers(
                f"the network to {server} cuts, half-closes, delays or swallows what goes through",
                "the runs go on by themselves when it is well again",
                more_applied(going),
                within=40,
            )
        going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


def more_applied(going: Going) -> Callable[[], bool]:
    before = going.applied()
    return lambda: going.applied() >= before + 5


@contextmanager
def proxy_before(server: str, stack: Stack) -> Iterator[Proxy]:
    """Put a proxy before one of the servers, for every process that the stack starts from now on."""
    match server:
        case "PostgreSQL":
            target, name, url = (
                stack.postgres._sockets / ".s.PGSQL.5432",
                "DATABASE_URL",
                "postgres://postgres@{}/musicsync",
            )
        case "Redis":
            target, name, url = ("127.0.0.1", stack.broker.port), "CELERY_BROKER_URL", "redis://{}/0"
        case "RabbitMQ":
            target, name, url = ("127.0.0.1", stack.broker.port), "CELERY_BROKER_URL", "amqp://guest:guest@{}//"
        case _:
            target, name, url = ("127.0.0.1", stack.sandbox.port), "", ""
    with Proxy(target) as proxy:
        if name:
            stack.env[name] = url.format(proxy.address)
        yield proxy
