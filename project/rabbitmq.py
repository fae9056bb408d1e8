"""RabbitMQ's transport, which waits for the broker for a few seconds and not for ever.

py-amqp has a limit for connecting only. A broker that hangs, or that takes no messages because its memory or disk is
full, would otherwise hold whoever sends one, until an operator comes.
"""

from typing import Any

from amqp.exceptions import InternalError, MessageNacked, NotFound, RecoverableConnectionError
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp

ANSWER_LIMIT_SECONDS = 3
"""How long the broker may take for one answer: to a declaration, or that it has a message."""
_DELETED = (InternalError, NotFound)
"""What senders and readers meet where a queue or an exchange is deleted: by a new connection they are declared anew."""


class Blocked(RecoverableConnectionError):
    """The broker takes no messages from this connection, nor from another one."""


class Channel(pyamqp.Channel):
    """A channel that gives its connection up where an answer takes too long."""

    def basic_publish_confirm(self, *arguments: Any, **options: Any) -> Any:
        """Send a message and wait until the broker has it.

        Raises:
            OperationalError: it takes none at present. Kombu, which tries recoverable errors again, some of them for
                ever, does not try this one again.
            MessageNacked: the queue did not take it.
        """
        try:
            return super().basic_publish_confirm(*arguments, **options)
        except Blocked as error:
            raise OperationalError(str(error)) from error
        except MessageNacked:
            # py-amqp's says nothing.
            raise MessageNacked("RabbitMQ refused a message: its queue is full, deleted or without a leader") from None

    def wait(self, method: Any, callback: Any = None, timeout: float | None = None, returns_tuple: bool = False) -> Any:
        """Wait for one of the given methods, for a few seconds where `timeout` does not say for how long.

        Raises:
            RecoverableConnectionError: it did not come in time.
        """
        try:
            return super().wait(method, callback, timeout or ANSWER_LIMIT_SECONDS, returns_tuple)
        except TimeoutError:
            raise _given_up(self.connection) from None


class Connection(pyamqp.Connection):
    """A connection that waits as its channels do, and is no use any more where the broker blocks it."""

    Channel = Channel
    # To a worker any other error ends it.
    connection_errors = (*pyamqp.Connection.connection_errors, *_DELETED)
    recoverable_connection_errors = (*pyamqp.Connection.recoverable_connection_errors, *_DELETED)

    def wait(self, method: Any, callback: Any = None, timeout: float | None = None, returns_tuple: bool = False) -> Any:
        """Wait for one of the given methods, for a few seconds where `timeout` does not say for how long.

        Raises:
            RecoverableConnectionError: it did not come in time.
        """
        try:
            return super().wait(method, callback, timeout or ANSWER_LIMIT_SECONDS, returns_tuple)
        except TimeoutError:
            raise _given_up(self) from None

    def _on_blocked(self) -> None:
        self.collect()
        raise Blocked("RabbitMQ takes no messages: its memory or disk is full (see rabbitmqctl status)")


class Transport(pyamqp.Transport):
    """The transport to put in the place of kombu's."""

    Connection = Connection
    connection_errors = Connection.connection_errors
    recoverable_connection_errors = Connection.recoverable_connection_errors


class SSLTransport(pyamqp.SSLTransport):
    """The same, encrypted."""

    Connection = Connection
    connection_errors = Connection.connection_errors
    recoverable_connection_errors = Connection.recoverable_connection_errors


def _given_up(connection: pyamqp.Connection | None) -> RecoverableConnectionError:
    if connection is not None:
        # Without a farewell, which a broker that hangs would not answer either.
        connection.collect()
    return RecoverableConnectionError(f"RabbitMQ did not answer within {ANSWER_LIMIT_SECONDS} s")
