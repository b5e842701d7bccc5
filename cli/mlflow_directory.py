"""A model as MLflow lays it out: a directory with a file `MLmodel`, and the model in the format of one of its flavours.

Runs in the command's own process and reads no model. MLflow need not be installed: it writes `MLmodel` as plain YAML,
two levels deep where flavours stand, which is all that is read of it.
"""

import re
from pathlib import Path

from cli.failures import Refused

LAYOUT = "MLmodel"
NAMES = ("data", "pickled_model", "model_data", "skops_model")
"""How flavours call the place of their model."""
TAKEN = ("xgboost", "lightgbm", "catboost", "sklearn")
"""The flavours that hold a model of ours, the most telling first: MLflow adds `python_function` to all."""
_LINE = re.compile(r"^( *)([\w.-]+):\s*(.*?)\s*$")


def model_file(directory: Path) -> tuple[Path, str]:
    """Where the model lies, and its flavour. Raises Refused."""
    if not (directory / LAYOUT).is_file():
        raise Refused(
            f"{directory} is a directory without `{LAYOUT}`: give a model file, or a directory that MLflow wrote."
        )
    flavours = _flavours((directory / LAYOUT).read_text(encoding="utf-8", errors="replace"))
    flavour = next((name for name in TAKEN if name in flavours), None)
    if flavour is None:
        found = ", ".join(flavours) or "none"
        raise Refused(f"{directory} holds a model of the flavours {found}; taken are {', '.join(TAKEN)}.")
    said = flavours[flavour]
    place = next((said[name] for name in NAMES if said.get(name)), "model.pkl")
    path = (directory / place).resolve()
    if not path.is_file() or not path.is_relative_to(directory.resolve()):
        raise Refused(f"{directory}: its {LAYOUT} says that the model is `{place}`, and there is no such file in it.")
    return path, flavour


def _flavours(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    within, name = False, ""
    for depth, key, value in (match.groups() for line in text.splitlines() if (match := _LINE.match(line))):
        if not depth:
            within = key == "flavors"
        elif within and len(depth) == 2:  # noqa: PLR2004 - MLflow's indentation
            name = key
            found[name] = {}
        elif within and name:
            found[name][key] = value.strip("'\"")
    return found
