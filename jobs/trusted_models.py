"""The operator's own model files: what stands in TRUSTED_MODEL_DIR. Looked at by the web process and the supervisor.

Does not open them: children read them, through the supervisor.
"""

import os
from pathlib import Path


def trusted_models(directory: Path | None) -> dict[str, Path]:
    """Names that a job may give as its `model_id`, and the files behind them; a link that leads out is none."""
    if directory is None:
        return {}
    root = directory.resolve()
    entries = [entry for entry in sorted(directory.iterdir()) if not entry.name.startswith(".")]
    files = {entry.name: Path(os.path.realpath(entry)) for entry in entries}  # resolve() raises for a link to itself
    return {name: file for name, file in files.items() if file.is_file() and file.is_relative_to(root)}
