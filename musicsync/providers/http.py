"""The only code that speaks HTTP: one request, its limits, and every outcome as an answer or a typed error."""

import functools
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, unquote_plus, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from msgspec import Struct

from musicsync import __version__
from musicsync.providers import addresses, bodies, connections, outcomes
from musicsync.providers.base import Adapter, one_line
from musicsync.records import MusicsyncError, Permanent, ProviderError, Request, Response, Transient
from musicsync.redaction import Secret

Take = Callable[[int, dict[str, str], Iterator[bytes]], None]
"""Takes status, headers with lower-case names, and the body as it is sent, as much of it as is wanted."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_WHOLE = frozenset({HTTPStatus.OK})
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})
_DOWNLOADED = _TAKEN | {HTTPStatus.NOT_MODIFIED}
_MOST_CONNECTIONS = 256
"""To one host from one process; as many as there are threads of a worker that runs on threads are in use."""
_LAST_OF_LATIN_1 = "\xff"


class Limits(Struct, frozen=True, kw_only=True):
    """How long (seconds) and how large (bytes, after decompression) one answer may be.

    ``connect`` and ``read`` are for one step, ``total`` for the whole: redirects, headers and body. They end below the
    soft time limit of a Celery task, so that a slow provider is an error of the provider and not of the worker.
    """

    connect: float = 5.0
    read: float = 15.0
    total: float = 40.0
    body: int = 20_000_000


class Client:
    """Asks one provider, over connections that are kept open. Not to be used across a fork: see ``client_of``."""

    def __init__(
        self,
        adapter: Adapter,
        base_url: str,
        *,
        contact: str = "",
        credential: str = "",
        allowed_hosts: Iterable[str] = (),
        allow_private: bool = False,
        limits: Limits | None = None,
    ) -> None:
        """Prepare the connection; nothing is sent yet.

        ``allowed_hosts`` are other hosts that redirects may lead to; the credential is not sent there.
        ``allow_private`` lets the provider be on this machine or in a network that is not public.

        Raises:
            MusicsyncError: the provider wants to know whom to contact and nobody is named, contact or credential
                cannot be sent, or the base URL is on this machine or in a private network without leave.
        """
        credential = credential.strip()
        if not (credential.isascii() and credential.isprintable()):
            raise MusicsyncError(
                f"the credential of {adapter.label} holds characters that no HTTP header can carry; set it again"
            )
        if adapter.contact_required and not contact:
            raise MusicsyncError(
                f"MUSICSYNC_CONTACT is not set: {adapter.label} turns away clients that do not say whom to contact; "
                "set it to an e-mail address or URL of yours"
            )
        if not contact.isprintable() or max(contact, default="") > _LAST_OF_LATIN_1:
            raise MusicsyncError("MUSICSYNC_CONTACT holds characters that no HTTP header can carry: set it again")
        addresses.check_name(_host(base_url), allow_private=allow_private)
        self._adapter = adapter
        self._base_url = base_url.rstrip("/")
        self._limits = limits or Limits()
        self.credential = Secret(credential)
        self._auth_headers = adapter.auth_headers(credential) if credential else {}
        self._auth_params = adapter.auth_params(credential) if credential else {}
        for value in (credential, *self._auth_headers.values(), *self._auth_params.values()):
            # Also in a form that only the adapter knows, behind the scheme's name ("Basic dXNlcjo...").
            Secret(value.rpartition(" ")[2])
        self._allowed_hosts = frozenset(host.strip().lower() for host in allowed_hosts)
        self._allow_private = allow_private
        self._session = _session(self._base_url)
        self._session.headers.update(
            {
                "User-Agent": f"musicsync/{__version__} ( {contact} )" if contact else f"musicsync/{__version__}",
                "Accept": adapter.accept,
                "Accept-Encoding": "gzip",
            }
        )

    def get(
        self,
        request: Request,
        etag: str | None = None,
        *,
        sending: AbstractContextManager[None] | None = None,
        before_redirect: Callable[[], None] = lambda: None,
    ) -> Response:
        """Return the provider's answer: 200 with its body, or 304 when ``etag`` still holds.

        ``sending`` is entered when the request is ready on an open connection, and left when it is sent.
        ``before_redirect`` is called before each request that a redirect makes necessary; what it raises ends the way.

        Raises:
            ProviderError: of the type that fits any other outcome; neither its text nor its excerpt holds the
                credential.
            PrivateAddress: the provider's host turns out to be in a private network, without leave.
        """
        what = f"GET /{request.path.lstrip('/')}"
        conditional = {"If-None-Match": etag} if etag else {}

        def ask(deadline: float) -> tuple[requests.Response, bytes]:
            return self._ask(what, self._url(request), request.params, conditional, deadline, before_redirect)

        return self._outcome(what, ask, sending, fine=_WHOLE | {HTTPStatus.NOT_MODIFIED} if etag else _WHOLE)

    def download(
        self,
        request: Request,
        headers: Mapping[str, str],
        take: Take,
        *,
        sending: AbstractContextManager[None] | None = None,
        before_redirect: Callable[[], None] = lambda: None,
    ) -> Response:
        """Hand the body of the answer to ``take`` piece by piece, of any size; return the answer without it.

        ``headers`` say under which conditions, and which part of it. ``take`` is called for 200 and 206; 304 is an
        answer too. The rest is as in ``get``.

        Raises:
            ProviderError, PrivateAddress: as ``get`` does, and whatever ``take`` does.
        """
        what = f"GET /{request.path.lstrip('/')}"
        # What is packed by itself needs no packing, and places in it are those of the file.
        asked = {"Accept-Encoding": "identity", **headers}

        def ask(deadline: float) -> tuple[requests.Response, bytes]:
            return self._ask(what, self._url(request), request.params, asked, deadline, before_redirect, take)

        return self._outcome(what, ask, sending, fine=_DOWNLOADED)

    def post(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """Return the answer, with status 200, of the base URL itself to a form. No redirect is followed.

        Raises:
            ProviderError, PrivateAddress: as ``get`` does.
        """
        what = f"POST {self._base_url}"

        def ask(deadline: float) -> tuple[requests.Response, bytes]:
            return self._exchange(what, "POST", self._base_url, deadline, data=form, headers=headers)

        return self._outcome(what, ask)

    def _outcome(
        self,
        what: str,
        ask: Callable[[float], tuple[requests.Response, bytes]],
        sending: AbstractContextManager[None] | None = None,
        *,
        fine: frozenset[int] = _WHOLE,
    ) -> Response:
        """Return what comes of asking until a deadline, with one of the statuses that are ``fine``."""
        deadline = time.monotonic() + self._limits.total
        try:
            once = iter([sending] if sending else [])
            with connections.under(connections.Terms(deadline, self._allow_private, once)):
                answer, body = ask(deadline)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._failure(what, error, deadline) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        now = outcomes.clock(headers, datetime.now(UTC))
        if answer.status_code in fine:
            pause = outcomes.pause(headers, now)
            url = outcomes.without(self.credential, self._bare(answer.url))
            return Response(status=answer.status_code, headers=headers, body=body, url=url, pause=pause)
        # An error may quote what was sent. The credential goes before the text is cut, so that no half of it is left.
        body = outcomes.without(self.credential, body.decode("utf-8", "replace")).encode()
        raise outcomes.error_of(self._adapter, what, answer.status_code, headers, body, now=now)

    def _url(self, request: Request) -> str:
        return f"{self._base_url}/{quote(request.path.lstrip('/'), safe='/:')}"

    def _ask(
        self,
        what: str,
        url: str,
        params: dict[str, str],
        headers: dict[str, str],
        deadline: float,
        before_redirect: Callable[[], None],
        take: Take | None = None,
    ) -> tuple[requests.Response, bytes]:
        """Return the answer that the request and its redirects lead to, with its body."""
        for followed in range(_MOST_REDIRECTS + 1):
            if followed:
                before_redirect()
            if time.monotonic() > deadline:
                raise Transient(f"{what}: no answer in time, after redirects to {urlsplit(url).path}")
            trusted = same_place(self._base_url, url)
            sent = {
                "params": {**params, **(self._auth_params if trusted else {})},
                "headers": {**headers, **(self._auth_headers if trusted else {})},
            }
            answer, body = self._exchange(what, "GET", url, deadline, take, **sent)
            if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                return answer, body
            url, params = self._followed(what, answer), {}
        raise Permanent(f"{what}: more than {_MOST_REDIRECTS} redirects, the last to {urlsplit(url).path}")

    def _exchange(
        self, what: str, method: str, url: str, deadline: float, take: Take | None = None, **sent: Any
    ) -> tuple[requests.Response, bytes]:
        """Send one request; return its answer with its body, or without it where there is somebody to ``take`` it."""
        # Where a proxy resolves the names, the name is all that can be checked here.
        addresses.check_name(_host(url), allow_private=self._allow_private)
        timeout = (self._limits.connect, self._limits.read)
        answer = self._session.request(method, url, stream=True, allow_redirects=False, timeout=timeout, **sent)
        with answer:
            if take and answer.status_code in _TAKEN:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                take(answer.status_code, headers, bodies.as_sent(what, answer, sys.maxsize, deadline))
                return answer, b""
            read = bodies.read if answer.status_code == HTTPStatus.OK else bodies.read_error
            # The body of a redirect is of no use, but read to its end it leaves the connection for what follows.
            return answer, read(what, answer, self._limits.body, deadline, self.credential)

    def _followed(self, what: str, answer: requests.Response) -> str:
        """Return where a redirect leads, if that is a place to be followed to; without the credential, in any case."""
        target = self._bare(urljoin(answer.url, answer.headers["location"]))
        if same_place(answer.url, target) or same_place(self._base_url, target):
            return target
        downgraded = urlsplit(answer.url).scheme == "https" and urlsplit(target).scheme != "https"
        if _host(target).lower() in self._allowed_hosts and not downgraded:
            return target
        raise Permanent(
            f"{what}: {answer.status_code} leads to another host or port ({urlsplit(target).netloc}), which is not "
            "followed; correct the provider's base URL if it moved, or add the host to its allowed hosts"
        )

    def _bare(self, url: str) -> str:
        """Return the URL without the parameters that carry the credential, by whatever name it gives them back."""
        if not self._auth_params:
            return url
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if not self._tells(unquote_plus(pair))]
        return urlunsplit(parts._replace(query="&".join(kept)))

    def _tells(self, pair: str) -> bool:
        return pair.partition("=")[0] in self._auth_params or self.credential in pair

    def _failure(self, what: str, error: Exception, deadline: float) -> ProviderError:
        """Return the error for a request that came to no answer."""
        cause = _cause(error)
        said = one_line(outcomes.without(self.credential, str(cause)), 300)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Permanent(f"{what}: no safe connection to {self._base_url}: {said}")
        if time.monotonic() >= deadline:
            return Transient(f"{what}: the answer of {self._base_url} did not end in time ({self._limits.total:g} s)")
        on_the_way = (requests.exceptions.ConnectionError, requests.exceptions.Timeout, urllib3.exceptions.HTTPError)
        if isinstance(error, on_the_way):
            return Transient(f"{what}: no whole answer from {self._base_url}: {said}")
        return Permanent(f"{what}: {self._base_url} cannot be asked: {said}")


def client_of(
    adapter: Adapter,
    base_url: str,
    *,
    contact: str = "",
    credential: str = "",
    allowed_hosts: Iterable[str] = (),
    allow_private: bool = False,
) -> Client:
    """Return the client of this process for a provider: made once, so that its connections are kept.

    Raises:
        MusicsyncError: as ``Client`` does.
    """
    return _client_of(os.getpid(), adapter, base_url, contact, credential, tuple(allowed_hosts), allow_private)


@functools.lru_cache(maxsize=64)
def _client_of(
    _process: int,
    adapter: Adapter,
    base_url: str,
    contact: str,
    credential: str,
    allowed_hosts: tuple[str, ...],
    allow_private: bool,
) -> Client:
    return Client(
        adapter,
        base_url,
        contact=contact,
        credential=credential,
        allowed_hosts=allowed_hosts,
        allow_private=allow_private,
    )


def _session(base_url: str) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, connections.Transport(pool_maxsize=_MOST_CONNECTIONS))
    # A proxy named in the environment is for the world outside, never for a server on this machine.
    session.trust_env = not addresses.is_loopback(_host(base_url))
    # With an auth of its own, a session does not send what a .netrc file holds for the host.
    session.auth = _no_further_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _cause(error: Exception) -> Exception:
    """Return the innermost error: requests wraps what urllib3 wraps what the system said."""
    wrapped = [getattr(error, "reason", None), *reversed(error.args)]
    inner = next((one for one in wrapped if isinstance(one, Exception)), None)
    return _cause(inner) if inner else error


def _no_further_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def same_place(old: str, new: str) -> bool:
    """Tell whether a URL leads to the host and port of another, by a connection that is as safe or safer.

    From http to https that is the same port, or from the one's own (80) to the other's (443): what else listens on a
    host may be somebody else's.

    Raises:
        ValueError: a port is none that can be.
    """
    before, after = urlsplit(old), urlsplit(new)
    ports = addresses.port_of(old), addresses.port_of(new)
    if before.hostname != after.hostname:
        return False
    if (before.scheme, after.scheme) == ("http", "https"):
        return ports[0] == ports[1] or ports == (80, 443)
    return before.scheme == after.scheme and ports[0] == ports[1]
