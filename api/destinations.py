"""Which hosts the web process may speak to by itself: those that CALLBACK_HOSTS names, and no others.

An entry is a name (`hooks.example.com`), all names below one (`*.example.com`) or all (`*`), an address or a network
(`10.0.0.0/8`, `[fd00::1]`), each with a port behind a colon where only that one is meant. Who is named in full is
trusted wherever it lies; names behind a `*` must lie in the public internet, at every address that they have, unless a
network that is named covers it. A name is resolved once, and spoken to at the address that was judged: what it resolves
to a moment later (DNS rebinding) matters to nobody. See `outgoing`, which never follows a redirect.
"""

import asyncio
import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from jobs.errors import ForbiddenUrl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_URL_CHARS = 8192
"""Presigned URLs have up to some 2,000."""
PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?P<host>\[[0-9a-f:.]+\](?:/\d+)?|[a-z0-9*._/-]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+")


class Destination(NamedTuple):
    """A URL that may be asked, in its parts."""

    scheme: str
    host: str
    """In lower case; of IPv6 without brackets."""
    port: int
    target: str
    """Path and query."""
    is_named: bool
    """Trusted wherever it lies."""


class Entry(NamedTuple):
    """One of CALLBACK_HOSTS: a name, with `*` for all below it, or a network."""

    name: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None
    port: int | None

    @classmethod
    def read(cls, text: str) -> "Entry":
        """Raises ValueError."""
        found = _ENTRY.fullmatch(text.lower())
        if not found:
            raise ValueError(f"{text!r} is neither a host nor a network")
        host, port = found["host"], int(found["port"]) if found["port"] else None
        try:
            return cls("", ipaddress.ip_network(host.replace("[", "").replace("]", ""), strict=False), port)
        except ValueError:
            name = host.removeprefix("*.")
            if host != "*" and not _NAME.fullmatch(name):
                raise ValueError(f"{text!r} is neither a host nor a network") from None
            return cls(host, None, port)

    def names(self, host: str, port: int) -> bool:
        """Whether it is this name, or one below it."""
        if self.network or self.port not in {None, port}:
            return False
        return self.name in {"*", host} or (self.name.startswith("*.") and host.endswith(self.name[1:]))

    def covers(self, address: Address, port: int) -> bool:
        return self.network is not None and self.port in {None, port} and address in self.network


class Destinations:
    """What CALLBACK_HOSTS allows; nothing where it is empty."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        """Raises ValueError."""
        self._entries = [Entry.read(entry) for entry in entries]

    @property
    def any(self) -> bool:
        return bool(self._entries)

    def check(self, url: str, field: str) -> Destination:
        """By what the URL says, before anything is asked. Raises ForbiddenUrl."""
        if not self._entries:
            raise ForbiddenUrl(field=field, reason="this service asks no other hosts; its operator sets CALLBACK_HOSTS")
        scheme, host, port, target = _parts(url, field)
        address = _address(host)
        if address is not None:
            if not (self._covers(address, port) or (self._names_all(port) and _is_public(address))):
                raise ForbiddenUrl(field=field, reason=f"the address {host} is not among CALLBACK_HOSTS")
            return Destination(scheme, host, port, target, is_named=True)
        fitting = [entry for entry in self._entries if entry.names(host, port)]
        if not fitting:
            raise ForbiddenUrl(field=field, reason=f"the host {host[:253]}:{port} is not among CALLBACK_HOSTS")
        return Destination(scheme, host, port, target, is_named=any(entry.name == host for entry in fitting))

    async def addresses(self, destination: Destination, field: str) -> list[str]:
        """All that its name has now, each of them judged. Raises ForbiddenUrl, and OSError where it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
        for text in addresses:
            address = ipaddress.ip_address(text.partition("%")[0])
            if not (destination.is_named or _is_public(address) or self._covers(address, destination.port)):
                reason = f"the host {destination.host} lies at {address}, which is no public address"
                raise ForbiddenUrl(field=field, reason=reason)
        return addresses

    def _names_all(self, port: int) -> bool:
        return any(entry.name == "*" and entry.port in {None, port} for entry in self._entries)

    def _covers(self, address: Address, port: int) -> bool:
        return any(entry.covers(_plain(address), port) for entry in self._entries)


def _parts(url: str, field: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and path with query. Raises ForbiddenUrl for what two readers might read in two ways."""
    if len(url) > MAX_URL_CHARS or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise ForbiddenUrl(field=field, reason="it is no URL: percent-encode what is not visible ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenUrl(field=field, reason=f"it is no URL: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ForbiddenUrl(field=field, reason="it must begin with https:// or http:// and a host")
    if "@" in parts.netloc:
        raise ForbiddenUrl(field=field, reason="it must hold no user or password; sign it instead")
    if not (_address(parts.hostname) or _NAME.fullmatch(parts.hostname)):
        raise ForbiddenUrl(field=field, reason="its host is no name and no address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname.rstrip("."), PORTS[parts.scheme] if port is None else port, target


def _address(host: str) -> Address | None:
    """Only as it is usually written: what else resolves to an address (2130706433, 0x7f.1) is judged as a name is."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """Of an IPv6 address that stands for an IPv4 one, that one."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
    return address


def _is_public(address: Address) -> bool:
    inner = _plain(address)
    return all(found.is_global and not found.is_multicast and not found.is_reserved for found in (address, inner))
