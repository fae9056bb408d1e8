"""Connections of requests that end in time and lead only where they may.

The timeouts of requests and urllib3 hold between two bytes: a server that drips headers one byte a second holds its
client for ever. And their connections go to whatever a name resolves to. Here both are closed where the bytes are
read and where the connection is made, so that no step of a request (proxy, TLS, headers, body) is left out.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from msgspec import Struct
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from musicsync.providers import addresses


class Terms(Struct, frozen=True):
    """What holds for the request under way: its end, as ``time.monotonic`` counts, and whether it may go anywhere.

    The first bytes are sent within the first of ``sending``: by then everything else is ready.
    """

    deadline: float
    allow_private: bool
    sending: Iterator[AbstractContextManager[None]] = iter(())


_TERMS: ContextVar[Terms] = ContextVar("terms")


@contextmanager
def under(terms: Terms) -> Iterator[None]:
    """Let the terms hold for the requests that this thread sends within."""
    token = _TERMS.set(terms)
    try:
        yield
    finally:
        _TERMS.reset(token)


class Transport(HTTPAdapter):
    """Sends what a session asks for, under the terms that hold.

    A proxy that the environment names is connected to wherever it is, being the operator's own choice. It resolves the
    names that it is asked for, so addresses behind it cannot be checked here: that is then the proxy's task.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, ssl_context=_tls(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=_tls(), **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _InTime(socket.socket):
    """A socket that waits for a byte no longer than its timeout, nor beyond the deadline of the request under way."""

    _patience: float | None = None

    def settimeout(self, seconds: float | None, /) -> None:
        self._patience = seconds
        super().settimeout(seconds)

    def recv(self, *args: Any) -> bytes:
        super().settimeout(_seconds_left(self._patience))
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        super().settimeout(_seconds_left(self._patience))
        return super().recv_into(*args)


class _InTimeTLS(_InTime, ssl.SSLSocket):
    """The same for an encrypted connection; its handshake as a whole has the timeout for connecting."""


def _seconds_left(patience: float | None) -> float | None:
    terms = _TERMS.get(None)
    if terms is None:
        return patience
    left = terms.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer did not end in time")
    return left if patience is None else min(patience, left)


def _tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = _InTimeTLS
    return context


class _Checked(HTTPConnection):
    """Connects to an address that was checked, and to no other; sends when it is time to."""

    def endheaders(self, *body: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        terms = _TERMS.get(None)
        with nullcontext() if terms is None else next(terms.sending, nullcontext()):
            super().endheaders(*body, **options)

    def _new_conn(self) -> socket.socket:
        terms = _TERMS.get(None)
        trusted = self.proxy is not None or (terms is not None and terms.allow_private)
        try:
            places = addresses.resolve(self._dns_host.strip("[]"), self.port, allow_private=trusted)
            return _first_connection(places, self.timeout, self.socket_options)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"connecting to {self.host} took too long") from error
        except OSError as error:
            raise NewConnectionError(self, f"cannot connect to {self.host}: {error}") from error


class _CheckedTLS(_Checked, HTTPSConnection):
    """The same for an encrypted connection."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Checked


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _CheckedTLS


_POOLS = {"http": _Pool, "https": _PoolTLS}


def _first_connection(places: list[addresses.Place], timeout: Any, options: Any) -> socket.socket:
    """Return a connection to the first place that takes one.

    Raises:
        OSError: none does; it is the last one's refusal.
    """
    refusal: OSError | None = None
    for family, kind, protocol, _, where in places:
        connection = _InTime(family, kind, protocol)
        try:
            for option in options or ():
                connection.setsockopt(*option)
            connection.settimeout(_seconds_left(timeout))
            connection.connect(where)
        except OSError as error:
            connection.close()
            refusal = error
        else:
            return connection
    raise refusal or OSError("the name has no address")
