"""The steps of the image, run as a script in an empty directory: what comes out works, as an unprivileged user.

Paths of the image lie below a directory of the test; the system's packages are this machine's own.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
TOKENS = {"API_TOKEN": "a-token-for-callers", "ADMIN_TOKEN": "a-token-for-operators"}
SOMEBODY = (
    *("setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),  # to find this interpreter
)


class Step(NamedTuple):
    word: str
    rest: str


def steps() -> list[Step]:
    text = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Step(*line.split(maxsplit=1)) for line in lines]


class Image:
    """What the steps make, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root
        self.environment: dict[str, str] = {}
        self.user, self.healthcheck, self.command = "", [""], [""]

    def below(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/(?=(opt|wheels|source|var|tmp)\b)", f"{self.root}/", text)

    def take(self, step: Step) -> None:
        match step.word:
            case "RUN" if "apt-get" not in step.rest:
                path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
                env = {**os.environ, "PATH": path, "PIP_NO_COMPILE": "1"}
                subprocess.run(["sh", "-euc", self.below(step.rest)], cwd=self.directory, env=env, check=True)
            case "COPY" if "--from" not in step.rest:
                self._copy(*step.rest.split())
            case "WORKDIR":
                self.directory = Path(self.below(step.rest))
                self.directory.mkdir(parents=True, exist_ok=True)
            case "ENV":
                self.environment |= dict(item.split("=", 1) for item in shlex.split(self.below(step.rest)))
            case "USER":
                self.user = step.rest
            case "HEALTHCHECK":
                self.healthcheck = json.loads(step.rest.partition("CMD ")[2])
            case "CMD":
                self.command = json.loads(step.rest)

    def _copy(self, *names: str) -> None:
        """Of `.` what .containerignore lets through; git knows what of that is ours."""
        *sources, _ = names
        taken = re.findall(r"^!(.+?)/?$", (ROOT / ".containerignore").read_text(), re.MULTILINE)
        wanted = taken if sources == ["."] else sources
        listed = subprocess.run(
            ["git", "ls-files", "-z", *wanted], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            target = self.directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)

    def process(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """In the image's environment, as its user."""
        path = self.environment["PATH"].replace("$PATH", os.environ["PATH"])
        environment = {**self.environment, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **env}
        prefix = SOMEBODY if os.geteuid() == 0 else ()
        return subprocess.Popen([*prefix, *command], cwd=self.directory, env=environment)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    found = Image(tmp_path_factory.mktemp("image"))
    for directory in (*found.root.parents, found.root):
        if directory.is_relative_to(tmp_path_factory.getbasetemp().parent):
            directory.chmod(0o755)
    (found.root / "tmp").mkdir(mode=0o777)
    (found.root / "tmp").chmod(0o777)
    for step in steps():
        found.take(step)
    return found


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(40) == 0


def until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError


def test_it_runs_and_passes_its_own_verification(image: Image, valkey_url: str) -> None:
    assert image.user == "10001:10001"
    port = str(free_port())
    store = {"REDIS_URL": valkey_url, "SANDBOX": "require" if sys.platform == "linux" else "auto"}
    with ExitStack() as opened:
        opened.enter_context(running(image.process("python", "-P", "-m", "supervisor", **store)))
        web = image.process(*image.command, **store, **TOKENS, PORT=port, HOST="127.0.0.1")
        opened.enter_context(running(web))
        until_it_listens(int(port))
        verify = image.process("shap-supervisor", "verify", f"http://127.0.0.1:{port}", **TOKENS)
        assert verify.wait(120) == 0
        assert image.process(*image.healthcheck, PORT=port).wait(30) == 0
    assert image.process(*image.healthcheck, PORT=port).wait(30) != 0, "nobody is there any more"


def test_only_its_cache_is_its_own(image: Image) -> None:
    writable = "import os, sys; sys.exit(sum(os.access(path, os.W_OK) for path in sys.path if path))"
    assert image.process("python", "-P", "-c", writable).wait(30) == 0
