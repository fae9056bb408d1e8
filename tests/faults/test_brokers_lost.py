"""Brokers that are killed, emptied and frozen while runs are under way: messages are lost, work is not."""

import time
from collections.abc import Iterator

import pytest
import redis
from kombu import Connection

from project import brokers
from tests.faults.conftest import FaultFree, NewStack
from tests.faults.going import ALL, CATCH_UP_SECONDS, SANDBOX, Going
from tests.faults.table import Recovers
from tests.servers import RabbitServer

FROZEN_SECONDS = 30
DOWN_SECONDS = 3


@pytest.fixture
def own_rabbit(rabbit: RabbitServer) -> Iterator[RabbitServer]:
    """The session's RabbitMQ without the queues of earlier tests, to be broken by this one."""
    delete_queues(rabbit)
    yield rabbit
    if not rabbit.pids():
        rabbit.start()


@pytest.mark.slow
def test_a_redis_that_is_flushed_costs_a_moment(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    stack = new_stack(*SANDBOX)
    going = Going(stack)
    going.begin()
    with redis.Redis.from_url(stack.broker.url) as client:
        client.flushall()
    goes_on(going, recovers, "Redis is emptied (FLUSHALL) during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_redis_that_is_killed_idle_and_busy(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    stack = new_stack(*SANDBOX)
    going = Going(stack)
    kill_for_a_while(going)
    going.begin()
    kill_for_a_while(going)
    goes_on(going, recovers, "Redis is killed and started again during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_redis_that_is_frozen(new_stack: NewStack, fault_free: FaultFree, recovers: Recovers) -> None:
    going = Going(new_stack(*SANDBOX))
    going.begin()
    freeze_for_a_while(going)
    goes_on(going, recovers, f"Redis is frozen (SIGSTOP) for {FROZEN_SECONDS} s during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_that_is_killed_idle_and_busy(
    new_stack: NewStack, own_rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=own_rabbit))
    kill_for_a_while(going)
    going.begin()
    kill_for_a_while(going)
    goes_on(going, recovers, "RabbitMQ is killed and started again during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_that_is_frozen(
    new_stack: NewStack, own_rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=own_rabbit))
    going.begin()
    freeze_for_a_while(going)
    goes_on(going, recovers, f"RabbitMQ is frozen (SIGSTOP) for {FROZEN_SECONDS} s during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_that_is_full(
    new_stack: NewStack, own_rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=own_rabbit))
    going.begin()
    own_rabbit.control("set_vm_memory_high_watermark", "0.0000001")
    time.sleep(DOWN_SECONDS)
    own_rabbit.control("set_vm_memory_high_watermark", "0.4")
    goes_on(going, recovers, "RabbitMQ takes no messages (its memory alarm) during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


@pytest.mark.slow
def test_a_rabbitmq_whose_queues_are_deleted(
    new_stack: NewStack, own_rabbit: RabbitServer, fault_free: FaultFree, recovers: Recovers
) -> None:
    going = Going(new_stack(*SANDBOX, broker=own_rabbit))
    going.begin()
    delete_queues(own_rabbit)
    goes_on(going, recovers, "RabbitMQ's queues are deleted during a run")
    going.assert_ends_as_if_nothing_happened(fault_free(*ALL))


def kill_for_a_while(going: Going) -> None:
    going.stack.broker.kill()
    time.sleep(DOWN_SECONDS)
    going.stack.broker.start()


def freeze_for_a_while(going: Going) -> None:
    going.stack.broker.freeze()
    time.sleep(FROZEN_SECONDS)
    going.stack.broker.thaw()


def goes_on(going: Going, recovers: Recovers, fault: str) -> None:
    promise = "nothing is lost: what has no message left is sent again after 25 s"
    recovers(fault, promise, going.catches_up(), within=CATCH_UP_SECONDS)


def delete_queues(rabbit: RabbitServer) -> None:
    with Connection(rabbit.url) as connection:
        for name in brokers.NAMES:
            connection.default_channel.queue_delete(brokers.queue_name(rabbit.url, name))
