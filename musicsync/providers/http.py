"""The only code that speaks HTTP: one GET, its limits, and every outcome as an answer or a typed error."""

import functools
import ipaddress
import os
import time
import zlib
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from msgspec import Struct

from musicsync import __version__
from musicsync.providers.base import Adapter, one_line
from musicsync.providers.outcomes import error_of
from musicsync.records import MusicsyncError, Permanent, Request, Response, Transient

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_CHUNK = 65_536


class Limits(Struct, frozen=True, kw_only=True):
    """How long (seconds) and how large (bytes, after decompression) one answer may be.

    Together they end below the soft time limit of a Celery task, so that a slow provider is an error of the provider
    and not of the worker.
    """

    connect: float = 5.0
    read: float = 15.0
    total: float = 40.0
    body: int = 20_000_000


class Client:
    """Asks one provider, over connections that are kept open. Not to be used across a fork: see ``client_of``."""

    def __init__(
        self, adapter: Adapter, base_url: str, *, contact: str = "", credential: str = "", limits: Limits | None = None
    ) -> None:
        """Prepare the connection; nothing is sent yet.

        Raises:
            MusicsyncError: the provider wants to know whom to contact and nobody is named, or the credential cannot
                be sent.
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
        self._adapter = adapter
        self._base_url = base_url.rstrip("/")
        self._limits = limits or Limits()
        self._credential = credential
        self._session = _session(self._base_url)
        self._session.headers.update(
            {
                "User-Agent": f"musicsync/{__version__} ( {contact} )" if contact else f"musicsync/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **(adapter.auth_headers(credential) if credential else {}),
            }
        )

    def get(self, request: Request, etag: str | None = None) -> Response:
        """Return the provider's answer: 200 with its body, or 304 when ``etag`` still holds.

        Raises:
            ProviderError: of the type that fits any other outcome; its text never holds the credential.
        """
        what = f"GET /{request.path.lstrip('/')}"
        conditional = {"If-None-Match": etag} if etag else {}
        deadline = time.monotonic() + self._limits.total
        try:
            answer, body = self._ask(what, self._url(request), request.params, conditional, deadline)
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
            raise Permanent(f"{what}: no safe connection to {self._base_url}: {self._safe(error)}") from error
        except (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise Transient(f"{what}: no whole answer from {self._base_url}: {self._safe(error)}") from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise Permanent(f"{what}: {self._base_url} cannot be asked: {self._safe(error)}") from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status_code == HTTPStatus.OK or (answer.status_code == HTTPStatus.NOT_MODIFIED and etag):
            return Response(status=answer.status_code, headers=headers, body=body, url=answer.url)
        # An error may quote what was sent. The credential goes before the text is cut, so that no half of it is left.
        body = self._without_credential(body.decode("utf-8", "replace")).encode()
        raise error_of(self._adapter, what, answer.status_code, headers, body, now=datetime.now(UTC))

    def _url(self, request: Request) -> str:
        return f"{self._base_url}/{quote(request.path.lstrip('/'), safe='/:')}"

    def _ask(
        self, what: str, url: str, params: dict[str, str], headers: dict[str, str], deadline: float
    ) -> tuple[requests.Response, bytes]:
        for _ in range(_MOST_REDIRECTS + 1):
            if time.monotonic() > deadline:
                raise Transient(f"{what}: no answer in time, after redirects to {urlsplit(url).path}")
            answer = self._session.get(
                url,
                params=params,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(self._limits.connect, self._limits.read),
            )
            with answer:
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    return answer, _body(what, answer, self._limits.body, deadline)
                # What it answers is elsewhere; reading this body to its end keeps the connection for that.
                _body(what, answer, self._limits.body, deadline)
            target = urljoin(answer.url, answer.headers["location"])
            if not _same_host(answer.url, target):
                raise Permanent(
                    f"{what}: {answer.status_code} leads to another host ({urlsplit(target).netloc}), which is not "
                    "followed; correct the provider's base URL if it moved"
                )
            url, params = target, {}
        raise Permanent(f"{what}: more than {_MOST_REDIRECTS} redirects, the last to {urlsplit(url).path}")

    def _safe(self, error: Exception) -> str:
        return one_line(self._without_credential(str(_cause(error))), 300)

    def _without_credential(self, text: str) -> str:
        if not self._credential:
            return text
        return text.replace(self._credential, "***").replace(quote(self._credential, safe=""), "***")


def client_of(adapter: Adapter, base_url: str, *, contact: str = "", credential: str = "") -> Client:
    """Return the client of this process for a provider: made once, so that its connections are kept.

    Raises:
        MusicsyncError: as ``Client`` does.
    """
    return _client_of(os.getpid(), adapter, base_url, contact, credential)


@functools.lru_cache(maxsize=64)
def _client_of(_process: int, adapter: Adapter, base_url: str, contact: str, credential: str) -> Client:
    return Client(adapter, base_url, contact=contact, credential=credential)


def _session(base_url: str) -> requests.Session:
    session = requests.Session()
    # A proxy named in the environment is for the world outside, never for a server on this machine.
    session.trust_env = not _is_loopback(base_url)
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


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _same_host(old: str, new: str) -> bool:
    before, after = urlsplit(old), urlsplit(new)
    if before.hostname != after.hostname:
        return False
    upgraded = (before.scheme, after.scheme) == ("http", "https")
    return upgraded or (before.scheme == after.scheme and before.port == after.port)


def _body(what: str, answer: requests.Response, limit: int, deadline: float) -> bytes:
    """Return the whole body, decompressed.

    Raises:
        Permanent: it is larger than the limit, or compressed in a way that was not asked for.
        Transient: it does not come to an end before the deadline, or its compression is damaged.
    """
    too_large = Permanent(f"{what}: the answer is larger than {limit:,} bytes")
    announced = answer.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:18]) > limit:
        raise too_large
    received = bytearray()
    # read1 returns what has arrived, so a server that drips cannot hide between two looks at the clock.
    while chunk := _read1(answer.raw):
        received += chunk
        if len(received) > limit:
            raise too_large
        if time.monotonic() > deadline:
            raise Transient(f"{what}: the answer did not end in time ({len(received):,} bytes came)")
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if not received or encoding in ("", "identity"):
        return bytes(received)
    if encoding not in ("gzip", "x-gzip"):
        raise Permanent(f"{what}: the answer is encoded as {encoding[:40]!r}, which was not asked for")
    unpacked = _gunzip(what, bytes(received), limit + 1)
    if len(unpacked) > limit:
        raise too_large
    return unpacked


def _read1(raw: Any) -> bytes:
    chunk: bytes = raw.read1(_CHUNK, decode_content=False)
    return chunk


def _gunzip(what: str, packed: bytes, limit: int) -> bytes:
    unpacked = bytearray()
    # A gzip body may be several members one after the other.
    while packed and len(unpacked) < limit:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            unpacked += member.decompress(packed, limit - len(unpacked))
        except zlib.error as error:
            raise Transient(f"{what}: the compressed answer is damaged: {error}") from error
        if not member.eof and len(unpacked) < limit:
            raise Transient(f"{what}: the compressed answer was cut off after {len(packed):,} bytes")
        packed = member.unused_data
    return bytes(unpacked)
