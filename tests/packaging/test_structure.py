"""The house as it is promised: what ARCHITECTURE.md names is there, and no file or function grows out of sight."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "jobs",
    "shaptrees",
    "child",
    "supervisor",
    "api",
    "plots",
    "cli",
    "client",
    "bench",
    "chaos",
    "crosscheck",
    "fuzz",
)
CODE = {".py", ".lua", ".c", ".h"}
LONGEST_FILE, LONG_FUNCTION, SHORT_SHARE = 350, 20, 0.9
PAGES = [ROOT / "ARCHITECTURE.md", *(ROOT / "docs" / f"{name}.md" for name in ("memory", "recovery", "states"))]
NAMED = re.compile(r"`([\w.-]+/[\w./-]+\.(?:py|lua|c|h|md))`")


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = [ROOT / name for name in listed.stdout.splitlines()] or list(ROOT.rglob("*"))
    return [path for path in found if path.suffix in CODE and path.is_file() and ".venv" not in str(path)]


def test_no_file_is_longer_than_one_can_survey():
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources()}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_nine_of_ten_functions_are_short():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    rooms = [path for path in sources() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS]
    found = [node for path in rooms for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    short = [node for node in found if (node.end_lineno or 0) - node.lineno + 1 < LONG_FUNCTION]
    assert len(short) >= SHORT_SHARE * len(found) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_names_is_there(page: Path):
    """A short name, such as `chunks/judge.py`, is the end of a path."""
    ends = [f"/{path.relative_to(ROOT)}" for path in (*sources(), *PAGES, ROOT / "README.md")]
    named = NAMED.findall(page.read_text())
    assert [name for name in named if not any(end.endswith(f"/{name}") for end in ends)] == []
