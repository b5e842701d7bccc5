"""The source distribution holds all that the rooms are made of, so that wheels can be built of it anywhere."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("jobs", "shaptrees", "child", "supervisor", "api", "plots", "cli", "client/shap_supervisor")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    source, built = tmp_path_factory.mktemp("source") / "all", tmp_path_factory.mktemp("built")
    made = shutil.ignore_patterns(".*", "__pycache__", "*.so", "build", "dist", "site", "*.egg-info", "vega.js")
    shutil.copytree(ROOT, source, ignore=made)
    build = f"from setuptools import build_meta; build_meta.build_sdist({os.fspath(built)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=100)
    (archive,) = built.iterdir()
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def test_every_file_of_a_room_is_in_it(names: set[str]) -> None:
    kinds = {".py", ".lua", ".c", ".h", ".js", ".css", ".html", ".svg", ".json", ".typed"}
    files = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    wanted = {file.as_posix() for file in files if file.name != "vega.js"}
    assert len(wanted) > 200
    assert wanted <= names


def test_nothing_else_is(names: set[str]) -> None:
    assert not {name for name in names if name.endswith((".so", ".pyc", "vega.js"))}
    assert {"setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= names
