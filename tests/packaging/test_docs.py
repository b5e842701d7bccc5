"""The pages of docs/ as a site: every page is in it, links lead somewhere, and a reader's browser asks nobody else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = Path(sys.prefix) / "site"
"""Where MkDocs lies: see requirements-docs.in."""
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-docs.txt there")
FOREIGN = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*"(?:https?:)?//[^"]*"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does: a link that leads nowhere is an error."""
    path = tmp_path_factory.mktemp("docs") / "site"
    env = {**os.environ, "PYTHONPATH": str(APART), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(path)]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return path


def test_every_page_is_there(site: Path) -> None:
    pages = {"index", "architecture", "404", *(page.stem for page in (ROOT / "docs").glob("*.md"))}
    assert {page.stem for page in site.glob("*.html")} == pages
    assert not list(site.glob("*.py"))


def test_links_are_to_the_sites_own_pages(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'href="(?:[^":]*/)?(?:README|ARCHITECTURE|docs/)[^":]*"', text), page
    assert 'href="page.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert 'href="options.html"' in (site / "inference.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        assert not FOREIGN.findall(page.read_text(encoding="utf-8")), page
