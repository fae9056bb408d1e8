"""Which addresses a provider may be at: a name is resolved once, and what is connected to is what was checked.

A base URL or a redirect may name anything: the metadata service of a cloud, a router, the database on this machine.
Without leave ("allow private addresses" of the provider) only addresses of the public internet are connected to.
"""

import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from musicsync.records import MusicsyncError

Place = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""One answer of ``socket.getaddrinfo``: family, type, protocol, canonical name, socket address."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OLD_FORMS = re.compile(r"[0-9a-fx.]+", re.IGNORECASE | re.ASCII)


class PrivateAddress(MusicsyncError):
    """A host is on this machine or in a private network, and the provider has no leave to be there."""

    def __init__(self, host: str, address: str) -> None:
        place = host if host == address else f"{host} ({address})"
        super().__init__(
            f"{place} is on this machine or in a network that is not public: if the provider is meant to be there, "
            'set "allow private addresses" of it (--allow-private on the command line)'
        )


def port_of(url: str) -> int | None:
    """Return the port that a URL names, or else that of its scheme.

    Raises:
        ValueError: it is none that can be.
    """
    parts = urlsplit(url)
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)


def resolve(host: str, port: int, *, allow_private: bool) -> list[Place]:
    """Return the places to connect to, in the order of the system's preference.

    Raises:
        PrivateAddress: one of them is not public and ``allow_private`` is not set. That another one is public does
            not help: a name with both is a mistake or an attack.
        OSError: the name is not known, or cannot be looked up now.
    """
    places: list[Place] = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for *_, where in places:
        if not allow_private and not is_public(where[0]):
            raise PrivateAddress(host, where[0])
    return places


def check_name(host: str, *, allow_private: bool) -> None:
    """Refuse a host that by its mere name is not public; what another name leads to is for ``resolve`` to check.

    Raises:
        PrivateAddress: the name is ``localhost`` or an address, in whatever notation, that is not public.
    """
    if allow_private:
        return
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        raise PrivateAddress(host, host)
    address = _written_address(name)
    if address and not is_public(address):
        raise PrivateAddress(host, address)


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, and so is the IPv4 address within, if it holds one."""
    found = ipaddress.ip_address(address)
    inner = _ipv4_within(found)
    if inner is not None:
        return is_public(str(inner))
    site_local = isinstance(found, ipaddress.IPv6Address) and found.is_site_local
    return found.is_global and not (found.is_multicast or found.is_reserved or site_local)


def is_loopback(host: str) -> bool:
    """Tell whether a host is by its name this machine."""
    name = host.lower().rstrip(".")
    address = _written_address(name)
    if address:
        return ipaddress.ip_address(address).is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _ipv4_within(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for: mapped, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _written_address(name: str) -> str:
    """Return the address that a name is, in any notation that the system reads (127.1, 0x7f000001), or nothing."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    if not _OLD_FORMS.fullmatch(name):
        return ""
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return ""
