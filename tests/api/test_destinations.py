"""Whom the service speaks to by itself: what CALLBACK_HOSTS names, and nobody else, however it is written."""

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.destinations import Destination, Destinations
from jobs.errors import ForbiddenUrl

LISTED = ("hooks.example.com", "*.inside.example", "ports.example.com:8443", "10.1.0.0/16", "[fd00::1]:81", "127.0.0.2")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/"),
        ("HTTP://Hooks.Example.COM.:8000/a?b=c#d", "hooks.example.com", 8000, "/a?b=c"),
        ("https://a.b.inside.example/x", "a.b.inside.example", 443, "/x"),
        ("https://ports.example.com:8443/", "ports.example.com", 8443, "/"),
        ("http://10.1.255.3:9/", "10.1.255.3", 9, "/"),
        ("http://[fd00::1]:81/", "fd00::1", 81, "/"),
        ("http://[::ffff:10.1.2.3]/", "::ffff:10.1.2.3", 80, "/"),
    ],
)
def test_named(url: str, host: str, port: int, target: str) -> None:
    found = Destinations(LISTED).check(url, "data_url")
    assert found[1:4] == (host, port, target)
    assert found.is_named is not host.endswith("inside.example")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://hooks.example.com.evil.net/",
        "https://evilhooks.example.com/",
        "https://inside.example/",
        "https://evilinside.example/",
        "https://ports.example.com/",
        "http://10.2.0.1/",
        "http://127.0.0.1/",
        "http://[fd00::1]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost/",
        "https://hooks.example.com@127.0.0.1/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com:443@127.0.0.1/",
        "https://127.0.0.1#@hooks.example.com/",
        "https://127.0.0.1?@hooks.example.com/",
        "https://hooks.example.com\r\nHost: evil/",
        "https://hooks.example.com/\x00",
        "https://hooks.example.com:99999/",
        "https://hooks。example。com/",
        "https://\uff48ooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "//hooks.example.com/",
        "hooks.example.com",
        "https:///path",
        "https://[::1",
        "",
        "https://hooks.example.com/" + "a" * 9000,
    ],
)
def test_not_named(url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        Destinations(LISTED).check(url, "data_url")


@given(st.text(max_size=60))
def test_nothing_else_escapes(text: str) -> None:
    for url in (text, f"http://{text}", f"https://hooks.example.com{text}"):
        try:
            found = Destinations(("hooks.example.com",)).check(url, "data_url")
        except ForbiddenUrl:
            continue
        assert found.host == "hooks.example.com"


def test_where_nobody_is_named_nobody_is_asked() -> None:
    with pytest.raises(ForbiddenUrl, match="CALLBACK_HOSTS"):
        Destinations(()).check("https://hooks.example.com/", "callback_url")


@pytest.mark.parametrize("entry", ["https://a.example", "a b", "*a.example", "10.0.0.0/99", "a:b", "user@a", "[::1"])
def test_entries_that_name_nobody(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host nor a network"):
        Destinations((entry,))


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


INWARD = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::2",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
]


@pytest.mark.anyio
@pytest.mark.parametrize("address", INWARD)
async def test_a_name_behind_a_star_that_resolves_inward(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Also beside an address that is public: which of them is asked must not matter."""
    for entry in ("*", "*.example.com"):
        destinations = Destinations((entry,))
        found = destinations.check("http://a.example.com/", "data_url")
        resolved(monkeypatch, "93.184.216.34", address)
        with pytest.raises(ForbiddenUrl, match="no public address"):
            await destinations.addresses(found, "data_url")


@pytest.mark.anyio
async def test_names_that_may_lie_inward(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is named in full, and one whose network is named."""
    resolved(monkeypatch, "10.0.0.1")
    for entries in (("a.example.com",), ("*.example.com", "10.0.0.0/8")):
        destinations = Destinations(entries)
        found = destinations.check("http://a.example.com/", "data_url")
        assert await destinations.addresses(found, "data_url") == ["10.0.0.1"]


@pytest.mark.anyio
async def test_public_names_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    destinations = Destinations(("*",))
    resolved(monkeypatch, "93.184.216.34", "93.184.216.34", "2606:2800:220:1::1")
    found = destinations.check("http://a.example.com/", "data_url")
    assert await destinations.addresses(found, "data_url") == ["93.184.216.34", "2606:2800:220:1::1"]
    assert destinations.check("http://93.184.216.34/", "data_url") == Destination(
        "http", "93.184.216.34", 80, "/", is_named=True
    )
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/"):
        with pytest.raises(ForbiddenUrl):
            destinations.check(url, "data_url")


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/"])
async def test_other_spellings_of_loopback_are_what_they_resolve_to(url: str) -> None:
    """By the system's own resolver."""
    destinations = Destinations(("*",))
    with pytest.raises((ForbiddenUrl, OSError)):
        await destinations.addresses(destinations.check(url, "data_url"), "data_url")
