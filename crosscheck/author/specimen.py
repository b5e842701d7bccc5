"""One model with its rows, and what its own library says of it: written as a directory of plain files."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ADDS_UP = 1e-5
"""Of the largest output: what contributions of a library may miss its own output by, XGBoost's in single precision."""


@dataclass
class Said:
    """One output of a model: (rows, outputs), and its contributions with the base value, where there are any."""

    output: Any
    values: Any = None
    base: Any = None

    def checked(self) -> "Said":
        """Without contributions that do not even add up to the output: libraries had their faults."""
        if self.values is None or self.missed() <= ADDS_UP * max(1e-300, float(np.abs(self.output).max())):
            return self
        return Said(self.output)

    def missed(self) -> float:
        """What the contributions miss the output by."""
        total = self.values.sum(axis=1) + self.base
        return float(np.abs(total - self.output).max())


@dataclass
class Specimen:
    """See the fields; `said` is keyed as the service names outputs: margin, probability, prediction, path_length."""

    kind: str
    library: str
    """With its version."""
    model: bytes
    rows: Any
    said: dict[str, Said]
    background: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    expected: str = ""
    """The output whose predictions are sent along; empty for none."""
    names: list[str] | None = None
    """Of the columns, where rows are sent as CSV rather than NPY."""
    noise: float = 0.0
    """What the library's own arithmetic loses, whatever is left of it."""
    texts: dict[int, list[str]] = field(default_factory=dict)
    """Column → what is written in place of its numbers 0, 1, 2, ..."""

    def write(self, directory: Path, **about: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "model").write_bytes(self.model)
        self._write_rows(directory / "data", self.rows)
        if self.background is not None:
            self._write_rows(directory / "background", self.background)
        if self.expected:
            np.save(directory / "expected.npy", self.said[self.expected].output)
        arrays: dict[str, Any] = {}
        for key, said in ((key, said.checked()) for key, said in self.said.items()):
            arrays[f"{key}.output"] = said.output
            if said.values is not None:
                arrays |= {f"{key}.values": said.values, f"{key}.base": said.base, f"{key}.missed": said.missed()}
        arrays["noise"] = self.noise
        np.savez(directory / "said.npz", **arrays)
        own = {"kind": self.kind, "library": self.library, "options": self.options, "expected": self.expected}
        (directory / "about.json").write_text(json.dumps({**own, **about}))

    def _write_rows(self, path: Path, rows: Any) -> None:
        if self.names is None:
            with path.open("wb") as file:
                np.save(file, rows)
            return
        lines = [",".join(self.names), *(",".join(self._cell(*cell) for cell in enumerate(row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")

    def _cell(self, column: int, number: float) -> str:
        if np.isnan(number):
            return ""
        texts = self.texts.get(column)
        return texts[int(number)] if texts else repr(float(number))
