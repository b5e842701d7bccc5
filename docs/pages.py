"""README.md and ARCHITECTURE.md are pages of the site, too; what else lies outside docs/ is named there, not linked.

A hook of MkDocs: see mkdocs.yml.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ADDED = {"README.md": "index.md", "ARCHITECTURE.md": "architecture.md"}
"""Files of the repository, and the pages that they are."""
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """More pages."""
    from mkdocs.structure.files import File

    for name, page in ADDED.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are meant in the repository, to where the site has their pages."""
    folder = ROOT if page.file.src_uri in ADDED.values() else ROOT / "docs"

    def moved(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if not target or ":" in target:
            return link[0]
        path = (folder / target).resolve()
        if path.parent == ROOT / "docs":
            return f"[{text}]({path.name}{anchor})"
        if path.parent == ROOT and path.name in ADDED:
            return f"[{text}]({ADDED[path.name]}{anchor})"
        return text

    return _LINK.sub(moved, markdown)
