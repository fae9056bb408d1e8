"""Brokers that are killed, emptied and frozen while runs are under way: messages are lost, work is not."""

import time

import pytest
import redis
from kombu import Connection

from project import brokers
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.going import ALL, SANDBOX, Going
from tests.faults.table import Recovers
from tests.servers import RabbitServer

FROZEN_SECONDS = 30
DOWN_SECONDS = 3


def test_a_redis_that_is_flushed_costs_a_moment(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    stack = new_stack(*SANDBOX)
    going = Going(stack)
    going.begin()
    with redis.Redis.from_url(stack.broker.url) as client:
        client.flushall()
    goes_on(going, recovers, "Redis is emptied (FLUSHALL) during a run", within=30)
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_redis_that_is_killed_idle_and_busy(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    stack = new_stack(*SANDBOX)
    going = Going(stack)
    kill_for_a_while(going)
    going.begin()
    kill_for_a_while(going)
    goes_on(going, recovers, "Redis is killed and started again during a run", within=35)
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_redis_that_is_frozen(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    going = Going(new_stack(*SANDBOX))
    going.begin()
    freeze_for_a_while(going)
    goes_on(going, recovers, f"Redis is frozen (SIGSTOP) for {FROZEN_SECONDS} s during a run", within=35)
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_that_is_killed_idle_and_busy(
    new_stack: NewStack, rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=rabbit))
    kill_for_a_while(going)
    going.begin()
    kill_for_a_while(going)
    goes_on(going, recovers, "RabbitMQ is killed and started again during a run", within=35)
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_whose_queues_are_emptied_and_deleted(
    new_stack: NewStack, rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=rabbit))
    going.begin()
    fetch, *others = [brokers.queue_name(rabbit.url, base) for base in brokers.NAMES]
    with Connection(rabbit.url) as connection:
        connection.default_channel.queue_purge(fetch)
        goes_on(going, recovers, "RabbitMQ's queue is emptied during a run", within=35)
        for queue in (fetch, *others):
            connection.default_channel.queue_delete(queue)
    goes_on(going, recovers, "RabbitMQ's queues are deleted during a run", within=35)
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


def kill_for_a_while(going: Going) -> None:
    going.stack.broker.kill()
    time.sleep(DOWN_SECONDS)
    going.stack.broker.start()


def freeze_for_a_while(going: Going) -> None:
    going.stack.broker.freeze()
    time.sleep(FROZEN_SECONDS)
    going.stack.broker.thaw()


def goes_on(going: Going, recovers: Recovers, fault: str, within: float) -> None:
    """Wait for a page to be applied that was not yet, or for the end of what there is to apply."""
    recovers(
        fault, "nothing is lost: what had no message left is sent again after 25 s", going.catches_up(), within=within
    )
